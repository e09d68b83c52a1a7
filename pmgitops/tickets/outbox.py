"""Delivers the notes that tickets are due, each once, through the ledger.

What is due follows from the ledger alone, so a run that died loses nothing. A ticket is read for the note's marker
first, then the note is `note-pending`, then it is sent: what was never attempted is never doubtful. A write whose
outcome is unknown is read again, and sent again only where notes can be seen and this one certainly is not there. Where
they cannot be seen, an unknown note stays unknown. Notes go out in waves, one of each request in a wave, so that a push
serves them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Literal

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError
from pmgitops.ledger.book import Book
from pmgitops.tickets.interface import TicketWriter
from pmgitops.tickets.notes import Note, due

Outcome = Literal["verified", "unverified", "unknown"]
"""Seen in the journal; accepted, but the journal is closed to us; or nobody can say."""

SOON = (0.5, 1.0, 2.0)
"""Pauses before each look at a ticket after a write that was answered, but not with a plain yes or no."""
LATE = (1.0, 4.0, 15.0, 45.0)
"""The same after one that was not answered: ServiceNow may be at it for a minute, and until then nothing proves that it
was not written.
"""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A note that the ticket has not certainly got."""

    name: str
    ticket: str
    why: str


def deliver(
    names: Iterable[str],
    book: Book,
    writers: Mapping[str, TicketWriter],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> list[Undelivered]:
    """Write what is due for these requests, oldest first; what could not be written stays due."""
    queues = {name: due(stands) for name, stands in book.standings(names).items()}
    undelivered: list[Undelivered] = []
    while wave := [queue.pop(0) for queue in queues.values() if queue]:
        run = _Wave(book, writers, pause, undelivered)
        run.look(wave)
        run.send(run.absent, lost=book.push())
        for name in run.stuck:
            queues[name] = []  # later notes wait for earlier ones, so that the ticket reads in order
    book.push()
    return undelivered


@dataclass(slots=True)
class _Wave:
    """One note of each request: looked for, noted in the ledger, sent."""

    book: Book
    writers: Mapping[str, TicketWriter]
    pause: Callable[[float], None]
    undelivered: list[Undelivered]
    absent: list[Note] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)

    def look(self, notes: Iterable[Note]) -> None:
        """Find out which notes their tickets lack, and note that these are about to be sent."""
        for note in notes:
            try:
                outcome = self._found(note)
            except RemoteError as error:
                self._keep(note, str(error))
                continue
            if outcome:
                self._record(note, outcome)
            else:
                self._write(note, "note-pending", ticket=note.link.number)
                self.absent.append(note)

    def send(self, notes: Iterable[Note], lost: AbstractSet[str]) -> None:
        """Send what is absent, but for what another runner has taken."""
        for note in notes:
            if note.name in lost:
                self.stuck.add(note.name)
                continue
            try:
                self._record(note, _write(note, self._writer(note), self.pause))
            except RemoteError as error:
                self._keep(note, str(error))

    def _found(self, note: Note) -> Outcome | None:
        """Whether the ticket has a note: None where it has not, or has certainly not been sent it yet."""
        writer = self._writer(note)
        journal = writer.markers(note.link)
        if note.marker in journal.markers:
            return "verified"
        # What an earlier run was about to send may have been written before that run died.
        may_be_there = self._status(note) is not None
        return "unknown" if may_be_there and not (journal.readable or writer.sees_notes()) else None

    def _record(self, note: Note, outcome: Outcome) -> None:
        """Note what came of it. Nothing waits for a note that may be there and cannot be seen: it will not be sent
        again, and the ticket would hear nothing any more.
        """
        if outcome != "unknown":
            self._write(note, "note-delivered", verified=outcome == "verified")
            return
        if self._status(note) != "unknown":
            self._write(note, "note-unknown")
        why = "whether the note was written cannot be read back"
        self.undelivered.append(Undelivered(note.name, note.link.number, why))

    def _keep(self, note: Note, why: str) -> None:
        self.undelivered.append(Undelivered(note.name, note.link.number, why))
        self.stuck.add(note.name)

    def _writer(self, note: Note) -> TicketWriter:
        writer = self.writers.get(note.link.system.casefold())
        if writer is None:
            raise PermanentRemoteError(f"{note.link.system} is not configured any more")
        return writer

    def _status(self, note: Note) -> str | None:
        stands = self.book[note.name]
        return stands.notes.get(note.marker) if stands else None

    def _write(self, note: Note, event: str, **data: Any) -> None:
        self.book.write(note.name, event, marker=note.marker, transition=note.transition.name, **data)


def _write(note: Note, writer: TicketWriter, pause: Callable[[float], None]) -> Outcome:
    try:
        writer.add_note(note.link, note.text)
    except RemoteError as error:
        if error.commit is Commit.NO:
            raise
        return _look_again(note, writer, pause, SOON if error.status in _ANSWERED else LATE)
    return _seen(note, writer)


_ANSWERED = frozenset({200, 403, 500})
"""Answers of the instance itself, with which it is through; a gateway's 502, 503 or 504 and 202 say nothing of that."""


def _look_again(note: Note, writer: TicketWriter, pause: Callable[[float], None], pauses: tuple[float, ...]) -> Outcome:
    """After a write whose outcome is unknown: read, and write again only where it certainly was not written."""
    readable = False
    for seconds in pauses:
        pause(seconds)
        try:
            journal = writer.markers(note.link)
            readable = journal.readable or writer.sees_notes()
        except RemoteError:
            readable = False
            continue
        if note.marker in journal.markers:
            return "verified"
    if not readable:
        return "unknown"
    try:
        writer.add_note(note.link, note.text)
    except RemoteError as error:
        if error.commit is Commit.NO:
            raise
        return "unknown"
    return _seen(note, writer)


def _seen(note: Note, writer: TicketWriter) -> Outcome:
    try:
        return "verified" if note.marker in writer.markers(note.link).markers else "unverified"
    except RemoteError:
        return "unverified"
