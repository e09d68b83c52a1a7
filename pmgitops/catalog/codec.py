"""Entries as lines: `["action","s3:DeleteBucket",{"does":"delete","severity":"high"}]`, sorted, one a line, UTF-8.

The same entries are the same bytes. A line is what a reviewer reads in a diff, and what a look-up finds without
reading the others: by its name through the order of the lines, by id or display name through a search for the
member's text. The order is that of the lines in lower case (ASCII), which does not move a byte, so one look-up finds
every way of writing a name.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from pmgitops.catalog.interface import Entry, Kind

LINE = re.compile(rb'\["([a-z]+)","((?:[^"\\]|\\.)*)",')


def encoded(entries: Iterable[Entry]) -> bytes:
    """All entries, each once, as the bytes of a file."""
    lines = sorted({_line(entry) for entry in entries}, key=lambda line: (line.lower(), line))
    return b"".join(lines)


def _line(entry: Entry) -> bytes:
    option = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps([entry.kind, entry.external_id, entry.facts], option=option)


def digest(data: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def decoded(line: bytes) -> Entry:
    """The entry on a line. ValueError where it is none."""
    value = orjson.loads(line)
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("not an entry")
    kind, external_id, facts = value
    if not isinstance(kind, str) or not isinstance(external_id, str) or not isinstance(facts, dict):
        raise ValueError("not an entry")  # noqa: TRY004  # the bytes are wrong, not the caller
    return Entry(kind, external_id, facts)  # type: ignore[arg-type]  # a kind that a newer version may have


class Table:
    """The lines of one file, looked up one by one; what was found is kept."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lower = data.lower()
        self._found: dict[tuple[str, str], Entry | None] = {}
        self._names: dict[str, tuple[str, ...]] = {}

    def get(self, kind: Kind, external_id: str) -> Entry | None:
        """By the name that requests use: as written, else in other letters (ASCII)."""
        key = (kind, external_id)
        if key not in self._found:
            self._found[key] = self._look_up(kind, external_id)
        return self._found[key]

    def by_id(self, kind: Kind, key: str) -> Entry | None:
        """By the id that the source gave it."""
        plain = _plain(key)
        entry = self.get(kind, plain) if plain else None
        if entry and entry.id == key:
            return entry
        return next((entry for entry in self._with(kind, "id", key) if entry.id == key), None)

    def by_name(self, kind: Kind, name: str) -> list[Entry]:
        """Those of this display name, in whatever letters (ASCII)."""
        folded = name.lower()
        found = [entry for entry in self._with(kind, "name", name) if entry.name.lower() == folded]
        unnamed = self.get(kind, name)
        return [unnamed, *found] if unnamed and "name" not in unnamed.facts else found

    def each(self, kind: Kind) -> Iterator[Entry]:
        """All of a kind, sorted."""
        return (decoded(line) for line in self._slice(kind).split(b"\n")[:-1])

    def names(self, kind: Kind) -> tuple[str, ...]:
        """What all of a kind are called, without reading more of them."""
        if kind not in self._names:
            found = (match[2] for match in LINE.finditer(self._slice(kind)))
            self._names[kind] = tuple(
                orjson.loads(b'"' + name + b'"') if b"\\" in name else name.decode() for name in found
            )
        return self._names[kind]

    def __iter__(self) -> Iterator[Entry]:
        """Every entry."""
        return map(decoded, self._data.split(b"\n")[:-1])

    def search(self, words: Iterable[str]) -> Iterator[Entry]:
        """Every entry whose line has all the words, in whatever letters (ASCII)."""
        wanted = [_inside(word.lower()) for word in words]
        first = max(wanted, key=len, default=b"")
        at = 0
        while 0 <= (at := self._lower.find(first, at)) < len(self._lower):
            start, end = self._around(at)
            line = self._lower[start:end]
            if all(word in line for word in wanted):
                yield decoded(self._data[start:end])
            at = end + 1

    def _look_up(self, kind: Kind, external_id: str) -> Entry | None:
        prefix = _prefix(kind, external_id)
        wanted, other = prefix.lower(), None
        at = self._position(wanted)
        while self._lower.startswith(wanted, at):
            start, end = self._around(at)
            if self._data.startswith(prefix, start):
                return decoded(self._data[start:end])
            other = other or self._data[start:end]
            at = end + 1
        return decoded(other) if other else None

    def _position(self, wanted: bytes) -> int:
        """Where the first line begins that is not less than `wanted`."""
        low, high = 0, len(self._lower)
        while low < high:
            start, end = self._around((low + high) // 2)
            if self._lower[start:end] < wanted:
                low = end + 1
            else:
                high = start
        return low

    def _around(self, at: int) -> tuple[int, int]:
        """Begin and end of the line that has the byte at `at`."""
        end = self._lower.find(b"\n", at)
        return self._lower.rfind(b"\n", 0, at) + 1, len(self._lower) if end < 0 else end

    def _slice(self, kind: Kind) -> bytes:
        prefix = f'["{kind}",'.encode()
        return self._data[self._position(prefix) : self._position(prefix[:-1] + b"-")]

    def _with(self, kind: Kind, member: str, value: str) -> Iterator[Entry]:
        """Entries of a kind that have a member of this text. Inside a text, its quotes would be escaped."""
        wanted = orjson.dumps({member: value})[1:-1].lower()
        begins, at = f'["{kind}",'.encode(), 0
        while (at := self._lower.find(wanted, at)) >= 0:
            start, end = self._around(at)
            if self._lower.startswith(begins, start):
                yield decoded(self._data[start:end])
            at = end + 1


def _prefix(kind: str, external_id: str) -> bytes:
    try:
        return orjson.dumps([kind, external_id])[:-1] + b","
    except orjson.JSONEncodeError:  # text that is not UTF-8 is nobody's name
        return b"\xff"


def _inside(word: str) -> bytes:
    """A word as it stands inside a text."""
    return orjson.dumps(word.encode("utf-8", "replace").decode())[1:-1]


def _plain(key: str) -> str:
    try:
        return base64.b64decode(key, validate=True).decode()
    except ValueError:
        return ""


def as_json(entry: Entry) -> dict[str, Any]:
    """For programs."""
    return {"kind": entry.kind, "externalId": entry.external_id, "id": entry.id, **entry.facts}
