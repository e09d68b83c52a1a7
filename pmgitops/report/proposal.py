"""The text of a pull request that brings a request: what it asks for, as data."""

from __future__ import annotations

from collections.abc import Sequence

from pmgitops.model.finding import Finding
from pmgitops.model.request import AnyRequest
from pmgitops.model.summary import access, how_long
from pmgitops.report import findings
from pmgitops.report.quoting import code, escaped


def body(request: AnyRequest, path: str, found: Sequence[Finding]) -> str:
    """A table of what the request asks for, and what was found when it was written."""
    ticket = request.ticket_info
    rows = [
        ("access", code(access(request))),
        ("for", code(request.identity.external_id)),
        ("how long", escaped(how_long(request.schedule_info))),
        ("why", escaped(request.justification)),
        ("ticket", escaped(f"{ticket.ticket_number} in {ticket.ticket_system}") if ticket else "none"),
        ("file", code(path)),
    ]
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*lines, "", findings.markdown(1, found)])
