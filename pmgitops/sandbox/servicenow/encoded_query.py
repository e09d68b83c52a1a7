"""Encoded queries: `active=true^number=INC0000007^ORnumberSTARTSWITHCHG^NQ...^ORDERBYDESCsys_created_on`.

An invalid term is left out and the rest runs, as on a stock instance: the narrow query silently becomes a wide one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Look = Callable[[str], str | None]  # a field's value by (dot-walked) name; None where there is no such field

_FIELD = r"(?P<field>[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*)"
_OPERATORS = (
    "ISNOTEMPTY", "ISEMPTY", "EMPTYSTRING", "ANYTHING", "NOT IN", "NOT LIKE", "NOTLIKE", "STARTSWITH", "ENDSWITH",
    "BETWEEN", "NSAMEAS", "SAMEAS", "LIKE", "IN", "!=", "<=", ">=", "=", "<", ">",
)  # fmt: skip
_TERM = re.compile(_FIELD + "(?P<operator>" + "|".join(map(re.escape, _OPERATORS)) + ")(?P<value>.*)", re.DOTALL)
_CARETS = "\0"  # stands for the literal ^ that is written ^^


@dataclass(frozen=True)
class Term:
    """One comparison."""

    field: str
    operator: str
    value: str

    def holds(self, look: Look) -> bool:
        """Whether a record satisfies it."""
        value = look(self.value) or "" if self.operator.endswith("SAMEAS") else self.value
        return _COMPARE[self.operator](look(self.field) or "", value)


def _between(found: str, bounds: str) -> bool:
    low, _, high = bounds.partition("@")
    return _key(low) <= _key(found) <= _key(high)


_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "ANYTHING": lambda _found, _value: True,
    "ISEMPTY": lambda found, _: not found,
    "EMPTYSTRING": lambda found, _: not found,
    "ISNOTEMPTY": lambda found, _: bool(found),
    "=": lambda found, value: found == value,
    "SAMEAS": lambda found, value: found == value,
    "!=": lambda found, value: found != value,
    "NSAMEAS": lambda found, value: found != value,
    "IN": lambda found, value: found in value.split(","),
    "NOT IN": lambda found, value: found not in value.split(","),
    "<": lambda found, value: bool(found) and _key(found) < _key(value),
    ">": lambda found, value: bool(found) and _key(found) > _key(value),
    "<=": lambda found, value: bool(found) and _key(found) <= _key(value),
    ">=": lambda found, value: bool(found) and _key(found) >= _key(value),
    "BETWEEN": _between,
    "LIKE": lambda found, value: value.lower() in found.lower(),
    "NOT LIKE": lambda found, value: value.lower() not in found.lower(),
    "NOTLIKE": lambda found, value: value.lower() not in found.lower(),
    "STARTSWITH": lambda found, value: found.lower().startswith(value.lower()),
    "ENDSWITH": lambda found, value: found.lower().endswith(value.lower()),
}


@dataclass
class Query:
    """Groups joined by ^NQ; a group is a list of ^-joined alternatives, each a list of ^OR-joined terms."""

    groups: list[list[list[Term]]] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    scripted: list[str] = field(default_factory=list)
    """Terms whose value an instance would run as a script."""

    def holds(self, look: Look) -> bool:
        """Whether a record is found."""
        return any(all(any(term.holds(look) for term in either) for either in group) for group in self.groups)

    def sure(self, names: Sequence[str]) -> list[Term]:
        """Equalities that every record found must satisfy: what an index may be asked for."""
        if len(self.groups) != 1:
            return []
        single = [either[0] for either in self.groups[0] if len(either) == 1]
        return [term for term in single if term.operator == "=" and term.field in names and term.value]


def parse(text: str, known: Callable[[str], bool]) -> Query:
    """Read an encoded query; `known` says whether a (dot-walked) field exists."""
    query = Query()
    group: list[list[Term]] = []
    query.groups.append(group)
    for part in text.replace("^^", _CARETS).split("^"):
        if part in ("", "EQ"):
            continue
        if part.startswith("ORDERBY"):
            name = part.removeprefix("ORDERBY")
            query.order.append((name.removeprefix("DESC"), name.startswith("DESC")))
            continue
        joined = part.startswith("OR")
        if part.startswith("NQ"):
            group = []
            query.groups.append(group)
        term = _term(part.removeprefix("NQ").removeprefix("OR"), known, query)
        if term is None:
            continue
        if joined and group:
            group[-1].append(term)
        else:
            group.append([term])
    return query


def _term(part: str, known: Callable[[str], bool], query: Query) -> Term | None:
    match = _TERM.fullmatch(part)
    if match is None or not known(match["field"]):
        query.invalid.append(part.replace(_CARETS, "^"))
        return None
    value = match["value"].replace(_CARETS, "^")
    if value.lower().startswith("javascript:"):
        query.scripted.append(part)
    return Term(match["field"], match["operator"], value)


def _key(text: str) -> tuple[int, float, str]:
    """Numbers by value, before everything else; times and words by their text."""
    try:
        return 0, float(text), ""
    except ValueError:
        return 1, 0.0, text
