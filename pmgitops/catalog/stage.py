"""Where a pull keeps what it has read until all of it can take the place of the last snapshot.

`catalog/.pull/journal.jsonl` begins with where the pull reads from and since when; then a line for each finished
file, with its digest. A line that was cut, or a file that is not what its line says, is read again.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, cast

import orjson

from pmgitops.catalog.codec import Table, decoded, digest, encoded
from pmgitops.catalog.interface import Entry
from pmgitops.catalog.operations import Cloud
from pmgitops.catalog.snapshot import FOLDER, FORMAT, INDEX, Read, header, instant_text, shared_path, system_path

STALE: Final = timedelta(hours=24)
"""How long an interrupted pull can be gone on with: the snapshot is as old as its beginning."""
_STAGE: Final = f"{FOLDER}/.pull"
_JOURNAL: Final = "journal.jsonl"


def on_disk(root: Path) -> Read:
    """Reads a snapshot in a folder."""

    def read(path: str) -> bytes | None:
        try:
            return (root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    return read


def path_of(where: str) -> str:
    """`aws`, or `aws/956987887735`, as a file of the snapshot."""
    cloud, _, system = where.partition("/")
    return system_path(cast(Cloud, cloud), system) if system else shared_path(cast(Cloud, cloud))


class Stage:
    """One pull's beginning, and what it has finished."""

    def __init__(self, root: Path, begun: str) -> None:
        self.rows: dict[str, Entry] = {}
        """Where -> its line of the index."""
        self.begun = begun
        self._root = root
        self._folder = root / _STAGE
        self._lock = threading.Lock()

    @classmethod
    def open(cls, root: Path, place: str, now: datetime, *, fresh: bool) -> Stage:
        """Go on with the pull that was interrupted, if there is one from the same place, or begin one."""
        stage = cls(root, instant_text(now))
        if fresh or not stage._resume(place, instant_text(now - STALE)):  # our own
            stage._begin(place)
        return stage

    def _resume(self, place: str, oldest: str) -> bool:
        try:
            first, *lines = (self._folder / _JOURNAL).read_bytes().splitlines(keepends=True)
            head = orjson.loads(first)
            if (head["format"], head["source"]) != (FORMAT, place) or not oldest <= head["begun"] <= self.begun:
                return False
        except (OSError, ValueError, KeyError, TypeError):
            return False
        self.begun = head["begun"]
        for line in lines:
            try:
                row = decoded(line)
            except ValueError:
                continue
            if line.endswith(b"\n") and digest(self._data(row.external_id) or b"") == row.facts.get("digest"):
                self.rows[row.external_id] = row
        return True

    def _begin(self, place: str) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        (self._folder / ".gitignore").write_text("*\n", "utf-8")
        head = {"format": FORMAT, "source": place, "begun": self.begun}
        (self._folder / _JOURNAL).write_bytes(orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE))

    def keep(self, row: Entry, data: bytes) -> None:
        """Something is finished: its file, then its line in the journal."""
        done = Entry(row.kind, row.external_id, {**row.facts, "digest": digest(data), "size": len(data)})
        place = self._folder / path_of(row.external_id)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        with self._lock:
            with (self._folder / _JOURNAL).open("ab") as journal:
                journal.write(encoded([done]))
            self.rows[row.external_id] = done

    def entries(self, where: str) -> Iterator[Entry]:
        """What was read there."""
        return iter(Table(self._data(where) or b""))

    def commit(self, rows: Iterable[Entry]) -> None:
        """Take the place of the last snapshot: new files, then the index, then nothing that it does not name."""
        rows = list(rows)
        paths = {path_of(row.external_id) for row in rows}
        for path in sorted(paths):
            staged, place = self._folder / path, self._root / path
            if staged.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(place)
        body = encoded(rows)
        index = self._folder / "index.jsonl"
        index.write_bytes(header(body, self.begun) + body)
        index.replace(self._root / INDEX)
        self._sweep(paths)
        shutil.rmtree(self._folder)

    def _sweep(self, paths: set[str]) -> None:
        """Files of systems that are gone."""
        for place in (self._root / FOLDER).glob("*/*.jsonl"):
            path = place.relative_to(self._root).as_posix()
            if path not in paths and not path.startswith(_STAGE + "/"):
                place.unlink()
        for place in (self._root / FOLDER).glob("*.jsonl"):
            path = place.relative_to(self._root).as_posix()
            if path not in paths and path != INDEX:
                place.unlink()

    def _data(self, where: str) -> bytes | None:
        """Its bytes: staged, or already in place where a pull was killed while it took that."""
        path = path_of(where)
        return on_disk(self._folder)(path) or on_disk(self._root)(path)
