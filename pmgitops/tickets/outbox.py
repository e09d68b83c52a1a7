"""Delivers the notes that tickets are due, each once, through the ledger.

What is due follows from the ledger alone, so a run that died loses nothing. Each note is `note-pending` before it is
sent. The ticket is read for the note's marker first; a write whose outcome is unknown is read again, and sent again
only where the journal can be read and certainly lacks it. Where the journal cannot be read, an unknown note stays
unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pmgitops.errors import Commit, RemoteError
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
    notes = [note for stands in book.standings(names).values() for note in due(stands)]
    fresh = {note.marker for note in notes if note.marker not in _noted(book, note.name)}
    for note in notes:
        if note.marker in fresh:
            transition = note.transition.name
            book.write(note.name, "note-pending", marker=note.marker, transition=transition, ticket=note.link.number)
    lost = book.push()
    undelivered: list[Undelivered] = []
    stuck: set[str] = set()
    for note in notes:
        if note.name in lost or note.name in stuck:
            continue  # later notes wait for earlier ones, so that the ticket reads in order
        # What an earlier run left pending may have been written before that run died.
        problem, waits = _deliver(note, book, writers, pause, may_be_there=note.marker not in fresh)
        if problem:
            undelivered.append(Undelivered(note.name, note.link.number, problem))
        if waits:
            stuck.add(note.name)
    book.push()
    return undelivered


def _noted(book: Book, name: str) -> Mapping[str, str]:
    stands = book[name]
    return stands.notes if stands else {}


def _deliver(
    note: Note,
    book: Book,
    writers: Mapping[str, TicketWriter],
    pause: Callable[[float], None],
    *,
    may_be_there: bool,
) -> tuple[str, bool]:
    """Deliver one note; why it is not certain that the ticket has it (or nothing), and whether later ones wait for it.

    Nothing waits for a note that may be there and cannot be seen: it will not be sent again, and the ticket would hear
    nothing any more.
    """
    writer = writers.get(note.link.system.casefold())
    if writer is None:
        return f"{note.link.system} is not configured any more", True
    try:
        outcome = _write(note, writer, pause, may_be_there=may_be_there)
    except RemoteError as error:
        return str(error), True
    facts = {"marker": note.marker, "transition": note.transition.name}
    if outcome == "unknown":
        if _noted(book, note.name).get(note.marker) != "unknown":
            book.write(note.name, "note-unknown", **facts)
        return "whether the note was written cannot be read back", False
    book.write(note.name, "note-delivered", **facts, verified=outcome == "verified")
    return "", False


def _write(note: Note, writer: TicketWriter, pause: Callable[[float], None], *, may_be_there: bool) -> Outcome:
    journal = writer.markers(note.link)
    if note.marker in journal.markers:
        return "verified"
    if may_be_there and not (journal.readable or writer.sees_notes()):
        return "unknown"
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
