"""A plan as text, JSON and the pull request's one comment."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import resources
from typing import Any

import orjson
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pmgitops import __version__
from pmgitops.model.change import Change
from pmgitops.plan import Plan
from pmgitops.report import findings as finding_reports
from pmgitops.report.findings import escaped, one_line

MOST = 60_000
"""GitHub takes 65,536 characters in a comment."""
MARKER = "<!-- pmgitops:plan -->"
"""By which the comment is found again and edited in place."""


def text(plan: Plan) -> str:
    """A line for each change, then the findings, then the digest to approve."""
    lines = [f"{change.action:8} {change.name} -> {change.target}: {one_line(change.why)}" for change in plan.changes]
    findings = [finding_reports.text(len(plan.changes), plan.findings)] if plan.findings else []
    said = "nothing to do" if not plan.effective else f"plan {plan.digest}: {_counted(plan)}"
    note = ["each create carries a last line of notes, pmgitops:<name>@<revision>, by which it is found again"]
    return "\n".join([*lines, *findings, said, *(note if any(change.payload for change in plan.effective) else [])])


def json(plan: Plan) -> str:
    """For programs; keys are sorted, so that two plans compare."""
    body = {
        "digest": plan.digest,
        "changes": [change.as_json() for change in plan.changes],
        "findings": [finding.as_json() for finding in plan.findings],
    }
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def markdown(plan: Plan) -> str:
    """The pull request's comment: the verdict, what merging will do, what was found, each payload folded away."""
    for payloads in (True, False):
        page = _template().render(
            marker=Safe(MARKER),
            blocked=any(finding.blocks for finding in plan.findings),
            counted=_counted(plan),
            changes=[_shown(change, payloads) for change in plan.changes],
            findings=plan.findings,
            digest=plan.digest,
            policies=plan.policies[:12],
            version=__version__,
            cut=not payloads,
        )
        if len(page) <= MOST:
            return page
    return page[:MOST] + "\n\n... (cut; `pmgitops plan` shows the rest)\n"


class Safe(str):
    """Text of ours, which goes into Markdown as it is."""

    __slots__ = ()


def _shown(change: Change, payloads: bool) -> dict[str, Any]:  # noqa: FBT001  # told by its only caller
    payload = orjson.dumps(change.payload, option=orjson.OPT_INDENT_2).decode() if change.payload and payloads else ""
    # Inside JSON no line begins with a fence, so a payload cannot leave its block.
    return {"change": change, "payload": Safe(payload)}


def _counted(plan: Plan) -> str:
    counts = Counter(change.action for change in plan.changes)
    shown = [f"{counts[action]} {action}" for action in ("create", "replace", "cancel", "none") if counts[action]]
    return ", ".join(shown) or "no changes"


@cache
def _template() -> Template:
    # What others wrote is escaped for Markdown by `finalize`; HTML's escaping would not stop a mention or a link.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: value if isinstance(value, Safe) else escaped(str(value)),
    )
    return environment.from_string(resources.files(__package__).joinpath("templates/comment.md.j2").read_text("utf-8"))


FORMATS = {"text": text, "json": json, "markdown": markdown}
