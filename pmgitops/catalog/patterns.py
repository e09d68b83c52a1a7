"""Wildcards over many names, without regard to case: `*` any text, `?` any one character, nothing else is special.

The patterns are a stranger's: every star gives back nothing once it has matched (an atomic group), so no pattern can
make the comparison take more than the square of a name's length.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_KEPT = 1_000_000
"""Names that the remembered answers of one list may come to, all together: 8 MB of them."""
_BEYOND = "\U0010ffff"


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern for whole names in lower case."""
    first, *others = re.split(r"\*+", pattern.lower())
    if not others:
        return re.compile(_literal(first) + r"\Z", re.DOTALL)
    *inner, last = others
    middle = "".join(f"(?>.*?{_literal(part)})" for part in inner)
    return re.compile(f"{_literal(first)}{middle}.*{_literal(last)}\\Z", re.DOTALL)


def is_pattern(text: str) -> bool:
    """Whether it may mean more than one name."""
    return "*" in text or "?" in text


def _literal(text: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in text)


class Expansion(NamedTuple):
    """What patterns come to."""

    names: tuple[str, ...]
    """In lower case, sorted, each once."""
    unmatched: tuple[str, ...] = ()
    """Patterns, as written, that mean nothing known: misspelt, or newer than the list. To be judged as unknown."""


class Names:
    """Names in lower case, sorted, that patterns are held against; what a pattern matches is remembered."""

    def __init__(self, names: Iterable[str]) -> None:
        self.all: tuple[str, ...] = tuple(sorted(dict.fromkeys(map(str.lower, names))))
        self._set = frozenset(self.all)
        self._found: dict[object, Expansion] = {}
        self._kept = 0

    def __len__(self) -> int:
        return len(self.all)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._set

    def matching(self, pattern: str) -> tuple[str, ...]:
        """The names that a pattern means, sorted; none where it means nothing that is known."""
        found = self._found.get(pattern)
        return found.names if found else self._keep(pattern, Expansion(self._match(pattern.lower()))).names

    def expand(self, patterns: Sequence[str], not_patterns: Sequence[str] = ()) -> Expansion:
        """All that `patterns` mean (everything, where there are only `not_patterns`), without what the others mean."""
        key = (tuple(patterns), tuple(not_patterns))
        return self._found.get(key) or self._keep(key, self._expand(patterns, not_patterns))

    def _expand(self, patterns: Sequence[str], not_patterns: Sequence[str]) -> Expansion:
        unmatched = tuple(pattern for pattern in (*patterns, *not_patterns) if not self.matching(pattern))
        if not not_patterns and len(patterns) == 1:
            return Expansion(self.matching(patterns[0]), unmatched)
        everything = ("*",) if not_patterns else ()
        meant = {name for pattern in patterns or everything for name in self.matching(pattern)}
        if not_patterns:
            meant.difference_update(name for pattern in not_patterns for name in self.matching(pattern))
        return Expansion(tuple(sorted(meant)), unmatched)

    def _keep(self, key: object, found: Expansion) -> Expansion:
        """Remember an answer; everything is forgotten when it comes to too much."""
        self._kept += len(found.names) + 100
        if self._kept > MOST_KEPT:
            self._found.clear()
            self._kept = len(found.names) + 100
        self._found[key] = found
        return found

    def _match(self, pattern: str) -> tuple[str, ...]:
        if not is_pattern(pattern):
            return (pattern,) if pattern in self._set else ()
        literal, *others = re.split(r"[*?]", pattern)
        names = self.all[bisect_left(self.all, literal) : bisect_left(self.all, literal + _BEYOND)]
        if pattern == literal + "*":
            return names
        match, rarest = compiled(pattern).match, max(others, key=len)
        return tuple(name for name in names if rarest in name and match(name))


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that `word` was probably meant to be; milliseconds among twenty thousand."""
    from difflib import get_close_matches  # noqa: PLC0415  # only where something is wrong

    wanted = word.casefold()[:200]
    pieces = {wanted[start : start + 3] for start in range(max(1, len(wanted) - 2))}
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    ranked = sorted(folded, key=lambda name: (-sum(piece in name for piece in pieces), len(name), name))
    found = get_close_matches(wanted, ranked[:20], n=1)
    return folded[found[0]] if found else None
