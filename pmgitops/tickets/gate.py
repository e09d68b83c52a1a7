"""May this ticket carry this request? Pure: a record that was read, the configuration, and an answer in words.

Each refusal says what a requester can do about it ("You must ...").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pmgitops.errors import RemoteError
from pmgitops.model.request import Ticket
from pmgitops.model.ticket import TicketRecord
from pmgitops.settings import Config, TicketSystem
from pmgitops.tickets.interface import TicketReader

Outcome = Literal["passes", "refused", "deferred", "off"]
_SYS_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one request."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    record: TicketRecord | None = None
    system: str = ""
    warns: bool = False
    """Judged and shown, not enforced (`gate: warn`)."""

    @property
    def passes(self) -> bool:
        """Whether the request may be delivered."""
        return self.outcome in {"passes", "off"} or self.warns


@dataclass(frozen=True, slots=True)
class Problem:
    """What can be said against a ticket without asking anybody; `field` is the member of `ticketInfo` that is meant."""

    field: str
    message: str


def offline(ticket: Ticket | None, config: Config) -> Problem | None:
    """The part of the gate that needs no ticket system: is there a ticket, is its system configured, its number one?"""
    if not config.tickets:
        return None
    if ticket is None:
        required = any(system.gate == "required" for system in config.tickets.values())
        return Problem("ticketNumber", "You must name a ticket in ticketInfo") if required else None
    system = config.ticket_system(ticket.ticket_system)
    if system is None:
        known = ", ".join(config.tickets)
        return Problem(
            "ticketSystem", f"You must name a configured ticket system ({known}), not {ticket.ticket_system!r}"
        )
    # The number is pull-request content: nothing that is not shaped like one reaches a query.
    if system.gate != "off" and not re.fullmatch(system.pattern, ticket.ticket_number):
        message = f"You must give a ticket number that matches {system.pattern}, not {ticket.ticket_number!r}"
        return Problem("ticketNumber", message)
    return None


def judge(ticket: Ticket | None, config: Config, readers: Mapping[str, TicketReader]) -> Verdict:
    """Look the ticket up and judge it. A ticket system that does not answer defers; it never passes."""
    system = config.ticket_system(ticket.ticket_system) if ticket else None
    if ticket is None or system is None or system.gate == "off":
        # Whether there has to be one is `offline`'s business.
        return Verdict("off", system=ticket.ticket_system if ticket else "")
    warns = system.gate == "warn"
    if offline(ticket, config):
        return Verdict("refused", system=ticket.ticket_system, warns=warns)
    reader = readers.get(ticket.ticket_system.casefold())
    if reader is None:
        return Verdict(
            "deferred", (f"{ticket.ticket_system} is not read here",), system=ticket.ticket_system, warns=warns
        )
    try:
        rows = reader.find(ticket.ticket_number)
    except RemoteError as error:
        return Verdict("deferred", (str(error),), system=ticket.ticket_system, warns=warns)
    return _judged(ticket, system, rows, warns)


def _judged(ticket: Ticket, system: TicketSystem, rows: list[TicketRecord], warns: bool) -> Verdict:  # noqa: FBT001  # passed on
    number, name = ticket.ticket_number, ticket.ticket_system
    if not rows:
        reason = f"You must name a ticket that exists: {number} is not there, or pmgitops may not read it"
        return Verdict("refused", (reason,), system=name, warns=warns)
    if len(rows) > 1:
        reason = f"You must name a ticket that is one: {name} has several numbered {number}"
        return Verdict("refused", (reason,), system=name, warns=warns)
    reasons = tuple(_reasons(rows[0], number, system))
    return Verdict("refused" if reasons else "passes", reasons, rows[0], name, warns)


def _reasons(record: TicketRecord, number: str, system: TicketSystem) -> Iterable[str]:
    # ServiceNow ignores a query term it does not understand, so the answer is held against the question.
    if record.number != number or not _SYS_ID.fullmatch(record.sys_id):
        yield f"the ticket system answered with {record.number!r} when asked for {number!r}"
        return
    states = system.states_of(record.table)
    if states is None:
        yield f"You must name a ticket of a known class; {number} is a {record.table}"
        return
    if not record.active:
        yield f"You must name an active ticket; {number} is {record.state_label or record.state}"
    elif record.state not in states:
        yield (
            f"You must have {number} moved to a state in which it carries access; it is "
            f"{record.state_label or record.state} ({record.state}), allowed are {', '.join(states)}"
        )
    wanted = system.approval.get(record.table)
    if wanted and record.approval != wanted:
        yield f"You must have {number} approved first; its approval is {record.approval or 'not requested'}"
