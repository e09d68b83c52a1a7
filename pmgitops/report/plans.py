"""A plan as text, JSON and the pull request's one comment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from itertools import accumulate

import orjson
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pmgitops import __version__
from pmgitops.model.change import Change
from pmgitops.plan import Plan
from pmgitops.report import findings as finding_reports
from pmgitops.report.quoting import dumped, escaped, one_line, visible

MOST = 60_000
"""Characters of a comment; GitHub takes 65,536."""
SHARE = 20_000
"""Characters of it that findings may take, so that changes are seen too."""
FRAME = 2_000
"""Characters of it that are neither findings nor changes."""
MARKER = "<!-- pmgitops:plan -->"
"""By which the comment is found again and edited in place."""


def text(plan: Plan) -> str:
    """A line for each change, then the findings, then the digest to approve."""
    lines = [f"{change.action:8} {change.name} -> {change.target}: {one_line(change.why)}" for change in plan.changes]
    findings = [*finding_reports.lines(plan.findings), finding_reports.counted(plan.findings)] if plan.findings else []
    idle = f"nothing to send, {adopted}" if (adopted := _adopted(plan.changes)) else "nothing to do"
    said = f"plan {plan.digest}: {_counted(plan.changes)}" if plan.effective else idle
    note = ["each create carries a last line of notes, pmgitops:<name>@<revision>, by which it is found again"]
    return "\n".join([*map(visible, lines), *findings, said, *(note if _creates(plan) else [])])


def json(plan: Plan) -> str:
    """For programs; keys are sorted, so that two plans compare."""
    body = {
        "digest": plan.digest,
        "changes": [change.as_json() for change in plan.changes],
        "findings": [finding.as_json() for finding in plan.findings],
    }
    return dumped(body, orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def markdown(plan: Plan) -> str:
    """The pull request's comment: the verdict, what was found, what merging will do with each payload folded away."""
    rows = _fitting(map(finding_reports.row, plan.findings), SHARE)
    blocks, folded = _blocks(plan, MOST - FRAME - sum(map(len, rows)))
    errors = [finding for finding in plan.findings if finding.blocks]
    return _template("comment").render(
        marker=Ours(MARKER),
        errors=finding_reports.counted(errors),
        awaiting=any(finding.severity == "approval" for finding in plan.findings),
        counted=_counted(change for change in plan.changes if change.action != "none" or change.adopts),
        adopted=_adopted(plan.changes),
        findings=list(map(Ours, rows)),
        findings_left=len(plan.findings) - len(rows),
        changes=list(map(Ours, blocks)),
        changes_left=len(plan.effective) - len(blocks),
        payloads_left=sum(bool(change.payload) for change in plan.effective) - folded,
        creates=_creates(plan),
        digest=plan.digest,
        policies=plan.policies[:12],
        version=__version__,
    )


class Ours(str):
    """Markdown of ours, which goes into a page as it is."""

    __slots__ = ()


def _blocks(plan: Plan, room: int) -> tuple[list[str], int]:
    """As many changes as there is room for, the first of them with their payload; and how many have it."""
    held = {finding.path for finding in plan.findings if finding.severity != "warning"}
    blocks = _fitting((_block(change, held=change.path in held) for change in plan.effective), room)
    room -= sum(map(len, blocks))
    folded = 0
    for place, change in enumerate(plan.effective[: len(blocks)]):
        if change.payload:
            block = _block(change, held=change.path in held, payload=dumped(change.payload))
            room -= len(block) - len(blocks[place])
            if room < 0:
                break
            blocks[place], folded = block, folded + 1
    return blocks, folded


def _block(change: Change, *, held: bool, payload: str = "") -> str:
    # Inside JSON no line begins with a fence, so a payload cannot leave its block.
    return _template("change").render(change=change, payload=Ours(payload), held=held, ours=Ours)


def _fitting(parts: Iterable[str], room: int) -> list[str]:
    """The first parts, as many as there is room for."""
    parts = list(parts)
    return [part for part, end in zip(parts, accumulate(map(len, parts)), strict=True) if end <= room]


def _counted(changes: Iterable[Change]) -> str:
    changes = tuple(changes)
    counts = Counter(change.action for change in changes if not change.adopts)
    shown = [f"{action} {counts[action]}" for action in ("create", "replace", "cancel") if counts[action]]
    unchanged = [f"leave {counts['none']} unchanged"] if counts["none"] else []
    return ", ".join(filter(None, [*shown, _adopted(changes), *unchanged])) or "change nothing"


def _adopted(changes: Iterable[Change]) -> str:
    """How many imported requests take over what stands; empty where none does."""
    count = sum(change.adopts for change in changes)
    return f"adopt {count} as they stand" if count else ""


def _creates(plan: Plan) -> bool:
    return any(change.payload for change in plan.effective)


@cache
def _template(name: str) -> Template:
    # What others wrote is escaped for Markdown by `finalize`; HTML's escaping would not stop a mention or a link.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: value if isinstance(value, Ours) else escaped(str(value)),
    )
    path = resources.files(__package__).joinpath(f"templates/{name}.md.j2")
    return environment.from_string(path.read_text("utf-8"))


FORMATS: dict[str, Callable[[Plan], str]] = {"text": text, "json": json, "markdown": markdown}
