"""What rules look up: lists of names and windows of time, kept in Python so that their size costs a rule nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache


class Names:
    """A list of ids, compared without case; entries may hold the wildcards * and ?."""

    def __init__(self, names: Iterable[str]) -> None:
        folded = {name.lower() for name in names}
        self._patterns = tuple(sorted(name for name in folded if _is_pattern(name)))
        self._names = frozenset(folded.difference(self._patterns))
        self._reached = lru_cache(maxsize=4096)(self._is_reached)

    def includes(self, name: str) -> bool:
        """Whether the name stands in the list, literally or by a wildcard of the list."""
        folded = name.lower()
        if folded in self._names:
            return True
        return any(_overlap(pattern, folded, right_is_pattern=False) for pattern in self._patterns)

    def reached_by(self, asked: Iterable[str]) -> bool:
        """Whether any of the patterns asked for can mean something in the list."""
        return any(self._reached(pattern.lower()) for pattern in asked)

    def _is_reached(self, asked: str) -> bool:
        if not _is_pattern(asked):
            return self.includes(asked)
        return any(_overlap(own, asked) for own in (*self._names, *self._patterns))


class Windows:
    """Stretches of time, each from its start up to its end."""

    def __init__(self, windows: Iterable[tuple[datetime, datetime]]) -> None:
        self._windows = tuple(windows)

    def overlap(self, start: datetime, end: datetime) -> bool:
        """Whether anything between `start` and `end` falls into a window."""
        return any(begins < end and start < ends for begins, ends in self._windows)


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _overlap(left: str, right: str, *, right_is_pattern: bool = True) -> bool:
    """Whether some text is meant by both patterns, in time proportional to the product of their lengths."""
    # reachable[j]: the part of `left` read so far and right[:j] have a text in common.
    wild = "*" if right_is_pattern else ""
    any_one = "?" if right_is_pattern else ""
    reachable = [True]
    for char in right:
        reachable.append(reachable[-1] and char == wild)
    for own in left:
        row = [reachable[0] and own == "*"]
        for place, char in enumerate(right):
            if own == "*" or char == wild:
                # A star means nothing, or one character more of what the other one says.
                row.append(row[place] or reachable[place + 1])
            else:
                row.append(reachable[place] and (own in (char, "?") or char == any_one))
        reachable = row
    return reachable[-1]
