"""Behind git's back: what targets report, against git and the ledger. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice

from pmgitops.drift import Drift, Held, Reading, compare, ended_elsewhere
from pmgitops.errors import RemoteError
from pmgitops.flows import REQUESTS
from pmgitops.flows.plan import Sight, desired
from pmgitops.judging import retired
from pmgitops.ledger.book import Book
from pmgitops.ledger.standing import Standing
from pmgitops.load import RequestFile, name_of
from pmgitops.settings import Config
from pmgitops.targets.interface import Grant, Reader

CHUNK = 1000
"""Histories that are read together; of most of them little is kept."""

Progress = Callable[[str, int, int], None]


def read(
    readers: Mapping[str, Reader], config: Config, clock: Callable[[], datetime], progress: Progress
) -> list[Reading]:
    """What every target reports, or why it does not. Read before git and the ledger, which then know what was sent."""
    return [_read(target, reader, config, clock, progress) for target, reader in sorted(readers.items())]


def drift(sight: Sight, head: str, names: Iterable[str], readings: list[Reading], book: Callable[[], Book]) -> Drift:
    """Class every grant, against the ledger's requests `names` and the tree at `head`.

    Args:
        sight: What deciding looks at, with its time.
        head: The merged commit.
        names: All that the ledger has.
        readings: What the targets reported.
        book: A new book on the same ledger; one is read for each thousand requests and let go again.
    """
    standings = list(_standings(names, book))
    wanted = _wanted(sight, head, [stands.name for stands in standings if _matters(stands)])
    held = [Held(stands, wanted.get(stands.name)) for stands in standings]
    known = {reading.target for reading in readings}
    lost = {stands.target for stands in standings if stands.holds and stands.target} - known
    now = sight.desk.now
    unread = [Reading(target, now, failure="is not configured any more") for target in sorted(lost)]
    merged = {name_of(blob.path) for blob in sight.repository.blobs(head, REQUESTS)}
    return compare([*readings, *unread], held, now, merged)


def _read(target: str, reader: Reader, config: Config, clock: Callable[[], datetime], progress: Progress) -> Reading:
    begun = clock()
    grants: list[Grant] = []
    try:
        for grant in reader.grants():
            grants.append(grant)
            progress(f"reading {target}", len(grants), 0)
    except RemoteError as error:
        why = [str(error), error.hint, retired(config, target)]  # type: ignore[arg-type]
        return Reading(target, begun, tuple(grants), ". ".join(filter(None, why)))
    return Reading(target, begun, tuple(grants))


def _standings(names: Iterable[str], book: Callable[[], Book]) -> Iterator[Standing]:
    """Every standing that something may be there of; the long past ones without what nobody asks them for."""
    rest = iter(sorted(names))
    while chunk := list(islice(rest, CHUNK)):
        for stands in book().standings(chunk).values():
            yield stands if _matters(stands) else replace(stands, payload={}, grants=(), notes={}, findings=())


def _matters(stands: Standing) -> bool:
    """Whether it holds something, or should."""
    return stands.holds or ended_elsewhere(stands)


def _wanted(sight: Sight, head: str, names: list[str]) -> dict[str, str]:
    """Name -> the revision that git wants at `head`; empty where the file is broken, absent where it is gone."""
    found, _ = desired(sight, head, head, names)
    return {
        name: file.request.revision if isinstance(file, RequestFile) else "" for name, file in found.items() if file
    }
