"""How two bodies differ, member by member, in words for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

_ABSENT = "nothing"


class Difference(NamedTuple):
    """A member by its path, such as `scheduleInfo.expiration.duration`, with what it was and what it is."""

    member: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.member} was {self.was}, is {self.now}"


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every member that differs, in the order of their paths. A list is one member."""
    return tuple(_differences((), was, now))


def _differences(path: tuple[str, ...], was: Any, now: Any) -> Iterator[Difference]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for name in sorted({*was, *now}):
            yield from _differences((*path, name), was.get(name), now.get(name))
    elif was != now:
        yield Difference(".".join(path), _shown(was), _shown(now))


def _shown(value: Any) -> str:
    if value is None:
        return _ABSENT
    return value if isinstance(value, str) else orjson.dumps(value).decode()
