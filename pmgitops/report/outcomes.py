"""What `apply` came to, and where requests stand: text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pmgitops.ledger.standing import Standing
from pmgitops.report.quoting import dumped, one_line, visible

if TYPE_CHECKING:
    from pmgitops.flows.apply import Applied


def applied_text(applied: Applied) -> str:
    """A line for each request that was touched, what was held back and why, and what to do about it."""
    lines = []
    for result in sorted(applied.results, key=lambda result: (result.outcome, result.name)):
        where = f" ({result.remote_id})" if result.remote_id else ""
        why = f": {one_line(result.why)}" if result.why else ""
        lines.append(f"{result.outcome:8} {result.name}: {result.action} -> {result.state}{where}{why}")
    lines += [f"note due {note.name} -> {note.ticket}: {one_line(note.why)}" for note in applied.undelivered]
    return "\n".join(map(visible, lines)) or "nothing to do"


def applied_json(applied: Applied) -> str:
    """For programs."""
    return dumped(applied.as_json())


def status_text(standings: Sequence[Standing]) -> str:
    """A line for each request."""
    rows: list[tuple[str, ...]] = [("NAME", "STATE", "TARGET", "AT THE TARGET", "TICKET", "")]
    rows += [
        (
            stands.name,
            stands.state,
            stands.target,
            stands.remote_id,
            f"{stands.ticket.number} ({stands.link})" if stands.ticket else "",
            one_line(_explained(stands)),
        )
        for stands in standings
    ]
    rows = [tuple(map(visible, row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip()
        for row in rows
    )


def status_json(standings: Sequence[Standing]) -> str:
    """For programs."""
    body = [
        {
            "name": stands.name,
            "revision": stands.revision,
            "target": stands.target,
            "state": stands.state,
            "remoteId": stands.remote_id or None,
            "ticket": _ticket(stands),
        }
        for stands in standings
    ]
    return dumped(body)


def _ticket(stands: Standing) -> dict[str, Any] | None:
    """`state` is the link's, `recordState` the ticket's own as it was when it was pinned, `why` how it has turned."""
    if stands.ticket is None:
        return None
    ticket = {"number": stands.ticket.number, "sysId": stands.ticket.sys_id, "state": stands.link}
    why = {"why": list(stands.divergence)} if stands.divergence else {}
    return ticket | {"recordState": stands.ticket.state} | why


def _explained(stands: Standing) -> str:
    explained = _reason(stands)
    return "; ".join([*stands.divergence, *([explained] if explained else [])])


def _reason(stands: Standing) -> str:
    if stands.findings:
        return "; ".join(str(finding["message"]) for finding in stands.findings)
    if stands.state == "unknown":
        return f"{stands.why}; read back by every run, never sent again by itself"
    return stands.why
