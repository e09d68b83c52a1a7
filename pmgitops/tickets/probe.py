"""What the integration user can and cannot do at an instance, and which role or ACL is missing.

Reads a few rows of every table that the configuration needs. Nothing is written but, where a ticket is named for it, an
empty work note, of which ServiceNow keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pmgitops.errors import RemoteError, TemporaryRemoteError
from pmgitops.model.ticket import TicketLink, TicketRecord, User
from pmgitops.settings import DEFAULT_STATES, TicketSystem
from pmgitops.tickets.roles import API, to_read, to_write

Outcome = Literal["yes", "no", "unknown"]

ROWS = 10
"""Rows of a table that are looked at."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What a look at the first rows of a table showed."""

    seen: int
    """Rows that were shown."""
    there: int
    """Rows that there are, shown or not, as far as that was asked."""
    left_out: tuple[str, ...] = ()
    """Fields that were asked for, and that no row showed."""


class Probed(Protocol):
    """What can be tried at an instance. Each call raises RemoteError."""

    instance: str

    def find(self, number: str) -> list[TicketRecord]:
        """As for the gate."""

    def myself(self) -> User | None:
        """As for the gate."""

    def glance(self, table: str, fields: Sequence[str], *, most: int, count: bool = True) -> Glance:
        """The first rows of a table."""

    def fields_of(self, table: str) -> Sequence[str]:
        """The fields that the gate reads of tickets of a class."""

    def add_note(self, link: TicketLink, text: str) -> None:
        """As for the outbox; of an empty note nothing is kept."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    what: str
    outcome: Outcome
    said: str = ""
    """What was seen, where that is not simply yes."""
    remedy: str = ""
    """What an administrator would grant."""
    needed: bool = True
    """Whether pmgitops is not of full use without it."""

    @property
    def missing(self) -> bool:
        """Whether something needed is certainly not granted."""
        return self.needed and self.outcome == "no"


def probe(system: TicketSystem, instance: Probed, ticket: str = "") -> Iterator[Check]:
    """Everything that the configuration needs of an instance; with a ticket's number, also whether it may be written.

    RemoteError where the instance does not answer. Where nobody is let in, nothing else is tried.
    """
    yield (login := _login(instance))
    if login.missing:
        return
    yield _read(instance, "task", needed=True)
    for table in classes(system):
        yield _read(instance, table, needed=table in (system.classes or ()) or table in system.states)
    if system.approval:
        yield _look(instance, "sysapproval_approver", _APPROVAL)
    yield _look(instance, "sys_user", _USER)
    yield _journal(instance)
    yield _attachments(instance)
    if ticket:
        yield _write(instance, ticket)


def classes(system: TicketSystem) -> list[str]:
    """The classes that carry access by the configuration."""
    return [table for table in dict.fromkeys([*DEFAULT_STATES, *system.states]) if system.states_of(table)]


_APPROVAL = ("sysapproval", "approver", "state", "sys_updated_by", "sys_updated_on")
_USER = ("sys_id", "user_name", "email", "name", "active")


def _login(instance: Probed) -> Check:
    """Whether we are let in, and as whom."""
    try:
        user = instance.myself()
    except TemporaryRemoteError:
        raise
    except RemoteError as error:
        if error.code in {"auth", "not-api"}:
            return Check("log in", "no", str(error), error.hint)
        return Check("log in", "yes", "as whom cannot be told")
    return Check("log in", "yes", f"as {user.user_name or user}" if user else "as whom cannot be told")


def _read(instance: Probed, table: str, *, needed: bool) -> Check:
    """A class of tickets; one that the instance does not have is missed only where the configuration names it."""
    return _look(instance, table, instance.fields_of(table), needed=needed)


def _look(instance: Probed, table: str, fields: Iterable[str], *, needed: bool = True) -> Check:
    what, remedy = f"read {table}", to_read(table)
    try:
        seen = instance.glance(table, tuple(fields), most=ROWS)
    except TemporaryRemoteError:
        raise
    except RemoteError as error:
        if error.code == "config":
            return Check(what, "no", "there is no such table", "name the classes that there are", needed=needed)
        return Check(what, "no", str(error), API if error.code == "forbidden.api" else remedy)
    if seen.left_out:
        return Check(what, "no", f"{', '.join(seen.left_out)} not shown", remedy)
    if seen.seen:
        return Check(what, "yes")
    if seen.there:
        return Check(what, "no", f"none of the first of {seen.there} rows is shown", remedy)
    return Check(what, "unknown", "no row to tell by", remedy)


def _journal(instance: Probed) -> Check:
    """Without it notes are written, but one whose outcome is unknown stays so."""
    what = "see work notes"
    try:
        seen = instance.glance("sys_journal_field", ("value", "element_id"), most=ROWS, count=False)
    except TemporaryRemoteError:
        raise
    except RemoteError as error:
        return Check(what, "no", str(error), to_read("sys_journal_field"))
    if seen.seen and not seen.left_out:
        return Check(what, "yes")
    if seen.left_out:
        return Check(what, "no", f"{', '.join(seen.left_out)} not shown", to_read("sys_journal_field"))
    # No error tells: an instance without any work note, and one that shows none, answer alike.
    return Check(what, "unknown", "no work note of any ticket is shown", to_read("sys_journal_field"))


def _attachments(instance: Probed) -> Check:
    try:
        instance.glance("sys_attachment", (), most=1, count=False)
    except TemporaryRemoteError:
        raise
    except RemoteError as error:
        return Check("read attachments", "no", str(error), to_read("sys_attachment"))
    return Check("read attachments", "yes")


def _write(instance: Probed, number: str) -> Check:
    """Whether a ticket takes a work note. That the field alone is protected does not show: it is dropped in silence."""
    what, remedy = f"write work notes on {number}", ""
    try:
        records = instance.find(number)
        if len(records) != 1:
            return Check(what, "no", f"{number} is {'several' if records else 'not there, or hidden'}")
        remedy = to_write(records[0].table)
        instance.add_note(records[0].link(""), "")
    except TemporaryRemoteError:
        raise
    except RemoteError as error:
        return Check(what, "no", str(error), remedy if error.code.startswith("forbidden") else error.hint)
    return Check(what, "yes")
