"""Delivers the notes and files that tickets are due, each once, through the ledger.

What is due follows from the ledger alone, so a run that died loses nothing. A ticket is read for the note's marker, or
for the file's name and digest, first; then the post is `pending`, then it is sent: what was never attempted is never
doubtful. A write whose outcome is unknown is read again, and sent again only where posts can be seen and this one
certainly is not there. Where they cannot be seen, an unknown one stays unknown. Posts go out in waves, one of each
request in a wave, so that a push serves them all. Who has noted that it is about to write has its turn: another run
leaves that request's posts alone. A file that cannot be delivered holds up no note but the very last.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from pmgitops.crew import GRACE, in_parallel
from pmgitops.errors import Commit, PermanentRemoteError, RemoteError
from pmgitops.ledger.book import Book, Clock
from pmgitops.ledger.standing import Standing, instant
from pmgitops.model.scalars import instant_text
from pmgitops.tickets.evidence import Attachment
from pmgitops.tickets.interface import StoredFile, TicketWriter
from pmgitops.tickets.notes import Note, Post, Wording, due

Done = TypeVar("Done")
Outcome = Literal["verified", "unverified", "unknown"]
"""Seen on the ticket; accepted, but the ticket is closed to us; or nobody can say."""

SOON = (0.5, 1.0, 2.0)
"""Pauses before each look at a ticket after a write that was answered, but not with a plain yes or no."""
LATE = (1.0, 4.0, 15.0, 45.0)
"""The same after one that was not answered: ServiceNow may be at it for a minute, and until then nothing proves that it
was not written.
"""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A note or file that the ticket has not certainly got."""

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


@dataclass(frozen=True, slots=True)
class Counter:
    """Where posts are handed in: each ticket system's writing half, how many may be under way at once, the wording."""

    writers: Mapping[str, TicketWriter]
    """By the system's name without case."""
    hands: int = 1
    wording: Wording = field(default_factory=Wording)
    named: frozenset[str] = frozenset()
    """The systems whose tickets are given the request's name as `correlation_id`, without case."""

    def names(self, post: Post) -> bool:
        """Whether the post's ticket is given the request's name."""
        return post.link.system.casefold() in self.named and isinstance(post, Note) and post.transition.name == "linked"

    def writer(self, post: Post) -> TicketWriter:
        """Who writes to the post's ticket. PermanentRemoteError where nobody does."""
        writer = self.writers.get(post.link.system.casefold())
        if writer is None:
            raise PermanentRemoteError(f"{post.link.system} is not configured any more")
        return writer


def deliver(
    names: Iterable[str],
    book: Book,
    counter: Counter,
    *,
    turn: Turn | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Undelivered]:
    """Write what is due for these requests, oldest first; what could not be written stays due.

    Told to end, it finishes what is under way.
    """
    turn = turn or Turn("", timedelta(0), lambda: datetime.now(UTC))
    queues = _queues(names, book, counter.wording)
    undelivered: list[Undelivered] = []
    while not turn.stopping() and (wave := [post for queue in queues.values() for post in _next(queue)]):
        run = _Wave(book, counter, turn, pause, undelivered)
        run.look(wave)
        if not turn.stopping():
            run.send(run.absent)
        for name in run.stuck:
            queues[name] = []  # later notes wait for earlier ones, so that the ticket reads in order
        for name in run.unproven:
            queues[name] = [post for post in queues[name] if post.transition.name != "closed-out"]
    book.push()
    return undelivered


def _next(queue: list[Post]) -> list[Post]:
    """What of a request's posts goes out next: one, or a file with the note that names it; the last note waits for its
    file.
    """
    together = 2 if queue and isinstance(queue[0], Attachment) and queue[0].transition.name == "linked" else 1
    first, queue[:] = queue[:together], queue[together:]
    return first


def _queues(names: Iterable[str], book: Book, wording: Wording) -> dict[str, list[Post]]:
    """What each request's tickets are due, oldest first."""
    owing = {name: stands for name, stands in book.standings(sorted(names)).items() if stands.notes_due}
    histories = book.histories(owing)
    return {name: due(stands, histories[name], wording) for name, stands in owing.items()}


@dataclass(slots=True)
class _Wave:
    """One post of each request: looked for, noted in the ledger, sent."""

    book: Book
    counter: Counter
    turn: Turn
    pause: Callable[[float], None]
    undelivered: list[Undelivered]
    absent: list[Post] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    unproven: set[str] = field(default_factory=set)
    """Requests whose evidence is not certainly on the ticket: their last note waits for it."""

    def look(self, posts: Iterable[Post]) -> None:
        """Find out which posts their tickets lack."""
        ours = []
        for post in posts:
            if self.turn.is_anothers(self.book[post.name]):
                self._keep(post, "another run is writing it")
            else:
                ours.append(post)
        for post, found in zip(ours, self._all(self._found, ours), strict=True):
            match found:
                case "absent":
                    self.absent.append(post)
                case RemoteError():
                    self._keep(post, str(found), found.status)
                case None:
                    pass  # the run was told to end
                case _:
                    self._record(post, found)

    def send(self, posts: Sequence[Post]) -> None:
        """Note that these are about to be sent, and send them; but for what another run has taken."""
        while posts:
            until = self._take(posts)
            posts = self._sent([post for post in posts if post.name not in self.stuck], until)

    def _sent(self, posts: Sequence[Post], until: datetime) -> list[Post]:
        """Send these, and record what came of it; those whose turn came when the lease was half over are given back."""
        begun: set[str] = set()
        late: list[Post] = []

        def write(post: Post) -> Outcome | Literal["late"]:
            if self.turn.lease and self.turn.clock() + self.turn.lease / 2 > until:
                return "late"  # there are many, or tickets are slow
            begun.add(post.marker)
            return _write(post, self.counter.writer(post), self.pause)

        for post, outcome in zip(posts, self._all(write, posts, GRACE), strict=True):
            match outcome:
                case "late" if not self.turn.stopping():
                    late.append(post)
                case None if post.marker in begun:
                    pass  # it may be there: it stays pending until it is looked for
                case None | "late":
                    self._note(post, "released")
                case RemoteError():
                    self._keep(post, str(outcome), outcome.status)
                case _:
                    self._record(post, outcome)
        return late

    def _all(
        self, act: Callable[[Post], Done], posts: Sequence[Post], grace: float = 0.0
    ) -> list[Done | RemoteError | None]:
        """`act` on each post, several at once; None for what was not done because the run was told to end."""

        def kept(post: Post) -> Done | RemoteError:
            try:
                return act(post)
            except RemoteError as error:
                return error

        return in_parallel(kept, posts, hands=self.counter.hands, stopping=self.turn.stopping, grace=grace)

    def _take(self, posts: Iterable[Post]) -> datetime:
        """Have a turn with these posts, unless another run has been faster; until when they are sent without asking."""
        now, until = self.turn.clock(), instant_text(self.turn.until())
        turn = {"owner": self.turn.owner, "until": until} if self.turn.owner else {}
        for post in posts:
            if post.name not in self.stuck:
                self._note(post, "pending", ticket=post.link.number, **turn)
        self.stuck |= self.book.push()
        return now + self.turn.lease

    def _found(self, post: Post) -> Outcome | Literal["absent"]:
        """Whether the ticket has a post: "absent" where it has not, or has certainly not been sent it yet."""
        stands = self.book[post.name]
        if stands and stands.orphaned and post.link.same(stands.ticket):
            raise PermanentRemoteError(f"{post.link.number} is not there any more, or pmgitops may not read it")
        writer = self.counter.writer(post)
        if self.counter.names(post):
            self._correlate(post, writer)
        there, readable = _look(post, writer)
        if there:
            return "verified"
        # What an earlier run was about to send may have been written before that run died.
        may_be_there = self._status(post) is not None
        return "unknown" if may_be_there and not (readable or _sees(post, writer)) else "absent"

    def _correlate(self, post: Post, writer: TicketWriter) -> None:
        """The request's name on the ticket is a courtesy: without it the notes go out all the same."""
        try:
            writer.correlate(post.link, post.name)
        except PermanentRemoteError as error:
            why = f"correlation_id cannot be written: {error}"
            self.undelivered.append(Undelivered(post.name, post.link.number, why))

    def _record(self, post: Post, outcome: Outcome) -> None:
        """Note what came of it. No note waits for one that may be there and cannot be seen: it will not be sent again,
        and the ticket would hear nothing any more.
        """
        if outcome != "unknown":
            self._note(post, "delivered", verified=outcome == "verified")
            return
        if self._status(post) != "unknown":
            self._note(post, "unknown")
        if isinstance(post, Attachment):
            self.unproven.add(post.name)
        why = f"whether the {_kind(post)} was written cannot be read back"
        self.undelivered.append(Undelivered(post.name, post.link.number, why))

    def _keep(self, post: Post, why: str, status: int = 0) -> None:
        if post.name not in self.stuck:
            self.undelivered.append(Undelivered(post.name, post.link.number, why))
        unwanted = isinstance(post, Attachment) and status in _REFUSED
        (self.unproven if unwanted else self.stuck).add(post.name)

    def _status(self, post: Post) -> str | None:
        stands = self.book[post.name]
        return stands.notes.get(post.marker) if stands else None

    def _note(self, post: Post, event: str, **data: Any) -> None:
        if isinstance(post, Attachment):
            data["sha256"] = post.sha256
        name = f"{_kind(post)}-{event}"
        self.book.write(post.name, name, marker=post.marker, transition=post.transition.name, **data)


_REFUSED = frozenset({400, 403, 413})
"""Answers to a file that is not wanted: too large, of a type that is not allowed, without the right to attach."""


def _kind(post: Post) -> str:
    return "note" if isinstance(post, Note) else "attachment"


# Writing, and reading what became of it


def _write(post: Post, writer: TicketWriter, pause: Callable[[float], None]) -> Outcome:
    try:
        return _send(post, writer)
    except RemoteError as error:
        if error.commit is Commit.NO:
            raise
        return _look_again(post, writer, pause, SOON if error.status in _ANSWERED else LATE)


_FORBIDDEN = 403
"""Answered now and then to a write that was done; where it is said twice and nothing is there, it is meant."""
_ANSWERED = frozenset({200, 201, 403, 500})
"""Answers of the instance itself, with which it is through; a gateway's 502, 503 or 504 and 202 say nothing of that."""


def _look_again(post: Post, writer: TicketWriter, pause: Callable[[float], None], pauses: tuple[float, ...]) -> Outcome:
    """After a write whose outcome is unknown: read, and write again only where it certainly was not written."""
    readable = False
    for seconds in pauses:
        pause(seconds)
        try:
            there, readable = _look(post, writer)
            readable = readable or _sees(post, writer)
        except RemoteError:
            readable = False
            continue
        if there:
            return "verified"
    if not readable:
        return "unknown"
    try:
        return _send(post, writer)
    except RemoteError as error:
        if error.commit is Commit.NO or (error.status == _FORBIDDEN and not _look(post, writer)[0]):
            raise
        return "unknown"


def _look(post: Post, writer: TicketWriter) -> tuple[bool, bool]:
    """Whether the ticket has it; and whether one that it has would certainly have been seen."""
    if isinstance(post, Note):
        journal = writer.markers(post.link)
        return post.marker in journal.markers, journal.readable
    there = [_has(file, writer) for file in (*post.before, post)]
    return all(there), any(there)


def _has(post: Attachment, writer: TicketWriter) -> bool:
    return any(_same(stored, post, writer) for stored in writer.attachments(post.link, post.file))


def _same(stored: StoredFile, post: Attachment, writer: TicketWriter) -> bool:
    """Whether a file is the one: by its digest, or where the system has none (an encrypted file) by its content."""
    return (stored.sha256 or hashlib.sha256(writer.fetch(stored)).hexdigest()) == post.sha256


def _sees(post: Post, writer: TicketWriter) -> bool:
    return writer.sees_notes() if isinstance(post, Note) else writer.sees_files()


def _send(post: Post, writer: TicketWriter) -> Outcome:
    """One write, and one look at it. RemoteError of the write alone."""
    if isinstance(post, Note):
        writer.add_note(post.link, post.text)
        return _seen(lambda: _look(post, writer)[0])
    for earlier in post.before:  # somebody may have taken away what the ticket was given before
        if writer.sees_files() and not _has(earlier, writer):
            writer.attach(earlier.link, earlier.file, earlier.content)
    if post.before and _has(post, writer):
        return "verified"
    stored = writer.attach(post.link, post.file, post.content)
    return _seen(lambda: _same(stored, post, writer))


def _seen(look: Callable[[], bool]) -> Outcome:
    try:
        return "verified" if look() else "unverified"
    except RemoteError:
        return "unverified"
