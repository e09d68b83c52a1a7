"""The ledger held against the tickets: is every note and file there once, and is the record still what was judged?

Nothing is written. The proof is in the second copy: whoever administers the instance can change a ticket, and whoever
pushes the ledger's branch can add to it, and neither can do the other's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from pmgitops.errors import RemoteError
from pmgitops.ledger.interface import Event
from pmgitops.ledger.standing import Standing, Transition
from pmgitops.model.ticket import Approval, TicketLink, TicketRecord
from pmgitops.tickets.evidence import Attachment, attachment
from pmgitops.tickets.interface import Journal, StoredFile
from pmgitops.tickets.markers import marker_of

Outcome = Literal["same", "due", "changed", "differs", "unreadable"]
"""As the ledger says; not told yet; another record than was judged, which is no harm once the access has ended; not as
the ledger says; or nobody can tell.
"""


class Verifier(Protocol):
    """What is read of an instance. Each call raises RemoteError."""

    def snapshot(self, ticket: TicketLink) -> TicketRecord | None:
        """As for the gate."""

    def approvals(self, sys_ids: Collection[str]) -> Mapping[str, tuple[Approval, ...]]:
        """As for the gate."""

    def markers(self, link: TicketLink) -> Journal:
        """As for the outbox."""

    def sees_notes(self) -> bool:
        """As for the outbox."""

    def attachments(self, link: TicketLink, name: str) -> Sequence[StoredFile]:
        """As for the outbox."""

    def sees_files(self) -> bool:
        """As for the outbox."""

    def fetch(self, file: StoredFile) -> bytes:
        """As for the outbox."""

    def repeated(self, link: TicketLink) -> Collection[str]:
        """The markers that more than one work note of the ticket has."""


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that the ledger says, held against its ticket."""

    ticket: str
    what: str
    outcome: Outcome
    said: str = ""
    """How it differs."""
    remedy: str = ""
    """What to do about it."""

    @property
    def wrong(self) -> bool:
        """Whether ledger and ticket say different things."""
        return self.outcome == "differs"


def verify(
    stands: Standing,
    history: Sequence[Event],
    instances: Mapping[str, Verifier],
    approved: Mapping[str, Collection[str]],
) -> Iterator[Held]:
    """Everything that the ledger says of the request's tickets. `history` is the request's, whole; `approved` are, by
    ticket system, the classes whose approvals were part of what was judged.
    """
    links = {told.ticket.sys_id: told.ticket for told in stands.transitions if told.ticket}
    for link in links.values():
        reader = instances.get(link.system.casefold())
        if reader is None:
            yield _unreadable(link, "everything", f"{link.system} is not read here", "configure it under tickets")
            continue
        yield _record(stands, link, reader, approved.get(link.system.casefold(), ()))
        yield from _notes(stands, link, reader)
        for told in _told(stands, link):
            if file := attachment(stands, told, history):
                yield _file(stands, file, reader)


def _record(stands: Standing, link: TicketLink, reader: Verifier, approved: Collection[str]) -> Held:
    """The record behind the pinned sys_id, by the digest of what was judged."""
    what = "the record"
    try:
        now = reader.snapshot(link)
        if now and now.table in approved:
            now = replace(now, approvals=reader.approvals([link.sys_id])[link.sys_id])
    except RemoteError as error:
        return _unreadable(link, what, str(error), error.hint)
    if now is None:
        said = f"{link.sys_id} is not there any more, or pmgitops may not read it"
        return Held(link.number, what, "differs", said, "ask the instance's administrator what became of it")
    if now.number != link.number:
        said = f"its number is {now.number} now"
        return Held(link.number, what, "differs", said, "ask the instance's administrator who renumbered it")
    current = stands.ticket is not None and stands.ticket.sys_id == link.sys_id
    if not current or now.digest == link.snapshot:
        return Held(link.number, what, "same")
    said = f"was {link.state} when it was judged, and is {now.state_label or now.state} now, or was changed otherwise"
    if stands.ended:
        return Held(link.number, what, "changed", said)
    return Held(link.number, what, "differs", said, "look at it: what it was judged by is not so any more")


def _notes(stands: Standing, link: TicketLink, reader: Verifier) -> Iterator[Held]:
    try:
        journal = reader.markers(link)
        readable = journal.readable or reader.sees_notes()
        repeated = reader.repeated(link)
    except RemoteError as error:
        yield _unreadable(link, "the work notes", str(error), error.hint)
        return
    told = _told(stands, link)
    attempted = any(marker_of(stands.name, link, one) in stands.notes for one in told)
    if attempted and not readable:
        remedy = "grant a read ACL on sys_journal_field; `pmgitops ticket probe` tells what is missing"
        yield _unreadable(link, "the work notes", "no work note of any ticket is shown", remedy)
        return
    for one in told:
        yield _note(stands, one, link, journal.markers, repeated)


def _told(stands: Standing, link: TicketLink) -> list[Transition]:
    return [told for told in stands.transitions if told.ticket and told.ticket.sys_id == link.sys_id]


def _note(
    stands: Standing, told: Transition, link: TicketLink, there: Collection[str], repeated: Collection[str]
) -> Held:
    marker = marker_of(stands.name, link, told)
    what, status = f"the note {told.name} ({marker})", stands.notes.get(marker)
    if marker in repeated:
        remedy = "nothing: two runs raced, or a rule of the instance doubles notes"
        return Held(link.number, what, "differs", "is there more than once", remedy)
    if marker in there:
        return Held(link.number, what, "same")
    if status == "delivered":
        remedy = "ask the instance's administrator who removed it; the ledger still tells what it said"
        return Held(link.number, what, "differs", "was delivered, and is not there", remedy)
    if status == "unknown":
        remedy = "nobody knows whether it was written: look at the ticket; it is never sent again by itself"
        return Held(link.number, what, "differs", "may have been sent, and is not there", remedy)
    return Held(link.number, what, "due", "is not delivered yet; the next `pmgitops apply` does it")


def _file(stands: Standing, file: Attachment, reader: Verifier) -> Held:
    """A file, by its content: it is read again and hashed, and the ledger makes it again."""
    number, what, status = file.link.number, f"the file {file.file}", stands.notes.get(file.marker)
    try:
        stored = reader.attachments(file.link, file.file)
        digests = {hashlib.sha256(reader.fetch(one)).hexdigest() for one in stored}
        seen = bool(stored) or status is None or reader.sees_files()
    except RemoteError as error:
        return _unreadable(file.link, what, str(error), error.hint)
    if not seen:
        return _unreadable(file.link, what, "no file of any ticket is shown", "grant a read ACL on sys_attachment")
    if len(stored) > 1:
        remedy = "nothing: two runs raced; delete one of them if you like"
        return Held(number, what, "differs", "is there more than once", remedy)
    if digests:
        if digests == {file.sha256}:
            return Held(number, what, "same")
        said = f"has the SHA-256 {digests.pop()}, and not {file.sha256}"
        return Held(number, what, "differs", said, "ask the instance's administrator who changed it")
    if status == "delivered":
        remedy = "ask the instance's administrator who removed it; the ledger makes the same file again"
        return Held(number, what, "differs", "was attached, and is not there", remedy)
    if status == "unknown":
        return Held(number, what, "differs", "may have been sent, and is not there", "look at the ticket")
    return Held(number, what, "due", "is not attached yet; the next `pmgitops apply` does it")


def _unreadable(link: TicketLink, what: str, why: str, remedy: str) -> Held:
    return Held(link.number, what, "unreadable", why, remedy)
