"""CEL, and the only place that knows of it: facts declared as message types, rules type-checked when they are loaded.

A rule that names an unknown field, compares a text with a number or is no yes-or-no question does not compile; the
faults say where. Evaluating never raises: anything but `true` denies, and says what happened. What was absent is told
apart from what went wrong by asking the engine itself: each absent variable is evaluated alone, and a rule that ends in
that very error ended for want of that variable.

Rules are checked in one environment and evaluated in another. Where they are checked, a table below `data` is of a type
that only our functions take; where they are evaluated it is a number, its place in our list: handing a message to a
function costs ten times what a number does, and the starter rules ask tables nine times a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, NamedTuple, get_args, get_origin

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf import descriptor_pool, duration_pb2, message_factory, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from pmgitops.model.problem import nearest
from pmgitops.policy.declared import fields, is_kind, plain
from pmgitops.policy.tables import Names, Windows

MAX_LENGTH = 4000
"""Characters of an expression."""
MAX_DEPTH = 32
"""Levels of nesting; the engine's own limit."""
MAX_MACROS = 8
"""Comprehensions of an expression: each may double what the one before it made."""


MOST_HANDED = 256
"""Facts that we were handed whose messages are kept."""


class Fault(NamedTuple):
    """A mistake in an expression; line and column count from 1 within the expression."""

    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The expression cannot be judged without this variable, which is not known yet."""

    variable: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The expression went wrong, or its answer is no yes or no."""

    why: str


Outcome = bool | Absent | Failed
Tables = Mapping[str, Names | Windows]


class Situation:
    """Everything that is known about one request, ready for any number of expressions."""

    __slots__ = ("_absences", "_activation", "_engine", "known")

    def __init__(self, engine: Engine, known: Mapping[str, Any], arena: Any) -> None:
        self._engine = engine
        self.known = known
        self._activation = engine.environment.Activation(known, arena=arena)
        self._absences: dict[str, str] | None = None

    def judge(self, expression: Any) -> Outcome:
        """The expression's answer here."""
        return self._outcome(expression.eval(self._activation))

    def judge_item(self, expression: Any, item: Any) -> Outcome:
        """The answer of an expression that asks about `it`."""
        return self._outcome(expression.eval(self._engine.environment.Activation({**self.known, "it": item})))

    def _outcome(self, value: Any) -> Outcome:
        answer = value.value()
        if answer is True or answer is False:
            return answer
        if value.type() != _ERROR:
            return Failed(f"answers with {_named(value.type().name())}, not with true or false")
        text = str(answer)
        absent = self._absent().get(text)
        return Absent(absent) if absent else Failed(_without_code(text))

    def _absent(self) -> dict[str, str]:
        """The error that each absent variable ends in -> the variable."""
        if self._absences is None:
            self._absences = {
                str(probe.eval(self._activation).value()): name
                for name, probe in self._engine.probes.items()
                if name not in self.known
            }
        return self._absences


class Engine:
    """The declared facts and tables, and the expressions compiled against them.

    `variables`: name -> a kind of facts, or a scalar type. `awaited`: those that a situation may lack.
    `tables`: what stands below `data`.
    """

    def __init__(self, variables: Mapping[str, type], tables: Tables, *, awaited: Iterable[str] = ()) -> None:
        self._tables = list(tables.values())
        self._types = _Types(variables, tables)
        self._places = {name: place for place, name in enumerate(tables)}
        """Rules are handed a table's place in our list, not its thousand entries."""
        facts = {name: self._types.cel(kind) for name, kind in variables.items()}
        self._names = [*facts, "data", *_OURS, *_STANDARD]
        checked = facts | {"data": cel.Type(f"{_PACKAGE}.{_DATA}")}
        names, windows = (cel.Type(f"{_PACKAGE}.{kind.__name__}") for kind in (Names, Windows))
        self._rules = self._environment(checked, names, windows)
        self._items = self._environment(checked | {"it": cel.Type.DYN}, names, windows)
        """Knows one variable more: `it`, a part of a file as it is written."""
        evaluated = facts | {"data": cel.Type.Map(cel.Type.STRING, cel.Type.INT), "it": cel.Type.DYN}
        self.environment = self._environment(evaluated, cel.Type.INT, cel.Type.INT)
        """Where expressions are evaluated."""
        self.probes = {name: self.environment.compile(name) for name in awaited}

    def _environment(self, declared: Mapping[str, Any], names: Any, windows: Any) -> Any:
        return cel.NewEnv(
            self._types.pool,
            variables=declared,
            extensions=[ext_strings.ExtStrings()],
            functions=self._functions(names, windows),
        )

    def compile(self, source: str, *, about_items: bool = False) -> Any | list[Fault]:
        """The expression, if it is a yes-or-no question about the declared facts; otherwise its faults."""
        too_much = _too_much(source)
        if too_much:
            return [Fault(1, 1, too_much)]
        try:
            expression = (self._items if about_items else self._rules).compile(source)
        except RuntimeError as error:
            return _faults(str(error), source, self._advice)
        answer = expression.return_type()
        if answer != _BOOL:
            return [Fault(1, 1, f"answers with {_named(answer.name())}, not with true or false")]
        return self._evaluated(expression)

    def together(self, rules: Iterable[tuple[str | None, str]]) -> Any | None:
        """One expression that is true where every rule (`applies`, `require`) is kept; None where they are too many.

        It says nothing of which rule is broken, or why, but nearly every request breaks none: one question for all.
        """
        sources = (f"(({applies}) ? ({require}) : true)" if applies else f"({require})" for applies, require in rules)
        try:
            return self._evaluated(self._rules.compile(" && ".join(sources) or "true"))
        except RuntimeError:
            return None

    def _evaluated(self, checked: Any) -> Any:
        return self.environment.deserialize(checked.serialize())

    def situation(self, facts: Mapping[str, Any], tables: Tables | None = None) -> Situation:
        """What is known: variables that are left out are absent. `tables` stand in for those of the same names."""
        places = self._places | self._added(tables) if tables else self._places
        return Situation(self, self._known(facts, places), cel.Arena())

    def situations(self, many: Iterable[Mapping[str, Any]]) -> list[Situation]:
        """As many situations, in memory that is freed at once."""
        arena = cel.Arena()
        return [Situation(self, self._known(facts, self._places), arena) for facts in many]

    def _known(self, facts: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
        known = {name: self._types.message(value) for name, value in facts.items()}
        known["data"] = places
        return known

    def _added(self, tables: Tables) -> dict[str, int]:
        self._tables += tables.values()
        return {name: place for place, name in enumerate(tables, len(self._tables) - len(tables))}

    def _functions(self, names: Any, windows: Any) -> list[cel.FunctionDecl]:
        """What rules may say besides CEL's own, of lists and windows as an environment knows them."""
        texts = cel.Type.List(cel.Type.STRING)

        def at(place: int) -> Any:
            return self._tables[place]

        return [
            _member("includes", (names, cel.Type.STRING), lambda place, name: at(place).includes(name)),
            _member("includesAny", (names, texts), lambda place, found: any(map(at(place).includes, found))),
            _member(
                "reachedBy",
                (names, texts),
                lambda place, asked: at(place).reached_by(asked),
                (texts, texts),
                lambda listed, asked: _names(tuple(listed)).reached_by(asked),
            ),
            _member(
                "overlap",
                (windows, cel.Type.TIMESTAMP, cel.Type.TIMESTAMP),
                lambda place, start, end: at(place).overlap(start, end),
            ),
            _member("words", (cel.Type.STRING,), lambda text: len(text.split()), answer=cel.Type.INT),
        ]

    def _advice(self, message: str) -> str:
        """The engine's message in our words, with the nearest known name."""
        if match := _UNDEFINED_FIELD.search(message):
            name, struct = match.groups()
            return f"unknown field {name!r} of {_named(struct)}{_did_you_mean(name, self._types.fields(struct))}"
        if match := _UNDECLARED.search(message):
            name = match[1].split(".")[0]
            return f"unknown name {name!r}{_did_you_mean(name, self._names)}"
        return _named(message)


_OURS = ("includes", "includesAny", "reachedBy", "overlap", "words")
_STANDARD = ("size", "matches", "startsWith", "endsWith", "contains", "duration", "timestamp", "string", "lowerAscii")
_BOOL, _ERROR = cel.Type.BOOL, cel.Type.ERROR


def _member(name: str, *overloads: Any, answer: Any = None) -> cel.FunctionDecl:
    pairs = zip(overloads[::2], overloads[1::2], strict=True)
    return cel.FunctionDecl(
        name,
        [
            cel.Overload(
                f"{name}_{place}", return_type=answer or _BOOL, parameters=list(parameters), is_member=True, impl=impl
            )
            for place, (parameters, impl) in enumerate(pairs)
        ],
    )


_LISTED: dict[tuple[str, ...], Names] = {}


def _names(listed: tuple[str, ...]) -> Names:
    """A list that stands in a rule, read once."""
    found = _LISTED.get(listed)
    if found is None:
        if len(_LISTED) > 1000:
            _LISTED.clear()
        found = _LISTED[listed] = Names(listed)
    return found


# --- what the engine says, in words for whoever wrote the rule --------------------------------------------------------

_ERROR_LINE = re.compile(r"^(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?: \[[A-Z_]+\])?$", re.MULTILINE)
_UNDEFINED_FIELD = re.compile(r"undefined field '([^']*)' not found in struct '([^']*)'")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")


def _too_much(source: str) -> str | None:
    if len(source) > MAX_LENGTH:
        return f"{len(source)} characters; {MAX_LENGTH} are the most"
    macros = len(_MACRO.findall(source))
    if macros > MAX_MACROS:
        return f"{macros} of all, exists, map and filter; {MAX_MACROS} are the most"
    return None


def _faults(text: str, source: str, advice: Any) -> list[Fault]:
    found = [
        Fault(*_place(int(line), int(column), message, source), advice(message))
        for line, column, message in _ERROR_LINE.findall(text)
    ]
    if "recursion" in text:
        return [Fault(1, 1, f"nested deeper than {MAX_DEPTH} levels")]
    return list(dict.fromkeys(found)) or [Fault(1, 1, _without_code(text.partition("\n")[0]))]


def _place(line: int, column: int, message: str, source: str) -> tuple[int, int]:
    """Where the wrong word begins: the engine points at the dot before a field, and behind a function's name."""
    lines = source.split("\n")
    if not 1 <= line <= len(lines):
        return 1, 1
    before, behind = lines[line - 1][: column - 1], lines[line - 1][column - 1 :]
    if behind.startswith(".") and not _UNDECLARED.search(message):
        return line, column + 1
    if behind[:1] in {".", "("} and (word := re.search(r"[A-Za-z_]\w*$", before)):
        return line, word.start() + 1
    return line, column


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    return f"; did you mean {meant!r}?" if meant else f"; known are {', '.join(known)}"


def _named(text: str) -> str:
    """Type names as the documentation has them."""
    short = re.sub(r"google\.protobuf\.(Timestamp|Duration)", lambda match: match[1].lower(), text)
    short = re.sub(rf"\b{_PACKAGE}\.(\w+?)(Facts)?\b", lambda match: match[1].lower(), short)
    return short.lower() if short.isupper() else short


def _without_code(text: str) -> str:
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", text)


# --- facts as message types -------------------------------------------------------------------------------------------

_PACKAGE, _DATA = "facts", "Data"
_SCALARS = {
    str: FieldDescriptorProto.TYPE_STRING,
    bool: FieldDescriptorProto.TYPE_BOOL,
    int: FieldDescriptorProto.TYPE_INT64,
}
_MESSAGES = {datetime: ".google.protobuf.Timestamp", timedelta: ".google.protobuf.Duration"}
_CEL = {
    str: cel.Type.STRING,
    bool: cel.Type.BOOL,
    int: cel.Type.INT,
    datetime: cel.Type.TIMESTAMP,
    timedelta: cel.Type.DURATION,
}


class _Types:
    """A descriptor pool made from the kinds of facts, and values of its types."""

    def __init__(self, variables: Mapping[str, type], tables: Tables) -> None:
        self._file = FileDescriptorProto(
            name="facts.proto", package=_PACKAGE, syntax="proto3", dependency=[pb.DESCRIPTOR.name for pb in _WELL_KNOWN]
        )
        self._declared: dict[str, DescriptorProto] = {}
        for kind in variables.values():
            if is_kind(kind):
                self._declare(kind)
        self._declare_tables(tables)
        self.pool = descriptor_pool.DescriptorPool()
        for well_known in _WELL_KNOWN:
            self.pool.AddSerializedFile(well_known.DESCRIPTOR.serialized_pb)
        self.pool.AddSerializedFile(self._file.SerializeToString())
        self._handed: dict[int, tuple[Any, Any]] = {}
        """By their ids, facts that we were handed, with their messages."""
        self._classes = {kind: self._class(kind.__name__) for kind in variables.values() if is_kind(kind)}

    def cel(self, kind: type) -> Any:
        """The engine's type for one of ours."""
        return cel.Type(f"{_PACKAGE}.{kind.__name__}") if is_kind(kind) else _CEL[kind]

    def message(self, value: Any) -> Any:
        """A variable's value as the engine takes it. What is handed in for many requests is made once."""
        handed = self._handed.get(id(value))
        if handed is not None:
            return handed[1]
        kind: type = type(value)
        known = self._classes.get(kind)
        if known is None:
            return value
        message = known(**_filled(kind)(value))
        if not isinstance(value, tuple):
            if len(self._handed) > MOST_HANDED:
                self._handed.clear()
            self._handed[id(value)] = value, message  # with the value, so that its id is not another's meanwhile
        return message

    def fields(self, struct: str) -> Sequence[str]:
        """The fields of a declared type."""
        declared = self._declared.get(struct.removeprefix(f"{_PACKAGE}."))
        return [field.name for field in declared.field] if declared else []

    def _class(self, name: str) -> Any:
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))

    def _declare(self, declared: type) -> None:
        if declared.__name__ in self._declared:
            return
        message = self._message(declared.__name__)
        for name, annotation in fields(declared).items():
            kind, repeated = _kind(annotation)
            if kind in _SCALARS:
                self._field(message, name, _SCALARS[kind], repeated=repeated)
                continue
            self._field(message, name, _MESSAGES.get(kind) or f".{_PACKAGE}.{kind.__name__}", repeated=repeated)
            if is_kind(kind):
                self._declare(kind)

    def _declare_tables(self, tables: Tables) -> None:
        for kind in (Names, Windows):
            self._message(kind.__name__)
        data = self._message(_DATA)
        for name, table in tables.items():
            self._field(data, name, f".{_PACKAGE}.{type(table).__name__}")

    def _message(self, name: str) -> DescriptorProto:
        message = self._declared[name] = self._file.message_type.add(name=name)
        return message

    @staticmethod
    def _field(message: DescriptorProto, name: str, kind: Any, *, repeated: bool = False) -> None:
        """A field of a scalar type, or of the message type of this name."""
        field = message.field.add(name=name, number=len(message.field) + 1, label=3 if repeated else 1)
        if isinstance(kind, str):
            field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, kind
        else:
            field.type = kind


_WELL_KNOWN = (duration_pb2, timestamp_pb2)


def _kind(annotation: Any) -> tuple[type, bool]:
    """The type of a field, and whether it is a list of them."""
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0], True
    return (annotation, False) if isinstance(annotation, type) else (str, False)  # a Literal is text


# --- facts as messages ------------------------------------------------------------------------------------------------

_Filling = Callable[[Any], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def _filled(kind: type) -> _Filling:
    """What makes, of a fact of this kind, what its message is filled with."""
    if not hasattr(kind, "_fields"):
        return plain
    names = tuple(fields(kind))
    special = [
        (place, name, filling)
        for place, (name, annotation) in enumerate(fields(kind).items())
        if (filling := _filling(annotation))
    ]

    def fill(fact: tuple[Any, ...]) -> dict[str, Any]:
        # What is empty or false is so in a message that was not told, and telling it takes as long as anything.
        filled = {name: value for name, value in zip(names, fact, strict=True) if value}
        for place, name, filling in special:
            filled[name] = filling(fact[place])
        return filled

    return fill


def _filling(annotation: Any) -> _Filling | None:
    """How a field's value is handed over; None for what a message takes as it is."""
    kind, repeated = _kind(annotation)
    if kind in _SCALARS:
        return None
    one = _filled(kind) if is_kind(kind) else _since_epoch if kind is datetime else _seconds
    return partial(_each, one) if repeated else one


def _each(filling: _Filling, facts: Iterable[Any]) -> list[Any]:
    return [filling(fact) for fact in facts]


def _since_epoch(instant: datetime) -> dict[str, int]:
    return _seconds(instant - _EPOCH)


def _seconds(length: timedelta) -> dict[str, int]:
    # What the library does itself, at a fifth of the time: five of these for every request.
    return {"seconds": length.days * 86_400 + length.seconds, "nanos": length.microseconds * 1000}
