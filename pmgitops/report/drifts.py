"""What is different behind git's back, as text, JSON and Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pmgitops.drift import CLASSES, Drift, Found
from pmgitops.report import findings
from pmgitops.report.quoting import code, dumped, escaped, one_line

if TYPE_CHECKING:
    from pmgitops.drafting.hosting import Repo
    from pmgitops.flows.imports import Imported
    from pmgitops.flows.new import Proposed
    from pmgitops.settings import Config

_CLASS = max(map(len, CLASSES))
_STATE = 24
"""Columns of the target's words, such as `approved/grantingFailed`."""
_NARROWEST = 60


def text(drift: Drift, width: int = 100) -> str:
    """Three lines for whatever is different or waits for a run: what, why, and the next command; then the counts."""
    room = max(width, _NARROWEST) - _CLASS - _STATE - 4
    shown = [one for one in drift.found if one.kind != "managed" or one.next]
    lines = [_row("CLASS", "REQUEST", "AT THE TARGET", room)] if shown else []
    for one in shown:
        lines.append(_row(one.kind, one.name or one.remote_id, one.state, room))
        lines += textwrap.wrap(
            _explained(one), max(width, _NARROWEST) - 4, initial_indent="    ", subsequent_indent="    "
        )
        lines += [f"    next: {one_line(one.next)}"] if one.next else []
    lines += [
        f"unreadable       {one_line(target)}: {one_line(why)}" for target, why in sorted(drift.unreadable.items())
    ]
    return "\n".join([*lines, _counted(drift)])


def json(drift: Drift, _width: int = 0) -> str:
    """For programs."""
    return dumped(drift.as_json())


def markdown(drift: Drift, _width: int = 0) -> str:
    """For an issue, or a run's summary."""
    lines = [f"**Drift**: {escaped(_counted(drift))}"]
    if drift.different:
        lines += ["", "| class | request | at the target | why | next |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(one))} |" for one in drift.different]
    if drift.unreadable:
        lines += ["", "Not read, or not all of it:", ""]
        lines += [f"- {code(target)}: {escaped(why)}" for target, why in sorted(drift.unreadable.items())]
    return "\n".join(lines)


def _row(kind: str, name: str, state: str, room: int) -> str:
    name, state = one_line(name), one_line(state)
    name = name if len(name) <= room else name[: room - 3] + "..."
    return f"{kind:{_CLASS}}  {name:{room}}  {state[:_STATE]}".rstrip()


def _explained(one: Found) -> str:
    return one_line(f"{_about(one)}: {one.why}" if one.access else one.why)


def _about(one: Found) -> str:
    return f"{one.access} for {one.identity}"


def _cells(one: Found) -> Iterator[str]:
    yield escaped(one.kind)
    yield code(one.name or one.remote_id)
    yield code(one.state) if one.state else ""
    yield escaped(_explained(one))
    yield code(one.next) if one.next else ""


def _counted(drift: Drift) -> str:
    counts = drift.counts
    told: Sequence[str] = [f"{counts[kind]} {kind}" for kind in CLASSES if counts[kind]]
    return ", ".join(told) or "no grants"


FORMATS: dict[str, Callable[[Drift, int], str]] = {"text": text, "json": json, "markdown": markdown}


# An import


def imported_text(imported: Imported, config: Config) -> str:
    """What was written and what was not, what the rules say of it, and how to propose it."""
    lines = _imported(imported)
    if imported.written and not imported.blocked:
        lines += ["", "To propose it (or: the same command with --propose):"]
        lines += [f"    {command}" for command in _commands(imported, config)]
    return "\n".join(lines) or "nothing to import"


def imported_json(imported: Imported, config: Config) -> str:
    """For programs."""
    commands = _commands(imported, config) if imported.written and not imported.blocked else []
    return dumped(imported.as_json() | {"commands": commands})


def imported_markdown(imported: Imported) -> str:
    """For the pull request that brings the files."""
    lines = ["Merging adopts what stands at the target already; nothing is sent.", "", "| file | grants | is |"]
    lines += ["|---|---|---|"]
    lines += [f"| {code(one.path)} | {code(one.about)} | {code(one.remote_id)} |" for one in imported.written]
    return "\n".join([*lines, "", findings.markdown(imported.checked.requests, imported.checked.findings)])


def proposed_text(imported: Imported, proposed: Proposed, config: Config, repo: Repo | None) -> str:
    """What was done, and what is left to do."""
    lines = [*_imported(imported), f"{imported.branch} is at {config.ledger.remote} ({proposed.pushed.commit[:12]})"]
    if proposed.pull:
        lines.append(f"pull request {proposed.pull.url}{' (was open already)' if proposed.pull.there else ''}")
    else:
        where = repo.compare(config.branch, imported.branch) if repo else f"from {imported.branch} into {config.branch}"
        lines.append(f"Open the pull request: {where}")
    lines.append(f"The branch has the files now; remove them here before you pull {config.branch}.")
    return "\n".join(lines)


def proposed_json(imported: Imported, proposed: Proposed, config: Config, repo: Repo | None) -> str:
    """For programs."""
    told = {
        "branch": imported.branch,
        "commit": proposed.pushed.commit,
        "pullRequest": proposed.pull.url if proposed.pull else None,
        "compare": repo.compare(config.branch, imported.branch) if repo else None,
    }
    return dumped(imported.as_json() | told)


def _imported(imported: Imported) -> list[str]:
    lines = [f"{one.path} written: {one.target} {one_line(one.remote_id)}" for one in imported.written]
    lines += [f"refused {one_line(one.remote_id)}: {one_line(one.why)}" for one in imported.refused]
    lines += [f"unreadable {one_line(target)}: {one_line(why)}" for target, why in sorted(imported.unreadable.items())]
    if imported.written:
        lines.append(findings.text(imported.checked.requests, imported.checked.findings))
    return lines


def _commands(imported: Imported, config: Config) -> list[str]:
    """What git has to be told."""
    remote, branch = config.ledger.remote, imported.branch
    paths = " ".join(one.path for one in imported.written)
    return [
        f"git switch --no-track -c {branch} {remote}/{config.branch}",
        f"git add -- {paths}",
        f"git commit -m '{imported.title}' -- {paths}",
        f"git push -u {remote} {branch}",
    ]


IMPORTED = {"text": imported_text, "json": imported_json}
PROPOSED = {"text": proposed_text, "json": proposed_json}
