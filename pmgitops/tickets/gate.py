"""May this ticket carry this request? Pure: what was read, the configuration, and an answer in words.

Each refusal says what a requester can do about it ("You must ..."); a request is told everything at once. The rules,
in their order: a number of the right shape, before anybody is asked; one ticket, and the one that was asked for; its
class; active; its state; its approval; the people; the planned window; what it is about; nobody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Literal

from pmgitops.load import RequestFile
from pmgitops.model.occurrences import span
from pmgitops.model.request import Ticket
from pmgitops.model.ticket import Referred, TicketRecord, User, UserOrWhy
from pmgitops.settings import PLANNED, Config, Party, TicketSystem
from pmgitops.tickets.roles import to_read

Outcome = Literal["passes", "refused", "deferred", "off"]
_SYS_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its ticket, and what of it the ticket has to fit; what is empty is not compared."""

    ticket: Ticket | None
    name: str = ""
    """The request's name."""
    kind: str = ""
    authorization_system_id: str = ""
    start: datetime | None = None
    """When the access begins; None where nothing is known of it."""
    end: datetime | None = None
    """When its last occurrence has ended; None where it does not end."""
    author: str = ""
    """E-mail address of the author of the commit that last changed the file."""

    @classmethod
    def of(cls, file: RequestFile, now: datetime, author: str = "") -> Claim:
        """The claim of a request that would be delivered at `now`."""
        request = file.request
        start, end = span(request.schedule_info, now)
        return cls(request.ticket_info, file.name, request.kind, request.authorization_system_id, start, end, author)

    def named(self, party: Party) -> str:
        """Who the request says is the ticket's submitter or approver, or who its author is."""
        ticket = self.ticket
        named = {
            "submitter": ticket and ticket.ticket_submitter_identity_id,
            "approver": ticket and ticket.ticket_approver_identity_id,
            "author": self.author,
        }
        return named.get(party) or ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a ticket system said of a ticket, and of the people around it."""

    records: tuple[TicketRecord, ...] = ()
    """The tickets with the number, at most two."""
    users: Mapping[str, UserOrWhy] = field(default_factory=dict)
    """Who the people are that claims name, by what they call them."""
    robot: UserOrWhy = "absent"
    """Who pmgitops is."""
    carries: frozenset[str] = frozenset()
    """The requests that the ticket has carried so far."""
    trouble: str = ""
    """Why it did not answer: then nothing can be judged."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one request."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    record: TicketRecord | None = None
    system: str = ""
    warns: bool = False
    """Judged and shown, not enforced (`gate: warn`)."""
    people: Mapping[Party, UserOrWhy] = field(default_factory=dict)
    """The people that the request names, by party."""

    @property
    def passes(self) -> bool:
        """Whether the request may be delivered."""
        return self.outcome in {"passes", "off"} or self.warns


@dataclass(frozen=True, slots=True)
class Problem:
    """What can be said against a ticket without asking anybody; `field` is the member of `ticketInfo` that is meant."""

    field: str
    message: str


def offline(ticket: Ticket | None, config: Config, kind: str = "") -> Problem | None:
    """The part of the gate that needs no ticket system: is there a ticket, is its system configured, its number one?"""
    if not config.tickets:
        return None
    if ticket is None:
        required = any(system.gate_of(kind) == "required" for system in config.tickets.values())
        return Problem("ticketNumber", "You must name a ticket in ticketInfo") if required else None
    system = config.ticket_system(ticket.ticket_system)
    if system is None:
        known = ", ".join(config.tickets)
        return Problem(
            "ticketSystem", f"You must name a configured ticket system ({known}), not {ticket.ticket_system!r}"
        )
    # The number is pull-request content: nothing that is not shaped like one reaches a query.
    if system.gate_of(kind) != "off" and not re.fullmatch(system.pattern, ticket.ticket_number):
        message = f"You must give a ticket number that matches {system.pattern}, not {ticket.ticket_number!r}"
        return Problem("ticketNumber", message)
    return None


def asks(claim: Claim, config: Config) -> TicketSystem | None:
    """The ticket system that has to be asked about a claim; None where nobody needs to be."""
    ticket = claim.ticket
    system = config.ticket_system(ticket.ticket_system) if ticket else None
    if system is None or system.gate_of(claim.kind) == "off" or offline(ticket, config, claim.kind):
        return None
    return system


def answers(record: TicketRecord, number: str) -> bool:
    """Whether a record is what was asked for: ServiceNow ignores a query term it does not understand."""
    return record.number == number and _SYS_ID.fullmatch(record.sys_id) is not None


def judge(claim: Claim, config: Config, seen: Seen) -> Verdict:
    """Judge a claim by what was seen. A ticket system that did not answer defers; it never passes."""
    ticket = claim.ticket
    system = config.ticket_system(ticket.ticket_system) if ticket else None
    if ticket is None or system is None or system.gate_of(claim.kind) == "off":
        # Whether there has to be one is `offline`'s business.
        return Verdict("off", system=ticket.ticket_system if ticket else "")
    name, warns = ticket.ticket_system, system.gate_of(claim.kind) == "warn"
    if offline(ticket, config, claim.kind):
        return Verdict("refused", system=name, warns=warns)
    if seen.trouble:
        return Verdict("deferred", (seen.trouble,), system=name, warns=warns)
    if len(seen.records) != 1:
        return Verdict("refused", (_not_one(ticket, len(seen.records)),), system=name, warns=warns)
    case = _Case(claim, ticket, system, seen, seen.records[0])
    if hidden := case.hidden:
        return Verdict("deferred", (hidden,), case.record, name, warns)
    reasons = tuple(case.reasons())
    parties: tuple[Party, ...] = ("submitter", "approver", "author")
    people = {party: seen.users[named] for party in parties if (named := claim.named(party)) in seen.users}
    return Verdict("refused" if reasons else "passes", reasons, case.record, name, warns, people)


def _not_one(ticket: Ticket, found: int) -> str:
    number, name = ticket.ticket_number, ticket.ticket_system
    if found:
        return f"You must name a ticket that is one: {name} has several numbered {number}"
    return f"You must name a ticket that exists: {number} is not there, or pmgitops may not read it"


@dataclass(frozen=True, slots=True)
class _Case:
    """One claim against the one ticket that was found."""

    claim: Claim
    ticket: Ticket
    system: TicketSystem
    seen: Seen
    record: TicketRecord

    def reasons(self) -> Iterable[str]:
        """Everything that can be said against it."""
        record, number = self.record, self.ticket.ticket_number
        if not answers(record, number):
            yield f"You must tell who runs {self.name}: it answered with {record.number!r} when asked for {number!r}"
            return
        if self.system.states_of(record.table) is None:
            allowed = f", one of {', '.join(self.system.classes)}" if self.system.classes else ""
            table = record.table or "one that may not be read"
            yield f"You must name a ticket of a known class{allowed}; {number} is of {table}"
            return
        for rule in (_state, _approval, _submitter, _distinct, _window, _scope, _exclusive):
            yield from rule(self)

    @property
    def hidden(self) -> str:
        """That something which has to be compared may not be read; empty where all may. Nobody is told that it is
        empty.
        """
        fields = [self.record.hidden[part] for part in self._compared() if part in self.record.hidden]
        if not fields:
            return ""
        return (
            f"{self.name} does not let pmgitops read {', '.join(fields)} of {self.number}: its user needs"
            f" {to_read(self.record.table)}"
        )

    def _compared(self) -> Iterable[str]:
        """The parts of the record that the rules below look at."""
        scope = self.system.scope_of(self.claim.authorization_system_id)
        if self.system.submitter != "off" and self.claim.named("submitter"):
            yield from ("callers", "opened_by")
        if self.system.window == "on" and self.record.table in PLANNED and self.claim.start:
            yield "window"
        if scope.configuration_item:
            yield "configuration_item"
        if scope.assignment_group:
            yield "assignment_group"

    @property
    def number(self) -> str:
        return self.record.number

    @property
    def name(self) -> str:
        return self.ticket.ticket_system

    def user(self, party: Party) -> UserOrWhy:
        """Who a party is in the ticket system."""
        return self.seen.robot if party == "robot" else self.seen.users.get(self.claim.named(party), "absent")


def _state(case: _Case) -> Iterable[str]:
    record, states = case.record, case.system.states_of(case.record.table) or ()
    label = record.state_label or record.state
    if not record.active:
        yield f"You must name an active ticket; {case.number} is {label}"
    elif record.state not in states:
        yield (
            f"You must have {case.number} moved to a state in which it carries access; it is {label} ({record.state}),"
            f" allowed are {', '.join(states)}"
        )


def _approval(case: _Case) -> Iterable[str]:
    """Where the class needs it: approved, and by whom the request names or by a delegate recorded in their place."""
    record, wanted = case.record, case.system.approval.get(case.record.table)
    if not wanted:
        return
    approved = record.approval == wanted
    if not approved:
        yield f"You must have {case.number} approved first; its approval is {record.approval or 'not requested'}"
    named = case.claim.named("approver")
    if case.system.approver == "off" or not named:
        if case.system.approver == "required":
            yield f"You must say in ticketApproverIdentityId who approved {case.number}"
        return
    user = case.user("approver")
    if not isinstance(user, User):
        yield _nobody(case, "approver", named, user)
    elif not any(row.is_of(user) for row in record.approvals):
        asked = _listed(row.approver for row in record.approvals)
        yield f"You must name as approver who was asked to approve {case.number} ({asked}), not {named}"
    elif approved and not any(row.is_of(user) for row in record.approved):
        by = _listed(row.approver for row in record.approved)
        yield f"You must have {case.number} approved by {named}, or name who approved it ({by})"


def _submitter(case: _Case) -> Iterable[str]:
    """Whom the request names is who opened the ticket, or whom it is for."""
    named, people = case.claim.named("submitter"), case.record.submitters
    if case.system.submitter == "off" or not named:
        if case.system.submitter == "required":
            yield f"You must say in ticketSubmitterIdentityId who opened {case.number}"
        return
    user = case.user("submitter")
    if not isinstance(user, User):
        yield _nobody(case, "submitter", named, user)
    elif user.sys_id not in {one.sys_id for one in people}:
        yield (
            f"You must name as submitter who opened {case.number} or whom it is for ({_listed(people)}), not {named}"
        )


def _nobody(case: _Case, party: Party, named: str, why: str) -> str:
    problem = {
        "absent": f"{named} is none, or pmgitops may not read it",
        "ambiguous": f"{case.name} has several that are {named}",
        "malformed": f"{named!r} is neither an e-mail address nor a user name",
    }[why]
    return f"You must name as {party} of {case.number} one active user of {case.name}; {problem}"


def _distinct(case: _Case) -> Iterable[str]:
    """Those who have to be people of their own are."""
    wanted = list(dict.fromkeys(case.system.distinct))
    for party in wanted:
        user = case.user(party)
        if party == "author" and case.claim.author and not isinstance(user, User):
            yield (
                f"You must commit under an e-mail address of one active user of {case.name}, so that {case.number} has"
                f" other people; {case.claim.author} is none"
            )
        if party == "robot" and not isinstance(user, User):
            yield f"You must have `robot` set for {case.name}: who pmgitops is, beside {case.number}, cannot be told"
    for one, other in combinations(wanted, 2):
        if both := _both(case, one, other):
            yield f"You must have different people as {one} and {other} of {case.number}; {both} is both"


def _both(case: _Case, one: Party, other: Party) -> str:
    """Who is two parties at once; empty where nobody is."""
    if _names(case, one) & _names(case, other):
        return case.claim.named(one) or case.claim.named(other) or str(case.user(one))
    for party, against in ((one, other), (other, one)):
        # Who approves may be somebody else than was asked: it is not enough that the names in the file differ.
        if party == "approver" and against != "approver":
            user = case.user("approver")
            rows = [row for row in case.record.approved if not isinstance(user, User) or row.is_of(user)]
            names = _names(case, against)
            if rows and all(names & ({row.decided_by.casefold()} | _known_as(row.approver)) for row in rows):
                return rows[0].decided_by or str(rows[0].approver)
    return ""


def _names(case: _Case, party: Party) -> set[str]:
    """Everything that a party is known by."""
    user, named = case.user(party), case.claim.named(party)
    return (_known_as(user) if isinstance(user, User) else set()) | ({named.casefold()} if named else set())


def _known_as(user: User) -> set[str]:
    return {name.casefold() for name in (user.sys_id, user.user_name, user.email) if name}


def _window(case: _Case) -> Iterable[str]:
    """A change carries access while it is planned to happen, and not before or after."""
    claim, record = case.claim, case.record
    if case.system.window == "off" or record.table not in PLANNED or claim.start is None:
        return
    if record.window is None:
        yield f"You must have {case.number} planned: it has no planned start and end, and access lies between them"
        return
    start, end = record.window
    planned = f"{case.number} is planned from {_utc(start)} to {_utc(end)}"
    if claim.end is None:
        yield f"You must give the access an end; {planned}"
    elif claim.start < start or end < claim.end:
        yield f"You must keep the access within its change: {planned}, it from {_utc(claim.start)} to {_utc(claim.end)}"


def _utc(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _scope(case: _Case) -> Iterable[str]:
    """Where it is configured, the ticket is about the system that the access is to."""
    where, record = case.claim.authorization_system_id, case.record
    scope = case.system.scope_of(where)
    for what, wanted, found in (
        ("configuration item", scope.configuration_item, record.configuration_item),
        ("assignment group", scope.assignment_group, record.assignment_group),
    ):
        if wanted and not (found and found.is_called(wanted)):
            yield (
                f"You must name a ticket with the {what} {wanted} for access to {where}; that of {case.number} is"
                f" {_called(found)}"
            )


def _called(found: Referred | None) -> str:
    return (found.name or found.sys_id) if found else "empty"


def _exclusive(case: _Case) -> Iterable[str]:
    others = sorted(case.seen.carries - {case.claim.name})
    if case.system.exclusive == "on" and others:
        yield f"You must name a ticket of your own: {case.number} carries {', '.join(others)}"


def _listed(people: Iterable[User]) -> str:
    return ", ".join(dict.fromkeys(map(str, people))) or "nobody"
