"""Delivers the notes that tickets are due, each once, through the ledger.

What is due follows from the ledger alone, so a run that died loses nothing. A ticket is read for the note's marker
first, then the note is `note-pending`, then it is sent: what was never attempted is never doubtful. A write whose
outcome is unknown is read again, and sent again only where notes can be seen and this one certainly is not there. Where
they cannot be seen, an unknown note stays unknown. Notes go out in waves, one of each request in a wave, so that a push
serves them all. Who has noted that it is about to write has its turn: another run leaves that request's notes alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

from pmgitops.crew import GRACE, Stopped, unless_stopped
from pmgitops.errors import Commit, PermanentRemoteError, RemoteError
from pmgitops.ledger.book import Book, Clock
from pmgitops.ledger.standing import Standing, instant
from pmgitops.model.scalars import instant_text
from pmgitops.tickets.interface import TicketWriter
from pmgitops.tickets.notes import Note, due

Done = TypeVar("Done")
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


@dataclass(frozen=True, slots=True)
class Turn:
    """Who writes, and for how long nobody else does; and whether the run was told to end."""

    owner: str
    lease: timedelta
    clock: Clock
    stopping: Callable[[], bool] = lambda: False

    def until(self) -> datetime:
        """The lease, and as long as a write may still be looked for after it was sent."""
        return self.clock() + self.lease + timedelta(seconds=sum(LATE))

    def is_anothers(self, stands: Standing | None) -> bool:
        """Whether another run has its turn with the notes of this request."""
        theirs = stands is not None and stands.telling_until and stands.teller != self.owner
        return bool(stands and theirs and instant(stands.telling_until) > self.clock())


def deliver(
    names: Iterable[str],
    book: Book,
    writers: Mapping[str, TicketWriter],
    *,
    turn: Turn | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Undelivered]:
    """Write what is due for these requests, oldest first; what could not be written stays due.

    Told to end, it finishes the note at hand.
    """
    turn = turn or Turn("", timedelta(0), lambda: datetime.now(UTC))
    queues = {name: due(stands) for name, stands in book.standings(names).items()}
    undelivered: list[Undelivered] = []
    while not turn.stopping() and (wave := [queue.pop(0) for queue in queues.values() if queue]):
        run = _Wave(book, writers, turn, pause, undelivered)
        run.look(wave)
        if not turn.stopping():
            run.send(run.absent)
        for name in run.stuck:
            queues[name] = []  # later notes wait for earlier ones, so that the ticket reads in order
    book.push()
    return undelivered


@dataclass(slots=True)
class _Wave:
    """One note of each request: looked for, noted in the ledger, sent."""

    book: Book
    writers: Mapping[str, TicketWriter]
    turn: Turn
    pause: Callable[[float], None]
    undelivered: list[Undelivered]
    absent: list[Note] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)

    def look(self, notes: Iterable[Note]) -> None:
        """Find out which notes their tickets lack."""
        for note in notes:
            if self.turn.is_anothers(self.book[note.name]):
                self._keep(note, "another run is writing it")
                continue
            try:
                outcome = self._unless_stopped(partial(self._found, note))
            except Stopped:
                return
            except RemoteError as error:
                self._keep(note, str(error))
                continue
            if outcome:
                self._record(note, outcome)
            else:
                self.absent.append(note)

    def send(self, notes: Sequence[Note]) -> None:
        """Note that these are about to be sent, and send them; but for what another run has taken."""
        until = self._take(notes)
        for place, note in enumerate(notes):
            if self.turn.lease and self.turn.clock() + self.turn.lease / 2 > until:
                until = self._take(notes[place:])  # there are many, or tickets are slow
            if note.name in self.stuck:
                continue
            if self.turn.stopping():
                self._write(note, "note-released")
                continue
            try:
                outcome = self._unless_stopped(partial(_write, note, self._writer(note), self.pause), GRACE)
                self._record(note, outcome)
            except Stopped:
                continue  # it may be there: it stays pending until it is looked for
            except RemoteError as error:
                self._keep(note, str(error))

    def _take(self, notes: Iterable[Note]) -> datetime:
        """Have a turn with these notes, unless another run has been faster; until when they are sent without asking."""
        now, until = self.turn.clock(), instant_text(self.turn.until())
        turn = {"owner": self.turn.owner, "until": until} if self.turn.owner else {}
        for note in notes:
            if note.name not in self.stuck:
                self._write(note, "note-pending", ticket=note.link.number, **turn)
        self.stuck |= self.book.push()
        return now + self.turn.lease

    def _unless_stopped(self, act: Callable[[], Done], grace: float = 0.0) -> Done:
        return unless_stopped(act, stopping=self.turn.stopping, grace=grace)

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
