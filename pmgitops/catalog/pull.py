"""A snapshot, made: concurrently, going on where an interrupted pull was, and told as what is different.

What has been read stands under `catalog/.pull/`, a file for each system and a journal with a line for each finished
one. Only a whole pull takes the place of the last one: the files first, the index last, so that a reader never takes
half of it for all of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from pmgitops.catalog.codec import encoded
from pmgitops.catalog.interface import PART_OF, PARTS, Entry, Onboarded, Source
from pmgitops.catalog.operations import CLOUDS, Cloud
from pmgitops.catalog.snapshot import Catalog
from pmgitops.catalog.stage import Stage, on_disk
from pmgitops.crew import in_parallel
from pmgitops.errors import CatalogError, PermanentRemoteError, RemoteError, TemporaryRemoteError

HANDS: Final = 8
"""Systems that are read at the same time."""
ATTEMPTS: Final = 3
"""How often a list is read that changes while it is read."""

_OTHERS_TOO: Final = frozenset({"auth", "config", "unreachable", "not-api"})
"""Errors that every other system would meet as well."""


class Severed(NamedTuple):
    """An action that is more, or less, severe than it was."""

    cloud: str
    action: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it was; each entry with where it is (`aws`, `aws/956987887735`)."""

    added: tuple[tuple[str, Entry], ...] = ()
    removed: tuple[tuple[str, Entry], ...] = ()
    severity: tuple[Severed, ...] = ()
    changed: int = 0
    """Entries of which something else is different."""
    first: bool = False
    """There was no snapshot, or none that can be read, to compare with; `added` are the systems alone."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.severity or self.changed)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to. It is whole, and written, unless something `failed` or it was `interrupted`."""

    systems: int
    resumed: int = 0
    """Files that an earlier, interrupted pull had read."""
    refused: tuple[tuple[str, str, str], ...] = ()
    """Where, what, why: reported, and unknown to whoever asks the snapshot."""
    failed: tuple[tuple[str, str], ...] = ()
    """Where and why: left to the next pull."""
    interrupted: bool = False
    difference: Difference = field(default_factory=Difference)

    @property
    def whole(self) -> bool:
        """Whether the snapshot was written."""
        return not self.failed and not self.interrupted


def pull(
    source: Source,
    root: Path,
    now: Callable[[], datetime],
    *,
    fresh: bool = False,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Pulled:
    """Read everything, and take the place of the snapshot in `root`. RemoteError where nothing can be read at all."""
    stage = Stage.open(root, source.place, now(), fresh=fresh)
    systems = list({_where(system): system for system in source.systems()}.values())
    if not systems:
        raise PermanentRemoteError(
            "the source lists no authorization system",
            hint="the rights of the identity that pulls may not reach any; the snapshot is left as it was",
            code="empty",
        )
    work = _Work(source, stage, _tasks(systems), progress)
    done = in_parallel(work.do, work.tasks, hands=HANDS, stopping=lambda: stopping() or work.fatal is not None)
    if work.fatal:
        raise work.fatal
    if None in done or work.failed:
        failed = tuple(sorted(work.failed.items()))
        return Pulled(len(systems), work.resumed, failed=failed, interrupted=None in done)
    return _finished(root, stage, systems, work)


def _finished(root: Path, stage: Stage, systems: Sequence[Onboarded], work: _Work) -> Pulled:
    wanted = [*(_where(system) for system in systems), *CLOUDS]
    rows = [stage.rows[where] for where in wanted if where in stage.rows]
    refused = [(row.external_id, part, why) for row in rows for part, why in row.facts.get("refused", {}).items()]
    if work.first_refusal and all(_all_refused(system, stage.rows) for system in systems):
        raise work.first_refusal
    difference = _difference(Catalog(on_disk(root)), stage, rows)
    stage.commit(rows)
    return Pulled(len(systems), work.resumed, tuple(sorted([*refused, *work.no_actions])), difference=difference)


def _all_refused(system: Onboarded, rows: dict[str, Entry]) -> bool:
    refused = rows[_where(system)].facts.get("refused", {})
    return all(part in refused for part in PARTS[system.cloud])


Task = Sequence[Onboarded]
"""One system; or all of a cloud, any of which can tell the cloud's actions."""


def _tasks(systems: Sequence[Onboarded]) -> list[tuple[str, Task]]:
    """Where, and from whom: the long lists of actions first, from a system that is online if there is one."""
    tasks: list[tuple[str, Task]] = []
    for cloud in CLOUDS:
        own = sorted(_of(cloud, systems), key=lambda system: system.status != "online")
        tasks += [(cloud, own)] if own else []
    return tasks + [(_where(system), [system]) for system in systems]


def _of(cloud: Cloud, systems: Iterable[Onboarded]) -> Iterator[Onboarded]:
    return (system for system in systems if system.cloud == cloud)


def _where(system: Onboarded) -> str:
    return f"{system.cloud}/{system.id}"


class _Work:
    """What the hands do, and what they could not."""

    def __init__(
        self,
        source: Source,
        stage: Stage,
        tasks: list[tuple[str, Task]],
        progress: Callable[[str, int, int], None],
    ) -> None:
        self.tasks = tasks
        self.failed: dict[str, str] = {}
        self.no_actions: list[tuple[str, str, str]] = []
        self.first_refusal: PermanentRemoteError | None = None
        self.fatal: RemoteError | None = None
        self.resumed = sum(where in stage.rows for where, _ in tasks)
        self._source, self._stage, self._progress = source, stage, progress
        self._lock = threading.Lock()
        self._done = 0

    def do(self, task: tuple[str, Task]) -> bool:
        """One task, unless an earlier pull did it; what goes wrong is noted. True, which is not None."""
        where, systems = task
        if where not in self._stage.rows:
            try:
                self._read(where, systems)
            except RemoteError as error:
                self._note(where, error)
        with self._lock:
            self._done += 1
            self._progress("systems", self._done, len(self.tasks))
        return True

    def _read(self, where: str, systems: Task) -> None:
        if "/" in where:
            self._system(where, systems[0])
            return
        for system in systems:
            try:
                entries = _steady(partial(self._source.shared, system))
            except PermanentRemoteError as error:
                self._refused(error)
                why = str(error)
                continue
            if entries:
                self._stage.keep(Entry("shared", where), encoded(entries))
                return
            why = "its systems list none"
        self.no_actions.append((where, "actions", why))

    def _system(self, where: str, system: Onboarded) -> None:
        entries: list[Entry] = []
        refused = {}
        for part in PARTS[system.cloud]:
            try:
                entries += _steady(partial(self._source.part, system, part))
            except PermanentRemoteError as error:
                self._refused(error)
                refused[part] = str(error)
        facts: dict[str, Any] = {
            "name": system.name,
            "key": system.key,
            "status": system.status,
            "capability": system.capability,
            "refused": refused,
        }
        row = Entry("system", where, {name: value for name, value in facts.items() if value})
        self._stage.keep(row, encoded(entries))

    def _refused(self, error: PermanentRemoteError) -> None:
        """One system's own trouble; raised again where it is everybody's."""
        if error.status == 401 or error.code in _OTHERS_TOO:
            raise error
        self.first_refusal = self.first_refusal or error

    def _note(self, where: str, error: RemoteError) -> None:
        if error.status == 401 or error.code in _OTHERS_TOO:
            self.fatal = self.fatal or error
        else:
            self.failed[where] = str(error)


def _steady(read: Callable[[], Iterator[Entry]]) -> list[Entry]:
    """A whole list; read again where it changed meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return list(read())
        except TemporaryRemoteError as error:
            if error.code != "changed" or attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover


# What is different


def _difference(before: Catalog, stage: Stage, rows: Sequence[Entry]) -> Difference:
    """The last snapshot against the rows that take its place. What is now refused is not taken for removed."""
    now_systems = {row.external_id: row for row in rows}
    try:
        then_systems = before.rows()
    except CatalogError:
        return Difference(tuple((row.external_id, row) for row in rows if row.kind == "system"), first=True)
    added: list[tuple[str, Entry]] = []
    removed: list[tuple[str, Entry]] = []
    severity: list[Severed] = []
    changed = 0
    for where in sorted(now_systems.keys() | then_systems.keys()):
        row, old = now_systems.get(where), then_systems.get(where)
        if row is None or old is None:
            (removed if old else added).append((where, row or old or Entry("system", where)))
        if row is not None and old is not None and row.facts.get("digest") == old.facts.get("digest"):
            continue
        unknown = {*(row.facts.get("refused", {}) if row else ()), *(old.facts.get("refused", {}) if old else ())}
        then, now = (
            {(entry.kind, entry.external_id): entry for entry in entries if PART_OF.get(entry.kind) not in unknown}
            for entries in (before.entries(where) if old else (), stage.entries(where) if row else ())
        )
        added += [(where, now[key]) for key in sorted(now.keys() - then.keys())]
        removed += [(where, then[key]) for key in sorted(then.keys() - now.keys())]
        for key in sorted(key for key in now.keys() & then.keys() if now[key] != then[key]):
            was, is_ = (entry.facts.get("severity", "") for entry in (then[key], now[key]))
            if was == is_:
                changed += 1
            else:
                severity.append(Severed(where, key[1], was, is_))
    return Difference(tuple(added), tuple(removed), tuple(severity), changed)
