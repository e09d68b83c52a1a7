"""The text of a history: one event a line, each holding the SHA-256 of the line before. Pure.

    {"seq":1,"at":"2026-01-31T09:30:00Z","event":"intended",...its data, keys sorted...,"prev":"<64 hex digits>"}

A line is found changed by the line after it. The last line has none: that it was not changed, nor cut off, is what the
branch's own commits prove (`GitLedger.verify_all`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

from pmgitops.ledger.interface import RESERVED, Entry, Event, LedgerBrokenError

FIRST: Final = "0" * 64
"""What stands for the line before the first."""

_AT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Tip(NamedTuple):
    """The end of a history, to which the next event is tied: the last `seq` (0: none yet) and its line's SHA-256."""

    seq: int
    link: str


def extend(tip: Tip, entries: Iterable[Entry], at: str) -> bytes:
    """The lines that entries become behind `tip`.

    Raises:
        ValueError: An entry's data is not plain JSON, or uses a key of the line itself.
    """
    lines = []
    for entry in entries:
        line = encode(Event(tip.seq + 1, at, entry.event, entry.data, tip.link))
        tip = Tip(tip.seq + 1, link(line))
        lines.append(line)
    return b"".join(lines)


def encode(event: Event) -> bytes:
    """The line of one event, with its newline.

    Raises:
        ValueError: Its data is not plain JSON, or uses a key of the line itself.
    """
    if taken := RESERVED & event.data.keys():
        raise ValueError(f"event {event.event!r}: data may not be called {', '.join(sorted(taken))}")
    try:
        data = orjson.dumps(event.data, option=orjson.OPT_SORT_KEYS)[1:-1]
        head = orjson.dumps({"seq": event.seq, "at": event.at, "event": event.event})[:-1]
    except TypeError as error:
        raise ValueError(f"event {event.event!r}: {error}") from None
    return b'%s%s%s,"prev":"%s"}\n' % (head, b"," if data else b"", data, event.prev.encode())


def link(line: bytes) -> str:
    """The SHA-256 of a line without its newline: what the next line says of it."""
    return sha256(line.removesuffix(b"\n")).hexdigest()


def decode(path: str, text: bytes) -> tuple[Event, ...]:
    """The events of a whole history, verified; `path` is where it stands, for the error.

    Raises:
        LedgerBrokenError: A line is cut, is no event, is not the next one, or was changed.
    """
    events, previous = [], FIRST
    for number, line in enumerate(_lines(path, text), start=1):
        events.append(_event(path, number, line, Tip(number, previous)))
        previous = link(line)
    return tuple(events)


def last(path: str, text: bytes) -> Event | None:
    """The last event of a history (None: it is empty), verified against the line before it and no further.

    Raises:
        LedgerBrokenError: It is cut, is no event, or is not tied to the line before it.
    """
    if not text:
        return None
    if not text.endswith(b"\n"):
        raise LedgerBrokenError(path, text.count(b"\n") + 1, "the line is cut off")
    lines = text[:-1].rsplit(b"\n", 2)
    number = text.count(b"\n")
    return _event(path, number, lines[-1], Tip(number, link(lines[-2]) if number > 1 else FIRST))


def tip(path: str, text: bytes) -> Tip:
    """The end of a history, verified as by `last`.

    Raises:
        LedgerBrokenError: As `last`.
    """
    event = last(path, text)
    return Tip(0, FIRST) if event is None else Tip(event.seq, link(text[text.rfind(b"\n", 0, -1) + 1 :]))


def _lines(path: str, text: bytes) -> list[bytes]:
    *lines, rest = text.split(b"\n")
    if rest:
        raise LedgerBrokenError(path, len(lines) + 1, "the line is cut off")
    return lines


def _event(path: str, number: int, line: bytes, expected: Tip) -> Event:
    """The event of a line that must have `expected`'s seq and be tied to `expected`'s link."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise LedgerBrokenError(path, number, "not a line of JSON") from None
    if not _is_event(fields):
        raise LedgerBrokenError(path, number, "not an event")
    seq, at, event, *_, prev = fields.values()
    if seq != expected.seq:
        raise LedgerBrokenError(path, number, f"seq is {seq}, and {expected.seq} would be next")
    if prev != expected.link:
        raise LedgerBrokenError(path, number, "not tied to the line before: one of the two was changed")
    data = {key: value for key, value in fields.items() if key not in RESERVED}
    return Event(seq, at, event, data, prev)


def _is_event(fields: Any) -> bool:
    """Whether a line's JSON has the keys of an event in their order, and values of their kind."""
    if not isinstance(fields, dict) or len(fields) < len(RESERVED):
        return False
    first, second, third, *data, final = fields
    return (
        (first, second, third, final) == ("seq", "at", "event", "prev")
        and data == sorted(data)
        and type(fields["seq"]) is int
        and isinstance(fields["at"], str)
        and _AT.fullmatch(fields["at"]) is not None
        and isinstance(fields["event"], str)
        and isinstance(fields["prev"], str)
    )
