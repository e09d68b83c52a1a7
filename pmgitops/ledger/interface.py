"""The port of the ledger: append-only, hash-chained events by request name, and what may go wrong with them.

A reader that was given a `Ledger` and no network can still read it as it was last fetched; only `refresh` and `append`
talk to the remote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from pmgitops.errors import UnsafeError

RUN: Final = "/run"
"""The chain of the runs themselves (last applied commit, watermarks). No request can be called so: it has a slash."""

RESERVED: Final = frozenset({"seq", "at", "event", "prev"})
"""The keys of a line that are not the event's own data."""


class LedgerBrokenError(UnsafeError):
    """A history is not what was appended. Nothing may be delivered on it, and no `--allow` says otherwise.

    `path` is the history's file on the ledger's branch, `line` is 1-based (0 where the file as a whole is meant).
    """

    def __init__(self, path: str, line: int, problem: str) -> None:
        super().__init__(
            f"the ledger is broken: {path}:{line}: {problem}" if line else f"the ledger is broken: {path}: {problem}",
            hint="find who changed it (git log -p on the ledger's branch) and restore it from a clone",
        )
        self.path = path
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a history; `at` is UTC (`2026-01-31T09:30:00Z`), `prev` the SHA-256 of the line before."""

    seq: int
    at: str
    event: str
    data: dict[str, Any]
    prev: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody wants to append to the history of `name`, who has seen its events up to `after` (0: none).

    `data` is plain JSON (text, whole numbers, booleans, null, lists, objects with text keys), without `RESERVED` keys.
    Entries of one name in one `append` stay in their order and carry the same `after`.
    """

    name: str
    event: str
    data: dict[str, Any] = field(default_factory=dict)
    after: int = 0


class Ledger(Protocol):
    """Histories by name. Everything that is read is read at `head`, which moves in `refresh` and `append` only."""

    @property
    def head(self) -> str | None:
        """The commit that is read; None while there is no ledger."""

    def refresh(self) -> None:
        """Move `head` to where the remote stands; cheap when nothing moved.

        Raises:
            RemoteError: The remote did not answer, or refused.
            UnsafeError: Its history was rewritten.
        """

    def history(self, name: str) -> tuple[Event, ...]:
        """The verified events of one request, or of `RUN`; empty where there are none.

        Raises:
            LedgerBrokenError: The chain does not hold.
        """

    def histories(self, names: Iterable[str]) -> dict[str, tuple[Event, ...]]:
        """`history` of many, in one go; every name is a key.

        Raises:
            LedgerBrokenError: A chain does not hold.
        """

    def last(self, name: str) -> Event | None:
        """The last event of a history, whose length does not matter: only its last two lines are verified.

        Raises:
            LedgerBrokenError: They do not hold.
        """

    def open(self) -> frozenset[str]:
        """The names whose request has not ended, as `append` was told; the cost follows their number alone."""

    def carried(self, tickets: Iterable[str]) -> dict[str, frozenset[str]]:
        """By the sys_id of a ticket, the names that it has ever carried, as `append` was told; every one is a key."""

    def names(self) -> Iterator[str]:
        """Every name that has a history, in no particular order; not `RUN`."""

    def append(
        self,
        entries: Sequence[Entry],
        *,
        at: datetime | None = None,
        opened: Collection[str] = (),
        closed: Collection[str] = (),
        carried: Mapping[str, str] | None = None,
    ) -> AbstractSet[str]:
        """Make the entries durable at the remote, all in one commit; says whose were NOT written.

        A name whose history had moved on past `after` is left out as a whole, and so is what `opened` and `closed` say
        of it: its writer reads again and decides again. `opened` and `closed` name whom `open` tells from now on;
        both are names of `entries`, and so are the keys of `carried`, which names the sys_id of the ticket that carries
        each from now on, for ever. `at` is the time that the events carry, by default the ledger's own.

        Raises:
            LedgerConflictError: Others were faster, too often. Nothing was written.
            RemoteError: The remote did not answer, or refused; its `commit` says whether it may have been written.
            UnsafeError: The remote's history was rewritten, or a history is broken. Nothing was written.
        """
