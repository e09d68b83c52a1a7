"""Tickets as pmgitops sees them, the ledger against them, and what an instance lets it do: text and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pmgitops.report.quoting import dumped, one_line, visible

if TYPE_CHECKING:
    from pmgitops.flows.ticket import Judged, Probing, Shown, Verified
    from pmgitops.model.ticket import Approval, Referred, TicketRecord, User

# show


def shown_text(shown: Shown) -> str:
    """The record line by line, then what it carries, then what the gate says and why."""
    record = shown.record
    head = f"{shown.number} in {shown.system}"
    lines = [f"{head}: {record.table} {record.sys_id} on {record.instance}" if record else head]
    if record:
        width = max(len(name) for name, _ in _facts(record))
        lines += [f"  {name:{width}}  {one_line(value)}" for name, value in _facts(record) if value]
    lines += [f"carries {stands.name}: {stands.state}" for stands in shown.carries]
    for judged in shown.judged:
        lines += _judged(judged)
    return "\n".join(map(visible, lines))


def _facts(record: TicketRecord) -> list[tuple[str, str]]:
    window = f"{record.window_start} to {record.window_end} UTC" if record.window_start or record.window_end else ""
    return [
        ("description", record.short_description),
        ("state", f"{record.state_label or record.state} ({record.state}){'' if record.active else ', not active'}"),
        ("approval", record.approval),
        ("for", ", ".join(map(str, record.callers))),
        ("opened by", str(record.opened_by or "")),
        ("planned", window),
        ("item", _called(record.configuration_item)),
        ("group", _called(record.assignment_group)),
        *(("approver", _decided(row)) for row in record.approvals),
        ("not shown", ", ".join(record.hidden.values())),
        ("snapshot", record.digest),
    ]


def _decided(row: Approval) -> str:
    by = f", by {row.decided_by} on {row.decided_on} UTC" if row.decided_by else ""
    return f"{row.approver}: {row.state}{by}"


def _called(referred: Referred | None) -> str:
    return (referred.name or referred.sys_id) if referred else ""


def _judged(judged: Judged) -> Iterator[str]:
    verdict = judged.verdict
    what = f"the gate for {judged.path}" if judged.path else "the gate, of any request"
    if judged.findings:
        yield f"{judged.path} is broken, so that nothing can be said of it"
        for finding in judged.findings:
            yield f"  {finding.line}:{finding.column} {one_line(finding.message)}"
        return
    warns = " (only warns)" if verdict.warns and verdict.outcome != "passes" else ""
    yield f"{what}: {verdict.outcome}{warns}"
    for reason in verdict.reasons:
        yield f"  {one_line(reason)}"


def shown_json(shown: Shown) -> str:
    """For programs."""
    return dumped(
        {
            "number": shown.number,
            "system": shown.system,
            "record": _record_json(shown.record) if shown.record else None,
            "carries": [
                {"name": stands.name, "revision": stands.revision, "state": stands.state} for stands in shown.carries
            ],
            "gate": [_judged_json(judged) for judged in shown.judged],
        }
    )


def _record_json(record: TicketRecord) -> dict[str, Any]:
    return {
        "instance": record.instance,
        "table": record.table,
        "sysId": record.sys_id,
        "shortDescription": record.short_description,
        "state": record.state,
        "stateLabel": record.state_label,
        "active": record.active,
        "approval": record.approval,
        "for": [_user_json(user) for user in record.callers],
        "openedBy": _user_json(record.opened_by),
        "window": [record.window_start, record.window_end] if record.window_start or record.window_end else None,
        "configurationItem": asdict(record.configuration_item) if record.configuration_item else None,
        "assignmentGroup": asdict(record.assignment_group) if record.assignment_group else None,
        "approvals": [
            {
                "approver": _user_json(row.approver),
                "state": row.state,
                "decidedBy": row.decided_by,
                "decidedOn": row.decided_on,
            }
            for row in record.approvals
        ],
        "notShown": sorted(record.hidden.values()),
        "snapshot": record.digest,
    }


def _user_json(user: User | None) -> dict[str, str] | None:
    if user is None:
        return None
    return {"sysId": user.sys_id, "userName": user.user_name, "name": user.name, "email": user.email}


def _judged_json(judged: Judged) -> dict[str, Any]:
    return {
        "name": judged.name or None,
        "path": judged.path or None,
        "outcome": "broken" if judged.findings else judged.verdict.outcome,
        "warns": judged.verdict.warns,
        "reasons": [*judged.verdict.reasons, *(finding.message for finding in judged.findings)],
    }


# verify


def verified_text(verified: Verified) -> str:
    """A line for each thing that was held against its ticket, and under it what to do."""
    lines = []
    for held in verified.held:
        lines.append(f"{held.outcome:10} {held.ticket}: {held.what}" + (f" {one_line(held.said)}" if held.said else ""))
        if held.remedy:
            lines.append(f"{'':10} do: {one_line(held.remedy)}")
    return "\n".join(map(visible, lines)) or f"{verified.name} has no ticket"


def verified_json(verified: Verified) -> str:
    """For programs."""
    return dumped({"name": verified.name, "held": [asdict(held) for held in verified.held]})


# probe


def probed_text(probed: Sequence[Probing]) -> str:
    """A line for everything that was tried, and under it what an administrator would grant."""
    return "\n".join(map(visible, _probed(probed)))


def _probed(probed: Iterable[Probing]) -> Iterator[str]:
    for probing in probed:
        yield f"{probing.system} ({probing.instance})"
        for check in probing.checks:
            outcome = "MISSING" if check.missing else check.outcome
            yield f"  {outcome:7}  {check.what}" + (f": {one_line(check.said)}" if check.said else "")
            if check.remedy and check.outcome != "yes":
                yield f"           needs: {one_line(check.remedy)}"


def probed_json(probed: Sequence[Probing]) -> str:
    """For programs."""
    return dumped(
        [
            {
                "system": probing.system,
                "instance": probing.instance,
                "checks": [asdict(check) | {"missing": check.missing} for check in probing.checks],
            }
            for probing in probed
        ]
    )
