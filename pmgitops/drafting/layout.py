"""A request as the bytes of its file, in the house's layout: what is read back is the request that was meant.

Scalars stand plain where no reader of YAML could take them for anything else than the text (`no`, `1:30` and
`012345678901` are quoted), or for what they are (a date, an interval). A list stands in one line where that is short.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from pmgitops.model.request import AnyRequest

SCHEMAS: Final = ("schemas/request.schema.json", "pmgitops/schemas/request.schema.json")
"""Where a repository keeps the schema that its editors read."""

ORDER: Final = (
    *("apiVersion", "kind", "authorizationSystemId", "resourceId", "identity"),
    *("policies", "statements", "actions", "roles", "assignToRoleId"),
    *("justification", "notes", "scheduleInfo", "ticketInfo"),
)
WIDTH: Final = 56
"""Columns that a list may take in one line."""
_BLOCKS: Final = frozenset({"statements", "scheduleInfo", "recurrence", "ticketInfo", "condition"})
"""What has a line for each of its members."""
_TIMES: Final = frozenset({"startDateTime", "endDateTime", "startDate", "endDate"})
"""What YAML may take for a time, because it is one."""
_LONGEST_KEY: Final = 1000
"""Characters of a key that need no `?` before it: YAML looks no further than 1024 for its colon."""


def written(request: AnyRequest, path: str, schema: str = SCHEMAS[0]) -> bytes:
    """The file at `path` (below the repository's root) that reads as this request; `schema` is for editors."""
    content = request.content()
    ordered: dict[str, Any] = {name: content[name] for name in ORDER if name in content}
    if ordered.keys() != content.keys():
        raise AssertionError(f"ORDER lacks {sorted(content.keys() - ordered.keys())}")
    ordered["scheduleInfo"] = _shortened(ordered["scheduleInfo"])
    above = os.path.relpath(schema, os.path.dirname(path) or ".").replace(os.sep, "/")  # noqa: PTH120  # posix below the root
    lines = [f"# yaml-language-server: $schema={above}", *_members(ordered, 0)]
    return "".join(f"{line}\n" for line in lines).encode()


def _shortened(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Without the type that follows from the end that is given; where a type says more, it comes first."""
    end = dict(schedule["expiration"])
    if end.keys() & {"duration", "endDateTime"}:
        del end["type"]
    short = {**schedule, "expiration": end}
    if "recurrence" in short:
        parts = short["recurrence"].items()
        short["recurrence"] = {name: {"type": part["type"], **part} for name, part in parts}
    return short


# --- lines ------------------------------------------------------------------------------------------------------------


def _members(mapping: Mapping[str, Any], indent: int, *, verbatim: bool = False) -> Iterator[str]:
    """A line for each member, or several; `verbatim` below `condition`, where every scalar is text as written."""
    pad = " " * indent
    for name, value in mapping.items():
        key, inner = _scalar(name), verbatim or name == "condition"
        lead = f"{pad}{key}:" if len(key) <= _LONGEST_KEY else f"{pad}? {key}\n{pad}:"
        lines = _multiline(value, indent + 2) if isinstance(value, str) and not inner else None
        if lines:
            yield f"{lead} |-"
            yield from lines
        elif isinstance(value, Mapping) and name in _BLOCKS:
            yield lead
            yield from _members(value, indent + 2, verbatim=inner)
        elif isinstance(value, list) and (name in _BLOCKS or not _short(lead, value)):
            yield lead
            yield from _items(value, indent + 2)
        else:
            yield f"{lead} {_flow(value, timely=name in _TIMES, verbatim=inner)}"


def _items(items: Sequence[Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for item in items:
        if isinstance(item, Mapping):
            first, *rest = _members(item, indent + 2)
            yield f"{pad}- {first.lstrip(' ')}"
            yield from rest
        else:
            yield f"{pad}- {_scalar(item)}"


def _short(lead: str, items: list[Any]) -> bool:
    return all(isinstance(item, str) for item in items) and len(lead) + 1 + len(_flow(items)) <= WIDTH


def _flow(value: Any, *, timely: bool = False, verbatim: bool = False) -> str:
    """A value in one line."""
    if isinstance(value, Mapping):
        members = (
            f"{_key(name)}: {_flow(inner, timely=name in _TIMES, verbatim=verbatim)}" for name, inner in value.items()
        )
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item, verbatim=verbatim) for item in value) + "]"
    if isinstance(value, int) or (timely and _PLAIN.fullmatch(value)):
        return str(value)
    if verbatim and _NUMBER.fullmatch(value):
        return str(value)
    return _scalar(value, flow=True)


def _key(name: str) -> str:
    key = _scalar(name, flow=True)
    return key if len(key) <= _LONGEST_KEY else f"? {key}"


def _multiline(text: str, indent: int) -> list[str] | None:
    """Text of several lines as a block, where nothing of it could get lost; otherwise None."""
    lines = text.split("\n")
    telling = len(lines) > 1 and lines[-1] and lines[0][:1] not in {"", " "}
    if not telling or not all(line.isprintable() and line == line.rstrip() for line in lines):
        return None
    return [f"{' ' * indent}{line}" if line else "" for line in lines]


# --- scalars ----------------------------------------------------------------------------------------------------------

_PLAIN: Final = re.compile(r"[^\W_][^\n]*|[/(][^\n]*")
_NUMBER: Final = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_UNSAFE: Final = re.compile(r":(\s|$)|\s#|^\s|\s$")
_UNSAFE_IN_FLOW: Final = re.compile(r"[\[\]{},?]|:(\s|$|[\"'])")
# YAML 1.1 as PyYAML resolves it, and what it leaves out of YAML 1.1 and 1.2.
_CORE: Final = re.compile(
    r"y|n|[-+]?(0o[0-7_]+|0x[0-9a-f_]+|0b[01_]+|(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)(e[-+]?[0-9]+)?"
    r"|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)",
    re.IGNORECASE | re.ASCII,
)
_RESOLVER: Final[Any] = Resolver()
_TEXT: Final = "tag:yaml.org,2002:str"
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\0": "\\0"}


def _scalar(text: str, *, flow: bool = False) -> str:
    """Text, plain where every reader takes it for text, otherwise quoted."""
    unsafe = _UNSAFE.search(text) or (flow and _UNSAFE_IN_FLOW.search(text))
    plain = text.isprintable() and _PLAIN.fullmatch(text) and not unsafe
    if plain and not _CORE.fullmatch(text) and _RESOLVER.resolve(ScalarNode, text, (True, False)) == _TEXT:
        return text
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    number = ord(char)
    return f"\\x{number:02X}" if number < 0x100 else f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"
