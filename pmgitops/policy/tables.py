"""What rules look up: lists of names and windows of time, kept in Python so that their size costs a rule nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache


class Names:
    """A list of ids, compared without case; entries may hold the wildcards * and ?."""

    def __init__(self, names: Iterable[str]) -> None:
        folded = {name.lower() for name in names}
        self._patterns = tuple(Pattern(name) for name in sorted(folded) if is_pattern(name))
        self._names = frozenset(name for name in folded if not is_pattern(name))
        self._meant = lru_cache(maxsize=4096)(self._is_meant)
        self._reached = lru_cache(maxsize=4096)(self._is_reached)

    def includes(self, name: str) -> bool:
        """Whether the name stands in the list, literally or by a wildcard of the list."""
        folded = name.lower()
        return folded in self._names or (bool(self._patterns) and self._meant(folded))

    def reached_by(self, asked: Iterable[str]) -> bool:
        """Whether any of the patterns asked for can mean something in the list."""
        return any(self._reached(pattern.lower()) for pattern in asked)

    def _is_meant(self, name: str) -> bool:
        return any(pattern.means(name) for pattern in self._patterns)

    def _is_reached(self, asked: str) -> bool:
        if not is_pattern(asked):
            return self.includes(asked)
        pattern = Pattern(asked)
        return any(map(pattern.means, self._names)) or any(map(pattern.meets, self._patterns))


class Windows:
    """Stretches of time, each from its start up to its end."""

    def __init__(self, windows: Iterable[tuple[datetime, datetime]]) -> None:
        self._windows = tuple(windows)

    def overlap(self, start: datetime, end: datetime) -> bool:
        """Whether anything between `start` and `end` falls into a window."""
        return any(begins < end and start < ends for begins, ends in self._windows)


def is_pattern(text: str) -> bool:
    """Whether a text means more than itself."""
    return "*" in text or "?" in text


class Pattern:
    """A text in which * stands for any text and ? for any character."""

    __slots__ = ("_head", "_tail", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._head, *_ = literal = re.split(r"[*?]", text)
        self._tail = literal[-1]

    def means(self, text: str) -> bool:
        """Whether the pattern stands for this text, read literally."""
        return text.startswith(self._head) and text.endswith(self._tail) and _have_text_in_common(self._text, text, "")

    def meets(self, other: Pattern) -> bool:
        """Whether there is a text that both patterns stand for."""
        heads = min(len(self._head), len(other._head))
        tails = min(len(self._tail), len(other._tail))
        return (
            self._head[:heads] == other._head[:heads]
            and self._tail[len(self._tail) - tails :] == other._tail[len(other._tail) - tails :]
            and _have_text_in_common(self._text, other._text, "*?")
        )


def _have_text_in_common(left: str, right: str, wildcards: str) -> bool:
    """Whether some text is meant by both, in time proportional to the product of their lengths.

    `wildcards` are those of `right`; without them it is a text that means itself.
    """
    any_text, any_char = "*" in wildcards, "?" in wildcards
    # reachable[j]: what was read of `left` so far and right[:j] have a text in common.
    reachable = [True]
    for char in right:
        reachable.append(reachable[-1] and any_text and char == "*")
    for own in left:
        row = [reachable[0] and own == "*"]
        for place, char in enumerate(right):
            if own == "*" or (any_text and char == "*"):
                # A star means nothing, or one character more of what the other side says.
                row.append(row[place] or reachable[place + 1])
            else:
                row.append(reachable[place] and (own in {char, "?"} or (any_char and char == "?")))
        reachable = row
    return reachable[-1]
