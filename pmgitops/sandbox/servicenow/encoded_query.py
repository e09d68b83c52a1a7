"""Encoded queries: `active=true^number=INC0000007^ORnumberSTARTSWITHCHG^NQ...^ORDERBYDESCsys_created_on`.

An invalid term is left out and the rest runs, as on a stock instance: the narrow query silently becomes a wide one.
`fieldDYNAMIC<filter>`, `fieldON<day>@...@...` and `RLQUERYtable.field,>=1^...^ENDRLQUERY` are understood as far as they
stand for something that is known here: the filter "Me", a day, and how many records of another table refer to this one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Look = Callable[[str], str | None]  # a field's value by (dot-walked) name; None where there is no such field

_FIELD = r"(?P<field>[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*)"
_OPERATORS = (
    "ISNOTEMPTY", "ISEMPTY", "EMPTYSTRING", "ANYTHING", "NOT IN", "NOT LIKE", "NOTLIKE", "STARTSWITH", "ENDSWITH",
    "BETWEEN", "DYNAMIC", "NSAMEAS", "SAMEAS", "LIKE", "ON", "IN", "!=", "<=", ">=", "=", "<", ">",
)  # fmt: skip
_TERM = re.compile(_FIELD + "(?P<operator>" + "|".join(map(re.escape, _OPERATORS)) + ")(?P<value>.*)", re.DOTALL)
_RELATED = re.compile(
    r"RLQUERY(?P<table>[a-z0-9_]+)\.(?P<field>[a-z0-9_]+),(?P<operator>[<>]=?|!?=)(?P<count>\d+)(,m2m)?"
)
_ME = "90d1921e5f510100a9ad2572f2b477fe"  # the stock dynamic filter "Me"
_CARETS = "\0"  # stands for the literal ^ that is written ^^


@dataclass(frozen=True)
class Asked:
    """What a query can only mean where it is asked."""

    known: Callable[[str, str], bool]
    """Whether a table has a (dot-walked) field."""
    me: Callable[[], str]
    """The caller's sys_id."""
    day: Callable[[str], tuple[str, str] | None]
    """First and last second of a day by its label."""
    find: Callable[[str, Query], Sequence[Any]]
    """The records of a table."""


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


@dataclass(frozen=True)
class Related:
    """How many records of another table refer to this one."""

    table: str
    field: str
    operator: str
    count: str
    query: Query
    asked: Asked

    def holds(self, look: Look) -> bool:
        """Whether there are as many as there have to be."""
        own = [Term(self.field, "=", look("sys_id") or "")]
        groups = [[*group, own] for group in self.query.groups]
        found = self.asked.find(self.table, Query(groups))
        return _COMPARE[self.operator](str(len(found)), self.count)


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

    groups: list[list[list[Any]]] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    scripted: list[str] = field(default_factory=list)
    """Terms whose value an instance would run as a script."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Every table and field that is looked into."""

    def holds(self, look: Look) -> bool:
        """Whether a record is found."""
        return any(all(any(term.holds(look) for term in either) for either in group) for group in self.groups)

    def sure(self, names: Sequence[str]) -> list[Term]:
        """Equalities that every record found must satisfy: what an index may be asked for."""
        if len(self.groups) != 1:
            return []
        single = [either[0] for either in self.groups[0] if len(either) == 1 and isinstance(either[0], Term)]
        return [term for term in single if term.operator == "=" and term.field in names and term.value]


def parse(text: str, table: str, asked: Asked) -> Query:
    """Read an encoded query on a table."""
    query = Query(groups=[[]])
    parts = iter(text.replace("^^", _CARETS).split("^"))
    for part in parts:
        if part in ("", "EQ"):
            continue
        if part.startswith("ORDERBY"):
            name = part.removeprefix("ORDERBY")
            query.order.append((name.removeprefix("DESC"), name.startswith("DESC")))
            continue
        if part.startswith("NQ"):
            query.groups.append([])
        group, joined = query.groups[-1], part.startswith("OR")
        term = _condition(part.removeprefix("NQ").removeprefix("OR"), parts, table, asked, query)
        if term is None:
            continue
        if joined and group:
            group[-1].append(term)
        else:
            group.append([term])
    return query


def _condition(part: str, rest: Iterator[str], table: str, asked: Asked, query: Query) -> Term | Related | None:
    """One condition; that on related records goes on until its own end."""
    term = _related(part, rest, asked, query) if part.startswith("RLQUERY") else _term(part, table, asked, query)
    if term is None:
        query.invalid.append(part.replace(_CARETS, "^"))
    return term


def _term(part: str, table: str, asked: Asked, query: Query) -> Term | None:
    match = _TERM.fullmatch(part)
    if match is None or not asked.known(table, match["field"]):
        return None
    value = match["value"].replace(_CARETS, "^")
    if any(piece.lower().startswith("javascript:") for piece in value.split("@")):
        query.scripted.append(part)
    query.fields.append((table, match["field"]))
    match match["operator"]:
        case "DYNAMIC":
            return Term(match["field"], "=", asked.me()) if value == _ME else None
        case "ON":
            day = asked.day(value.partition("@")[0])
            return Term(match["field"], "BETWEEN", "@".join(day)) if day else None
        case operator:
            return Term(match["field"], operator, value)


def _related(part: str, rest: Iterator[str], asked: Asked, query: Query) -> Related | None:
    inner = "^".join(itertools.takewhile(lambda piece: piece != "ENDRLQUERY", rest))
    match = _RELATED.fullmatch(part)
    if match is None or not asked.known(match["table"], match["field"]):
        return None
    within = parse(inner.replace(_CARETS, "^^"), match["table"], asked)
    query.fields += [(match["table"], match["field"]), *within.fields]
    query.invalid += within.invalid
    query.scripted += within.scripted
    return Related(match["table"], match["field"], match["operator"], match["count"], within, asked)


def _key(text: str) -> tuple[int, float, str]:
    """Numbers by value, before everything else; times and words by their text."""
    try:
        return 0, float(text), ""
    except ValueError:
        return 1, 0.0, text
