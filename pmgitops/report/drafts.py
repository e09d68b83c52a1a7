"""A request that was written: what is said of it, and how it is proposed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from pmgitops.report import findings
from pmgitops.report.quoting import dumped, one_line

if TYPE_CHECKING:
    from pmgitops.drafting.hosting import Repo
    from pmgitops.flows.new import Proposed, Written
    from pmgitops.settings import Config


def text(written: Written, config: Config) -> str:
    """The path, the findings, and the commands that propose it."""
    found = findings.text(written.checked.requests, written.checked.findings)
    told = "was there already" if not written.fresh else "written"
    lines = [f"{written.path} {told}", found, ""]
    if written.blocked:
        lines += ["Mend it, and look again:", f"    pmgitops check {shlex.quote(written.path)}"]
    else:
        lines += ["To propose it (or: the same command with --propose):", *_indented(commands(written, config))]
    return "\n".join(lines)


def proposed_text(written: Written, proposed: Proposed, config: Config, repo: Repo | None) -> str:
    """What was done, and what is left to do."""
    remote, branch = config.ledger.remote, written.branch
    told = f"{branch} is at {remote} already, with this file" if proposed.pushed.there else f"{branch} pushed"
    lines = [
        f"{written.path} {'written' if written.fresh else 'was there already'}",
        findings.text(written.checked.requests, written.checked.findings),
        f"{told} ({proposed.pushed.commit[:12]}, on {remote}/{config.branch})",
    ]
    if proposed.pull:
        lines.append(f"pull request {proposed.pull.url}{' (was open already)' if proposed.pull.there else ''}")
    elif repo:
        lines += ["Open the pull request (with GITHUB_TOKEN it is opened for you):"]
        lines += [f"    {repo.compare(config.branch, branch)}"]
    else:
        lines.append(f"Open a pull request from {branch} into {config.branch} where {remote} is hosted.")
    lines.append(f"The branch has the file now; remove it here before you pull {config.branch}.")
    return "\n".join(lines)


def proposed_json(written: Written, proposed: Proposed, config: Config, repo: Repo | None) -> str:
    """For programs."""
    pull = proposed.pull
    body: dict[str, Any] = {
        "name": written.name,
        "path": written.path,
        "written": written.fresh,
        **written.checked.as_json(),
        "branch": written.branch,
        "commit": proposed.pushed.commit,
        "pushed": not proposed.pushed.there,
        "pullRequest": pull.url if pull else None,
        "compare": repo.compare(config.branch, written.branch) if repo else None,
    }
    return dumped(body)


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def commands(written: Written, config: Config) -> list[str]:
    """What git has to be told."""
    remote, branch = config.ledger.remote, written.branch
    return [
        f"git switch --no-track -c {branch} {remote}/{config.branch}",
        f"git add -- {shlex.quote(written.path)}",
        f"git commit -m {shlex.quote(one_line(written.title))} -- {shlex.quote(written.path)}",
        f"git push -u {remote} {branch}",
    ]


def json(written: Written, config: Config) -> str:
    """For programs."""
    body: dict[str, Any] = {
        "name": written.name,
        "path": written.path,
        "written": written.fresh,
        **written.checked.as_json(),
        "commands": commands(written, config),
    }
    return dumped(body)


FORMATS = {"text": text, "json": json}
PROPOSED = {"text": proposed_text, "json": proposed_json}
