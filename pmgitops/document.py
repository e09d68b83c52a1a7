"""
The one loader of pmgitops' own YAML (requests, policies, configuration): bytes -> values with positions, or findings.

Scalars stay the text that was written; what they mean is the models' business, never YAML's guess (`no`, `1:30`,
`012345678901`). Null means absent: the key is dropped. What the reader of a diff could miss (aliases, tags, a second
document, keys given twice, line breaks that only YAML sees) is refused. Findings of this module, by rule:

* size            more than 64 KiB
* encoding        not UTF-8 (a byte order mark is accepted)
* character       a control character, a line break other than LF and CR LF, or a sign that turns the reading direction
* yaml            not YAML: cut off, a tab as indentation, a bracket too many
* alias           an anchor or an alias
* tag             an explicit tag
* directive       %YAML, %TAG
* documents       more than one document
* depth           more than 32 levels
* duplicate-key   a key given twice
* key             a key that is a list or a mapping
* null            null inside a list
* empty           nothing in the file
* type            something else than a mapping at the root

`validate` adds those of `pmgitops.model.problem`.
"""

from __future__ import annotations

import re
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner
from yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    StreamEndToken,
    StreamStartToken,
    TagToken,
)

from pmgitops.model.finding import Finding
from pmgitops.model.problem import Path, problems

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import TypeAdapter

T = TypeVar("T")

MAX_SIZE = 64 * 1024
MAX_DEPTH = 32
MAX_FINDINGS = 100
"""Of one file: the rest would not be read, and a hostile file could ask for thousands."""

VERBATIM = frozenset({"condition"})
"""Keys below which nothing is null: an IAM condition may well compare with the text `null`."""


class Position(NamedTuple):
    """A place in a file; line and column count from 1, columns in code points."""

    line: int
    column: int


class Document:
    """A file's mapping as plain values, and the places of its parts, looked for only when a finding asks."""

    __slots__ = ("_data", "_root", "value")

    def __init__(self, value: dict[str, Any], data: bytes) -> None:
        self.value = value
        self._data = data
        self._root: Node | None = None

    def at(self, path: Path, *, key: bool = False) -> Position:
        """Where the value at `path` stands, or its key; for what is not there, the key of its nearest ancestor."""
        if self._root is None:  # the same parser as before, so that both speak of the same places
            self._root = _Composer(self._data).get_single_node()
        node, name = self._root, self._root
        for part in path:
            child = _child(node, part)
            if child is None:
                return _position(name.start_mark)
            name, node = child
        return _position((name if key else node).start_mark)


def _child(node: Node, part: str | int) -> tuple[Node, Node] | None:
    """The key and the value of a member (of an item: the item itself, twice)."""
    if isinstance(node, MappingNode):
        found = [pair for pair in node.value if pair[0].value == part]
        return found[-1] if found else None
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def read(data: bytes, path: str) -> Document | list[Finding]:
    """The document in `data`, or everything that keeps it from being one."""
    document, findings = parse(data, path)
    return document if document is not None and not findings else findings


def parse(data: bytes, path: str) -> tuple[Document | None, list[Finding]]:
    """As `read`, but what could be read in spite of the findings comes along, to be checked for more."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    faults = _unfit(data)
    if faults:
        return None, _findings(path, faults)
    try:
        root = _Composer(data).get_single_node()
    except yaml.YAMLError as error:
        return None, _findings(path, _scan(data) or [_syntax(error)])
    if not isinstance(root, MappingNode):
        return None, _findings(path, [_not_a_mapping(root)])
    builder = _Builder()
    value = builder.mapping(root, 1, _NULLS)
    return Document(value, data), _findings(path, builder.faults)


def validate(document: Document, path: str, adapter: TypeAdapter[T]) -> T | list[Finding]:
    """The document as the adapter's type, or a finding for everything that the type refuses."""
    try:
        return adapter.validator.validate_python(document.value, by_alias=True, by_name=False)  # type: ignore[no-any-return]
    except ValidationError as error:
        return _findings(
            path,
            (
                _Fault(document.at(problem.path, key=problem.key), problem.rule, problem.message)
                for problem in problems(error, adapter.core_schema, MAX_FINDINGS)
            ),
        )


class _Fault(NamedTuple):
    at: Position
    rule: str
    message: str


def _findings(path: str, faults: Iterable[_Fault]) -> list[Finding]:
    ordered = sorted(set(faults))[:MAX_FINDINGS]
    return [Finding(path, fault.at.line, fault.at.column, fault.rule, fault.message) for fault in ordered]


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


# --- before parsing ---------------------------------------------------------------------------------------------------

_PLAIN = bytes(range(0x20, 0x7F)).translate(None, b"&!%") + b"\t\n"
_FOREIGN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]|\r(?!\n)")
_ANCHOR_TAG_OR_DIRECTIVE = re.compile(rb"(?:^|[\s\[\]{},:?\"'-])(?:!|&[\w-])|^%", re.MULTILINE)

_SAFE_NESTING = 1000
"""Levels that libyaml may be asked to compose: it recurses in C, and tens of thousands overflow the stack."""


def _unfit(data: bytes) -> list[_Fault]:
    """What is found without composing; nearly every file passes with two looks at its bytes."""
    if len(data) > MAX_SIZE:
        return [_Fault(Position(1, 1), "size", f"{len(data)} bytes; {MAX_SIZE} is the most")]
    odd = data.translate(None, _PLAIN)
    if odd and (faults := _foreign(data)):
        return faults
    # Anchors never reach the composer, so that no alias can multiply; "!" and "&&" in prose and rules are no reason.
    if _deep(data) or (odd and _ANCHOR_TAG_OR_DIRECTIVE.search(data)):
        return _scan(data)
    return []


def _foreign(data: bytes) -> list[_Fault]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        where = _end_of(data[: error.start].decode())
        return [_Fault(where, "encoding", f"byte 0x{data[error.start]:02x} is not UTF-8 here")]
    return [
        _Fault(_end_of(text[: match.start()]), "character", f"U+{ord(match[0]):04X} may not stand in a file")
        for match in islice(_FOREIGN.finditer(text), MAX_FINDINGS)
    ]


def _end_of(text: str) -> Position:
    return Position(text.count("\n") + 1, len(text) - text.rfind("\n"))


def _deep(data: bytes) -> bool:
    # Every level takes two columns of one line, or a bracket; each may bring a mapping that has no sign of its own.
    longest = max(map(len, data.split(b"\n")))
    return 2 * (longest + data.count(b"[") + data.count(b"{")) > _SAFE_NESTING


_OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
_CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)
_FORBIDDEN = {
    AnchorToken: ("alias", "an anchor; text that begins with & needs quotes"),
    AliasToken: ("alias", "an alias; write the value where it is meant"),
    TagToken: ("tag", "a tag; text that begins with ! needs quotes"),
    DirectiveToken: ("directive", "a directive; leave it out"),
}


def _scan(data: bytes) -> list[_Fault]:
    """The faults that show in the tokens, up to where the text stops being YAML or gets too deep."""
    faults: list[_Fault] = []
    depth, begun = 0, False
    scanner = _Composer(data)
    try:
        while token := scanner.get_token():
            kind = type(token)
            if kind in _OPENING:
                depth += 1
            elif kind in _CLOSING:
                depth -= 1
            elif kind in _FORBIDDEN:
                faults.append(_Fault(_position(token.start_mark), *_FORBIDDEN[kind]))
            elif kind is DocumentStartToken and begun:
                faults.append(_Fault(_position(token.start_mark), "documents", "a second document in the file"))
            if depth > MAX_DEPTH:
                return [*faults, _too_deep(_position(token.start_mark))]
            begun = begun or kind not in {StreamStartToken, StreamEndToken, DirectiveToken, DocumentEndToken}
    except yaml.YAMLError as error:
        faults.append(_syntax(error))
    return faults


# --- parsing ----------------------------------------------------------------------------------------------------------


class _PurePython(Reader, Scanner, Parser, Composer):
    """What PyYAML composes with where it was built without libyaml: ten times slower, and to the same end."""

    def __init__(self, stream: bytes) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


try:
    _Base: Any = import_module("yaml._yaml").CParser
except ImportError:
    _Base = _PurePython
    _SAFE_NESTING = 0  # Python's own stack is the narrower one: look at every file's tokens first


class _Composer(_Base):  # type: ignore[misc]
    """Nodes with their marks; the hooks that guess types do nothing, because that is none of YAML's business here."""

    def resolve(self, _kind: type[Node], _value: str | None, _implicit: object) -> None:
        pass

    def descend_resolver(self, _parent: Node | None, _index: object) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


def _syntax(error: yaml.YAMLError) -> _Fault:
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        if error.context == "while scanning an alias":  # nobody means one: it is the * of an IAM policy
            return _Fault(_position(error.context_mark), "alias", "text that begins with * needs quotes, as in '*'")
        message = " ".join(filter(None, (error.problem, error.context)))
        if error.context_mark and error.context_mark.line != mark.line:
            message += f" that begins in line {error.context_mark.line + 1}"
        return _Fault(_position(mark), "yaml", message)
    return _Fault(Position(1, 1), "yaml", str(error))


def _not_a_mapping(root: Node | None) -> _Fault:
    if root is None or (isinstance(root, ScalarNode) and not root.style and root.value in _NULLS):
        return _Fault(Position(1, 1), "empty", "nothing in the file")
    return _Fault(_position(root.start_mark), "type", "expected a mapping of fields to values")


def _too_deep(at: Position) -> _Fault:
    return _Fault(at, "depth", f"nested deeper than {MAX_DEPTH} levels")


# --- values -----------------------------------------------------------------------------------------------------------

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})  # YAML 1.2's core schema
_NOTHING_IS_NULL: frozenset[str] = frozenset()


class _Builder:
    """Plain values from nodes; faults are collected, and what is faulty is left out or replaced by the like."""

    def __init__(self) -> None:
        self.faults: list[_Fault] = []

    def mapping(self, node: MappingNode, depth: int, nulls: frozenset[str]) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            self.faults.append(_too_deep(_position(node.start_mark)))
            return {}
        value: dict[str, Any] = {}
        for key, item in node.value:
            if type(key) is not ScalarNode:
                self._fault(key, "key", "a key is text, neither a list nor a mapping")
                continue
            name = key.value
            if type(item) is ScalarNode:
                if item.value not in nulls or item.style:
                    value[name] = item.value
            elif type(item) is MappingNode:
                value[name] = self.mapping(item, depth + 1, _NOTHING_IS_NULL if name in VERBATIM else nulls)
            else:
                value[name] = self.sequence(item, depth + 1, _NOTHING_IS_NULL if name in VERBATIM else nulls)
        if len(value) < len(node.value):  # nulls were dropped, or a key was given twice
            self._find_repeated(node)
        return value

    def sequence(self, node: SequenceNode, depth: int, nulls: frozenset[str]) -> list[Any]:
        if depth > MAX_DEPTH:
            self.faults.append(_too_deep(_position(node.start_mark)))
            return []
        value: list[Any] = []
        for item in node.value:
            if type(item) is ScalarNode:
                if item.value in nulls and not item.style:
                    self._fault(item, "null", "null in a list; leave the item out, or quote it where the text is meant")
                value.append(item.value)
            elif type(item) is MappingNode:
                value.append(self.mapping(item, depth + 1, nulls))
            else:
                value.append(self.sequence(item, depth + 1, nulls))
        return value

    def _find_repeated(self, node: MappingNode) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if type(key) is not ScalarNode:
                continue
            if key.value in first:
                self._fault(key, "duplicate-key", f"{key.value!r} is given twice, first in line {first[key.value]}")
            else:
                first[key.value] = key.start_mark.line + 1

    def _fault(self, node: Node, rule: str, message: str) -> None:
        self.faults.append(_Fault(_position(node.start_mark), rule, message))
