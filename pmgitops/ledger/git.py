"""The ledger on a branch of the repository's remote: the branch is the truth, this clone only a copy of it.

    ledger/<xx>/<name>.jsonl    the history of a request; <xx>: first two hex digits of the SHA-256 of its name
    ledger/run.jsonl            the history of the runs
    ledger/open/<xx>/<name>     an empty file for each request that has not ended
    ledger/tickets/<xx>/<sys_id>/<name>     an empty file for each request that a ticket has ever carried

Appending makes a commit on the head that we know and pushes it on the condition that the remote's branch still stands
there: compare-and-swap. Refused, it reads the new head, leaves out the histories that moved on, and tries again.

In this clone nothing of the user's is touched: no branch, index, work tree, hook or signature. Commits are made with
`fast-import` without a ref. It runs no hooks and signs nothing, which is meant: both vouch for a person at a keyboard,
and an unattended run must not stop at either. What proves a history is its chain. One private ref, `refs/pmgitops/...`,
remembers where the remote was last seen, so that a rewritten branch is noticed and `status` can read without a network.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from typing import Final, NamedTuple

from pmgitops.errors import (
    Commit,
    DeliveryError,
    LedgerConflictError,
    PermanentRemoteError,
    TemporaryRemoteError,
    UnsafeError,
    UsageError,
)
from pmgitops.ledger import chain
from pmgitops.ledger.interface import RUN, Entry, Event, LedgerBrokenError
from pmgitops.source import Outcome, Repository, unreachable

BRANCH: Final = "refs/heads/pmgitops/ledger"
AUTHOR: Final = "pmgitops <pmgitops@localhost>"

_FOLDER: Final = "ledger"
_OPEN: Final = "ledger/open"
_TICKETS: Final = "ledger/tickets"
_RUN: Final = "ledger/run.jsonl"
_LARGEST: Final = 1 << 26
"""Bytes that one history may have: what is larger was not written by us."""
_STRIDE: Final = 1000
"""Commits whose changes are looked at together."""


class _Draft(NamedTuple):
    """A commit on `parent`, not pushed yet (None: nothing is left to write), and the names that it leaves out."""

    parent: str | None
    commit: str | None
    moved: frozenset[str]


class GitLedger:
    """A `Ledger` on `ref` of `remote`. One object is one reader and writer; it is not for several threads."""

    def __init__(
        self,
        repository: Repository,
        *,
        remote: str = "origin",
        ref: str = BRANCH,
        author: str = AUTHOR,
        timeout: float = 20.0,
        patience: float = 30.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Open the ledger as it was last fetched; nothing is asked of the remote yet.

        Args:
            repository: Any clone, bare or not.
            remote: The remote's name.
            ref: The branch, `refs/heads/...`.
            author: `Name <e-mail>` of the ledger's commits.
            timeout: Seconds that one conversation with the remote may take.
            patience: Seconds during which `append` begins new attempts.
            clock: The time that events and commits carry.

        Raises:
            UsageError: `ref` or `author` is not what its name says.
        """
        if not re.fullmatch(r"refs/heads/\w[\w./-]*", ref, re.ASCII) or ".." in ref:
            raise UsageError(f"{ref!r} is not a branch for the ledger", hint=f"such as {BRANCH}")
        if not re.fullmatch(r"[^<>\n\0]+ <[^<>\n\0]+>", author):
            raise UsageError(f"{author!r} is not an author for the ledger", hint=f"such as {AUTHOR}")
        self._repository = repository
        self._remote = remote
        self._ref = ref
        self._author = author
        self._timeout = timeout
        self._patience = patience
        self._clock = clock
        self._memory = f"refs/pmgitops/{remote}/{ref.removeprefix('refs/heads/')}"
        self._head = self._remembered()
        self._connected = False

    # Reading

    @property
    def head(self) -> str | None:
        """The commit that is read; None while there is no ledger."""
        return self._head

    def refresh(self) -> None:
        """Move `head` to where the remote stands: one `ls-remote`, and a fetch when it moved.

        Raises:
            UsageError: The clone is shallow, there is no such remote, or its branch is not a ledger.
            RemoteError: The remote did not answer, or does not let us in.
            UnsafeError: The branch was rewritten or removed since it was last seen.
        """
        if not self._connected:
            self._repository.refuse_shallow()
            self._repository.remote(self._remote)
        self.follow(self._repository.tips(self._remote, [self._ref], self._timeout).get(self._ref))

    def follow(self, tip: str | None) -> None:
        """Move `head` to `tip`, where the remote stands: `refresh` for who has asked it already. Raises like it."""
        if tip != self._head:
            self._follow(tip)
        self._connected = True

    def history(self, name: str) -> tuple[Event, ...]:
        """The verified events of one request, or of `RUN`; empty where there are none."""
        return self.histories([name])[name]

    def histories(self, names: Iterable[str]) -> dict[str, tuple[Event, ...]]:
        """`history` of many, in one go; every name is a key."""
        return {name: chain.decode(path_of(name), text) for name, text in self._texts(names)}

    def last(self, name: str) -> Event | None:
        """The last event of a history; only its last two lines are verified."""
        return next(chain.last(path_of(name), text) for name, text in self._texts([name]))

    def open(self) -> frozenset[str]:
        """The names whose request has not ended, as `append` was told."""
        if self._head is None:
            return frozenset()
        return frozenset(blob.path.rpartition("/")[2] for blob in self._repository.blobs(self._head, _OPEN))

    def carried(self, tickets: Iterable[str]) -> dict[str, frozenset[str]]:
        """By the sys_id of a ticket, the names that it has ever carried, as `append` was told; every one is a key."""
        folders = {_ticket_path(sys_id): sys_id for sys_id in tickets}
        found: dict[str, set[str]] = {sys_id: set() for sys_id in folders.values()}
        if self._head is not None:
            for path in self._repository.beneath(self._head, folders):
                folder, _, name = path.rpartition("/")
                found[folders[folder]].add(name)
        return {sys_id: frozenset(names) for sys_id, names in found.items()}

    def names(self) -> Iterator[str]:
        """Every name that has a history, in no particular order; not `RUN`."""
        if self._head is not None:
            for blob in self._repository.blobs(self._head, _FOLDER):
                if (name := name_in(blob.path)) and name != RUN:
                    yield name

    def verify(self, name: str) -> None:
        """Verify one chain.

        Raises:
            LedgerBrokenError: It does not hold.
        """
        self.history(name)

    def verify_all(self) -> Iterator[LedgerBrokenError]:
        """Everything that is wrong with the ledger at `head`; nothing for one that was only ever appended to.

        Looks at every history, every file, and every commit of the branch, so it finds changes that no chain can tell:
        a last line that was edited, or cut off. One process at a time; memory follows the longest history.
        """
        if self._head is not None:
            yield from self._broken_files(self._head)
            yield from self._broken_commits(self._head)

    # Writing

    def append(
        self,
        entries: Sequence[Entry],
        *,
        at: datetime | None = None,
        opened: Collection[str] = (),
        closed: Collection[str] = (),
        carried: Mapping[str, str] | None = None,
    ) -> frozenset[str]:
        """Make the entries durable at the remote, all in one commit; says whose were NOT written.

        An attempt whose outcome is unknown (no answer, no connection) is looked for at the remote before another is
        made; it may still arrive after this has given up, and then stands in the ledger like any other.

        Raises:
            ValueError: The entries contradict each other, or hold what is not JSON.
            LedgerConflictError: Others were faster for as long as `patience` lasts. Nothing was written.
            PermanentRemoteError: The remote does not allow it (rights, a hook, a protected branch).
            TemporaryRemoteError: The remote did not answer; `commit` says whether the entries may have arrived.
            UnsafeError: The branch was rewritten, or a history is broken.
        """
        batch = _Batch.of(entries, opened, closed, carried or {})
        if not batch.entries:
            return frozenset()
        at = (at or self._clock()).astimezone(UTC)
        trouble: DeliveryError | None = None
        unsure: _Draft | None = None
        for _ in _attempts(self._patience):
            if trouble or not self._connected:
                try:
                    self.refresh()
                except TemporaryRemoteError as error:
                    trouble = error
                    continue
            if unsure and self._head != unsure.parent:
                if self._holds(unsure):
                    return unsure.moved
                unsure = None  # the branch has left its parent: it cannot arrive any more
            draft = self._draft(batch, at)
            if draft.commit is None:
                return draft.moved
            trouble = self._push(draft.commit)
            if trouble is None:
                return draft.moved
            if isinstance(trouble, TemporaryRemoteError):
                unsure = draft
        raise _given_up(trouble, unsure)

    # The remote

    def _follow(self, tip: str | None) -> None:
        """Take over a head of the remote that is not the one we know."""
        known = self._head
        if tip is None:
            raise UnsafeError(
                f"{self._ref} is gone from {self._remote}; it was last seen at {known}",
                hint=f"restore it: git push {self._remote} {known}:{self._ref}",
            )
        self._repository.fetch(self._remote, self._ref, self._timeout)
        if known is not None and not self._repository.is_ancestor(known, tip):
            raise UnsafeError(
                f"{self._ref} on {self._remote} was rewritten: {tip} does not hold {known}, where it was last seen",
                hint=f"find out who did it; to accept it all the same: git update-ref -d {self._memory}",
            )
        if not self._is_ledger(tip):
            raise UsageError(f"{self._ref} on {self._remote} is not a ledger", hint="choose another ledger.ref")
        self._repository.ask("update-ref", self._memory, tip)
        self._head = tip

    def _push(self, commit: str) -> LedgerConflictError | TemporaryRemoteError | None:
        """Push a commit that stands on `head`, and move there; or say why another attempt may help.

        Raises:
            PermanentRemoteError: None can.
        """
        pushed = self._repository.push(self._remote, self._ref, commit, self._head, self._timeout)
        if not pushed.succeeded:
            return _refusal(self._remote, pushed)
        self._head = commit
        # Only a memory for later runs, and another run in this clone may be writing it: not worth failing for.
        self._repository.run("update-ref", self._memory, commit)
        return None

    def _holds(self, draft: _Draft) -> bool:
        """Whether a commit whose push nobody answered has arrived after all."""
        return bool(draft.commit and self._head and self._repository.is_ancestor(draft.commit, self._head))

    def _remembered(self) -> str | None:
        """Where the remote was last seen by us, else by the user's own fetch."""
        tracking = f"refs/remotes/{self._remote}/{self._ref.removeprefix('refs/heads/')}"
        listed = self._repository.ask("for-each-ref", "--format=%(refname) %(objectname)", self._memory, tracking)
        refs = dict(line.split(" ") for line in listed.decode().splitlines())
        if self._memory in refs:
            return refs[self._memory]
        return refs[tracking] if tracking in refs and self._is_ledger(refs[tracking]) else None

    def _is_ledger(self, commit: str) -> bool:
        """Whether a commit holds a ledger and nothing else, so that no branch of another use is ever appended to."""
        return self._repository.touched(None, commit) == {_FOLDER}

    # Contents

    def _texts(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Each name with the text of its history at `head`, empty where there is none."""
        wanted = list(dict.fromkeys(names))
        if self._head is None:
            yield from ((name, b"") for name in wanted)
            return
        texts = self._repository.read([f"{self._head}:{path_of(name)}" for name in wanted])
        for name, text in zip(wanted, texts, strict=True):
            yield name, text or b""

    def _draft(self, batch: _Batch, at: datetime) -> _Draft:
        """Commit what can still be appended at `head`. The same batch on the same head is the same commit."""
        moved, written, files = set(), [], []
        for name, text in self._texts(batch.entries):
            path, entries = path_of(name), batch.entries[name]
            tip = chain.tip(path, text)
            if tip.seq != entries[0].after:
                moved.add(name)
                continue
            files.append(_file(path, text + chain.extend(tip, entries, at.strftime("%Y-%m-%dT%H:%M:%SZ"))))
            written += [f"{entry.event} {name} {tip.seq + place}" for place, entry in enumerate(entries, start=1)]
        if not files:
            return _Draft(self._head, None, frozenset(moved))
        files += [_file(_open_path(name), b"") for name in sorted(batch.opened - moved)]
        files += [b"D %s\n" % _open_path(name).encode() for name in sorted(batch.closed - moved)]
        carried = sorted((sys_id, name) for name, sys_id in batch.carried.items() if name not in moved)
        files += [_file(f"{_ticket_path(sys_id)}/{name}", b"") for sys_id, name in carried]
        return _Draft(self._head, self._commit(_subject(written), files, at), frozenset(moved))

    def _commit(self, message: str, files: Sequence[bytes], at: datetime) -> str:
        """Make a commit on `head` that no ref of this clone points to."""
        head, told = b"refs/pmgitops/draft", message.encode()
        stream = (
            b"commit %s\nmark :1\ncommitter %s %d +0000\n" % (head, self._author.encode(), at.timestamp()),
            b"data %d\n%s\n" % (len(told), told),
            b"from %s\n" % self._head.encode() if self._head else b"",
            *files,
            # Set back to nothing before the stream ends, the ref is never written.
            b"\nget-mark :1\nreset %s\n\n" % head,
        )
        return self._repository.ask("fast-import", "--quiet", stdin=b"".join(stream)).decode().strip()

    # Verifying

    def _broken_files(self, head: str) -> Iterator[LedgerBrokenError]:
        """Histories whose chain does not hold, and files that do not belong here."""
        opened: list[str] = []
        carried: list[tuple[str, str]] = []
        for blob, text in self._repository.contents(self._repository.blobs(head), _LARGEST):
            name = blob.path.rpartition("/")[2]
            if _is_name(name) and blob.path == _open_path(name):
                opened.append(name)
            elif _is_name(name) and _is_carried(blob.path):
                carried.append((blob.path, name))
            elif text is None or name_in(blob.path) is None:
                yield LedgerBrokenError(blob.path, 0, "not a file of the ledger")
            else:
                try:
                    chain.decode(blob.path, text)
                except LedgerBrokenError as error:
                    yield error
        for name, text in self._texts(opened):
            if not text:
                yield LedgerBrokenError(_open_path(name), 0, "is told to be open, and has no history")
        texts = dict(self._texts(name for _, name in carried))
        for path, name in carried:
            if not texts[name]:
                yield LedgerBrokenError(path, 0, "is told to be carried, and has no history")

    def _broken_commits(self, head: str) -> Iterator[LedgerBrokenError]:
        """Commits that did anything but append to histories, or that do not stand in one line."""
        previous: list[str] = []
        lines = iter(self._repository.ask("rev-list", "--topo-order", "--reverse", "--parents", head).splitlines())
        while stride := [line.decode().split(" ") for line in islice(lines, _STRIDE)]:
            for commit, *parents in stride:
                if parents != previous:
                    yield LedgerBrokenError(self._ref, 0, f"commit {commit} does not follow the one before it")
                previous = [commit]
            yield from self._rewritten([commit for commit, *_ in stride])

    def _rewritten(self, commits: Sequence[str]) -> Iterator[LedgerBrokenError]:
        """Histories that one of `commits` changed otherwise than by appending."""
        changes = [change for change in self._repository.steps(commits) if change.old and name_in(change.path)]
        oids = (blob.oid if blob else "" for change in changes for blob in (change.old, change.new))
        texts = self._repository.read(oids)
        for change, before, after in zip(changes, texts, texts, strict=True):
            if before is None or after is None or not after.startswith(before):
                yield LedgerBrokenError(change.path, 0, "a commit of the branch changed it otherwise than by appending")


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one `append` is asked for, by name."""

    entries: dict[str, list[Entry]]
    opened: frozenset[str]
    closed: frozenset[str]
    carried: Mapping[str, str]

    @classmethod
    def of(
        cls, entries: Iterable[Entry], opened: Collection[str], closed: Collection[str], carried: Mapping[str, str]
    ) -> _Batch:
        """Group the entries by name.

        Raises:
            ValueError: They contradict each other.
        """
        named: dict[str, list[Entry]] = {}
        for entry in entries:
            named.setdefault(entry.name, []).append(entry)
            if entry.after != named[entry.name][0].after:
                raise ValueError(f"entries of {entry.name!r} have seen different events")
        batch = cls(named, frozenset(opened), frozenset(closed), carried)
        if batch.opened & batch.closed or not batch.opened | batch.closed | carried.keys() <= named.keys() - {RUN}:
            raise ValueError("what is opened or closed is one of both, and has an entry; what is carried has one")
        return batch


def path_of(name: str) -> str:
    """Where the history of `name` stands on the branch.

    Raises:
        UsageError: No file can be called so.
    """
    if name == RUN:
        return _RUN
    if not _is_name(name):
        raise UsageError(f"{name!r} cannot be the name of a request")
    return f"{_FOLDER}/{_shard(name)}/{name}.jsonl"


def name_in(path: str) -> str | None:
    """Whose history stands at `path`; None where none may stand."""
    if path == _RUN:
        return RUN
    name = path.rpartition("/")[2].removesuffix(".jsonl")
    return name if _is_name(name) and path == path_of(name) else None


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and "/" not in name and not name.startswith(".") and len(name) <= 200


def _shard(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:2]


def _open_path(name: str) -> str:
    return f"{_OPEN}/{_shard(name)}/{name}"


def _ticket_path(sys_id: str) -> str:
    return f"{_TICKETS}/{_shard(sys_id)}/{sys_id}"


def _is_carried(path: str) -> bool:
    """Whether a path is one of those that tell what a ticket carries."""
    folder = path.rpartition("/")[0]
    return folder == _ticket_path(folder.rpartition("/")[2])


def _file(path: str, text: bytes) -> bytes:
    """A file in the language of `fast-import`."""
    return b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(text), text)


def _subject(written: Sequence[str]) -> str:
    """The message of a commit: the one event that it holds, or their number and then each of them."""
    return written[0] if len(written) == 1 else "\n".join((f"{len(written)} events", "", *written))


def _attempts(patience: float) -> Iterator[int]:
    """Count attempts, with growing and jittered pauses between them, until another would begin too late."""
    deadline, number = time.monotonic() + patience, 0
    while True:
        yield number
        pause = random.uniform(0, min(2.0, 0.02 * 2 ** min(number, 10)))  # noqa: S311 - keeps runners apart, hides nothing
        if time.monotonic() + pause > deadline:
            return
        time.sleep(pause)
        number += 1


def _refusal(remote: str, pushed: Outcome) -> LedgerConflictError | TemporaryRemoteError:
    """Why a push failed, where another attempt may help.

    Raises:
        PermanentRemoteError: It cannot: rights, a hook, a protected branch.
    """
    reason = next((line for line in pushed.output.decode("utf-8", "replace").splitlines() if line[:2] == "!\t"), "")
    reason = reason.rpartition("\t")[2]
    if _FORBIDDEN.search(reason):
        raise PermanentRemoteError(
            f"remote {remote!r} does not take the ledger: {reason} {pushed.message}",
            hint="let this identity push to the ledger's branch: contents: write, no rule or hook against it",
            code="ledger.refused",
        )
    if reason and not reason.startswith("[remote failure]"):
        return LedgerConflictError(f"the ledger's branch on {remote!r} moved under every attempt: {reason}")
    error = unreachable(remote, pushed)
    if isinstance(error, PermanentRemoteError):
        raise error
    return TemporaryRemoteError(str(error), hint=error.hint, code="ledger.unanswered", commit=Commit.UNKNOWN)


_FORBIDDEN: Final = re.compile(
    r"hook declined|protected|denied|prohibited|not allowed|hidden ref|violation|read.only", re.IGNORECASE
)


def _given_up(trouble: DeliveryError | None, unsure: _Draft | None) -> DeliveryError:
    """The last trouble; while a push is unaccounted for, one that says so."""
    if trouble is None or unsure is None:
        return trouble or LedgerConflictError("no attempt was made")
    return TemporaryRemoteError(
        f"whether {unsure.commit} arrived in the ledger is not known: {trouble}",
        hint="the next run reads the ledger and sees",
        code="ledger.unanswered",
        commit=Commit.UNKNOWN,
    )
