"""OData's query options as SQL: $filter, $orderby, $top, $skip, $count, $select, and pages that end in a nextLink."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from pmgitops.sandbox.clock import read_instant

from .errors import bad_request

Sql = tuple[str, list[object]]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')"
    r"|(?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_@][\w.@]*(?:/[A-Za-z_@][\w.@]*)*)"
    r"|(?P<sign>[(),:]))"
)
_COMPARE = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_TEXT_TEST = {
    "contains": "instr({0}, {1}) > 0",
    "startswith": "substr({0}, 1, length({1})) = {1}",
    "endswith": "length({0}) >= length({1}) AND substr({0}, -length({1})) = {1}",
}
_LARGEST_PAGE = 999


@dataclass(frozen=True)
class Columns:
    """What a collection's entries may be asked about: real columns, and first members within the JSON column `body`."""

    entity: str
    direct: Mapping[str, str] = field(default_factory=dict)
    instants: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()

    def sql(self, path: str) -> str:
        """The SQL expression of a property path; 400 where there is no such property."""
        if path in self.direct:
            return self.direct[path]
        # A cast in the path narrows the type; a member that only the derived type has is null elsewhere anyway.
        parts = [part for part in path.split("/") if not part.startswith(("microsoft.graph.", "graph."))]
        if not parts or parts[0] not in self.members:
            name = parts[0] if parts else path
            raise bad_request(f"Could not find a property named '{name}' on type 'microsoft.graph.{self.entity}'.")
        return f"json_extract(body, {_quoted('$.' + '.'.join(json.dumps(part) for part in parts))})"


# OData names, in whatever case; authorizationSystemType alone is compared without it, as every published filter does.
_CASELESS = "authorizationSystemType"


class Filter:
    """A recursive-descent reader of one $filter."""

    def __init__(self, text: str, columns: Columns) -> None:
        self._tokens = list(_tokens(text))
        self._columns = columns
        self._scope: dict[str, str] = {}
        self._at = 0
        self.values: list[object] = []

    def sql(self) -> Sql:
        """The condition and its values."""
        condition = self._either()
        if self._at < len(self._tokens):
            raise self._unexpected()
        return condition, self.values

    def _either(self) -> str:
        terms = [self._both()]
        while self._take("name", "or"):
            terms.append(self._both())
        return f"({' OR '.join(terms)})"

    def _both(self) -> str:
        terms = [self._one()]
        while self._take("name", "and"):
            terms.append(self._one())
        return f"({' AND '.join(terms)})"

    def _one(self) -> str:
        if self._take("name", "not"):
            return f"(NOT {self._one()})"
        if self._take("sign", "("):
            condition = self._either()
            self._need("sign", ")")
            return condition
        name = self._need("name")
        if self._take("sign", "("):
            return self._function(name)
        return self._comparison(name)

    def _function(self, name: str) -> str:
        if name in _TEXT_TEST:
            path = self._need("name")
            self._need("sign", ",")
            wanted = self._need("text")
            self._need("sign", ")")
            test = _TEXT_TEST[name].format(self._property(path), _quoted(_text(wanted)))
            return f"({test})"
        collection, _, quantifier = name.rpartition("/")
        if quantifier != "any" or not collection:
            raise bad_request(f"The function '{name}' is not supported.")
        return self._any(collection)

    def _any(self, collection: str) -> str:
        variable = self._need("name")
        self._need("sign", ":")
        entries = self._columns.sql(collection).replace("json_extract(", "json_each(")
        self._scope[variable] = "value"
        condition = self._either()
        del self._scope[variable]
        self._need("sign", ")")
        return f"EXISTS (SELECT 1 FROM {entries} WHERE {condition})"  # noqa: S608 - names by grammar, values bound

    def _comparison(self, path: str) -> str:
        operator = _COMPARE.get(self._need("name"))
        if operator is None or self._at >= len(self._tokens):
            raise self._unexpected()
        kind, literal = self._tokens[self._at]
        self._at += 1
        left = self._property(path)
        if kind == "instant":
            self.values.append(_instant(literal))
            return f"{left if path in self._columns.instants else f'instant({left})'} {operator} ?"
        if kind == "name" and literal == "null" and operator in ("=", "<>"):
            return f"{left} IS {'NOT ' if operator == '<>' else ''}NULL"
        self.values.append(self._value(kind, literal, path))
        return f"{left} {operator} ?{' COLLATE NOCASE' if path == _CASELESS else ''}"

    def _value(self, kind: str, literal: str, path: str) -> object:
        if path in self._columns.instants:
            raise bad_request(f"The literal {literal} cannot be compared with '{path}', an Edm.DateTimeOffset.")
        if kind == "text":
            return _text(literal)
        if kind == "number":
            return float(literal) if "." in literal else int(literal)
        if literal in ("true", "false"):
            return int(literal == "true")
        raise self._unexpected()

    def _property(self, path: str) -> str:
        head, _, rest = path.partition("/")
        if head in self._scope:
            return f"json_extract(value, {_quoted('$.' + rest.replace('/', '.'))})" if rest else self._scope[head]
        return self._columns.sql(path)

    def _take(self, kind: str, value: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == (kind, value):
            self._at += 1
            return True
        return False

    def _need(self, kind: str, value: str | None = None) -> str:
        if self._at >= len(self._tokens):
            raise self._unexpected()
        found_kind, found = self._tokens[self._at]
        if found_kind != kind or (value is not None and found != value):
            raise self._unexpected()
        self._at += 1
        return found

    def _unexpected(self) -> Exception:
        where = self._tokens[self._at][1] if self._at < len(self._tokens) else "the end"
        return bad_request(f"Invalid filter clause: there is a syntax error at {where}.")


def order(text: str, columns: Columns, default: str) -> str:
    """An $orderby as SQL, made stable by the order of arrival."""
    terms = []
    for clause in filter(None, (part.strip() for part in text.split(","))):
        path, _, direction = clause.partition(" ")
        if direction.strip() not in ("", "asc", "desc"):
            raise bad_request(f"The $orderby direction '{direction}' is neither asc nor desc.")
        terms.append(f"{columns.sql(path)} {direction.strip() or 'asc'}")
    return ", ".join([*terms, default])


@dataclass(frozen=True)
class Page:
    """Which part of a collection is wanted, out of the query string and the service's own limit."""

    size: int
    offset: int
    options: list[tuple[str, str]]

    @classmethod
    def of(cls, query: str, largest: int) -> Page:
        """Read $top, $skip and $skiptoken."""
        options = parse_qsl(query, keep_blank_values=True)
        given = dict(options)
        top = _whole("$top", given.get("$top", str(largest)), low=1)
        skip = _whole("$skip", given.get("$skip", "0"), low=0)
        token = given.get("$skiptoken")
        return cls(min(top, largest, _LARGEST_PAGE), _offset(token) if token else skip, options)

    def get(self, option: str) -> str:
        """One option's text, empty where it is absent."""
        return dict(self.options).get(option, "")

    def next_link(self, url: str, *, blanks: bool) -> str:
        """The address of the page after this one: absolute, with everything the caller had asked for."""
        kept = [(key, value) for key, value in self.options if key not in ("$skip", "$skiptoken")]
        safe = "$',:()/" + (" " if blanks else "")
        query = "&".join(f"{quote(key, safe='$')}={quote(value, safe=safe)}" for key, value in kept)
        token = base64.urlsafe_b64encode(str(self.offset + self.size).encode()).decode().rstrip("=")
        return f"{url}?{query + '&' if query else ''}$skiptoken={token}"


def select(entry: dict[str, object], names: str) -> dict[str, object]:
    """An entry with only the members that $select names; annotations stay."""
    wanted: Iterable[str] = {name.strip() for name in names.split(",")}
    return {key: value for key, value in entry.items() if key in wanted or key.startswith("@") or key == "id"}


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise bad_request(f"Invalid filter clause: there is a syntax error at position {at} of '{text}'.")
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


def _instant(literal: str) -> int:
    try:
        return read_instant(literal)
    except ValueError:
        raise bad_request(f"The literal '{literal}' is not an Edm.DateTimeOffset.") from None


def _text(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _whole(option: str, text: str, low: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < low:
        raise bad_request(f"Invalid value '{text}' for {option} query option.")
    return int(text)


def _offset(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        raise bad_request("The $skiptoken is not one that this service gave out.") from None
