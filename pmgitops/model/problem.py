"""
What a model refuses, in words for the person who wrote the file: pydantic's errors as problems at paths.

* missing         a field that has to be there
* unknown-field   a field that is not known here
* value           text that is not one of those allowed, or that the type does not take
* type            text, a list or a mapping where something else belongs
* empty           a list or a mapping without members, text without characters
* length          more or fewer members or characters than allowed

Rules that the models give their own refusals (`arn`, `duration`, ...) stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pmgitops.model.docs import sentences

if TYPE_CHECKING:
    from pydantic import ValidationError

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]


class Problem(NamedTuple):
    """Something refused: where (the value at `path`, or its key), by which rule, and why."""

    path: Path
    key: bool
    rule: str
    message: str
    meant: str | None = None
    """For an unknown field, the one that was probably meant."""


def problems(error: ValidationError, schema: Schema, limit: int) -> list[Problem]:
    """The problems behind a validation error, without those that only follow from another."""
    errors = error.errors(include_url=False)[:limit]
    return _without_echoes([_problem(details, schema) for details in errors])


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong

    folded = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold()[:100], folded, n=1)
    return folded[found[0]] if found else None


def shown(value: object) -> str:
    """Text quoted and not too long; a list or a mapping named as such."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _without_echoes(found: list[Problem]) -> list[Problem]:
    """What one mistake says twice, said once."""
    meant = {(*problem.path[:-1], problem.meant) for problem in found if problem.meant}
    above = {problem.path[:length] for problem in found for length in range(len(problem.path))}
    told_apart = {problem.path for problem in found if problem.rule != "type"}

    def follows(problem: Problem) -> bool:
        if problem.rule == "missing":  # it is there under a wrong name
            return problem.path in meant
        if problem.rule == "type":  # one member of a union minds the type, another one had more to say
            return problem.path in above | told_apart
        return problem.rule in {"empty", "length"} and problem.path in above  # the items were refused, not left out

    first: dict[tuple[Path, str], Problem] = {}
    for problem in found:
        if not follows(problem):
            first.setdefault((problem.path, problem.rule), problem)
    return list(first.values())


# --- one error --------------------------------------------------------------------------------------------------------


def _problem(details: Mapping[str, Any], root: Schema) -> Problem:
    place = _Place(root)
    for part in details["loc"]:
        place.enter(part)
    rule, context = details["type"], details.get("ctx", {})
    if "message" in context:  # refused by a model of ours
        at = tuple(int(part) if part.isdigit() else part for part in context["at"].split(".") if part)
        return Problem(place.path + at, place.key, rule, context["message"])
    if rule in _TYPES:
        return Problem(place.path, place.key, "type", f"expected {_TYPES[rule]}, not {shown(details['input'])}")
    return _WORDS.get(rule, _other)(place, details)


def _missing(place: _Place, _details: Mapping[str, Any]) -> Problem:
    name = str(place.path[-1])
    return Problem(place.path, True, "missing", f"{name!r} is missing" + _described(place.described.get(name)))


def _described(text: str | None) -> str:
    if not text:
        return ""
    first = text.split("\n")[0].rstrip(".")
    return ": " + (first if first[:2].isupper() else first[:1].lower() + first[1:])


def _unknown_field(place: _Place, _details: Mapping[str, Any]) -> Problem:
    name, known = str(place.path[-1]), list(place.described)
    meant = nearest(name, known)
    advice = f"did you mean {meant!r}?" if meant else f"here may stand {', '.join(known)}"
    return Problem(place.path, True, "unknown-field", f"unknown field {shown(name)}; {advice}", meant)


def _wrong_choice(place: _Place, details: Mapping[str, Any]) -> Problem:
    return Problem(place.path, False, "value", _not_one_of(details["input"], _choices(place.schema)))


def _wrong_tag(place: _Place, details: Mapping[str, Any]) -> Problem:
    name = details["ctx"]["discriminator"].strip("'")
    message = _not_one_of(details["ctx"]["tag"], _choices(place.schema))
    return Problem((*place.path, name), False, "value", message)


def _missing_tag(place: _Place, details: Mapping[str, Any]) -> Problem:
    name, choices = details["ctx"]["discriminator"].strip("'"), _choices(place.schema)
    for other, value in details["input"].items():
        # Microsoft's published samples say `reccurencePatternType`; the schema, and with it the service, `type` alone.
        if isinstance(value, str) and value in choices:
            message = f"unknown field {shown(other)}; did you mean {name!r}?"
            return Problem((*place.path, other), True, "unknown-field", message, name)
    return Problem((*place.path, name), True, "missing", f"{name!r} is missing: one of {', '.join(choices)}")


def _not_one_of(value: object, choices: list[str]) -> str:
    meant = nearest(str(value), choices)
    return f"{shown(value)} is not one of {', '.join(choices)}" + (f"; did you mean {meant!r}?" if meant else "")


def _wrong_length(place: _Place, details: Mapping[str, Any]) -> Problem:
    bounds, length = details["ctx"], len(details["input"])
    what = "characters" if details["type"].startswith("string") else "members"
    if "max_length" in bounds:
        return Problem(place.path, place.key, "length", f"{length} {what}; {bounds['max_length']} are the most")
    if length:
        return Problem(place.path, place.key, "length", f"{length} {what}; {bounds['min_length']} are the least")
    return Problem(place.path, place.key, "empty", "is empty; leave it out where it may be left out")


def _other(place: _Place, details: Mapping[str, Any]) -> Problem:
    if details["type"] == "value_error":
        return Problem(place.path, place.key, "value", str(details["ctx"]["error"]))
    message = details["msg"][:1].lower() + details["msg"][1:]
    return Problem(place.path, place.key, "value", f"{shown(details['input'])}: {message}")


_WORDS: dict[str, Callable[[_Place, Mapping[str, Any]], Problem]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_field,
    "literal_error": _wrong_choice,
    "enum": _wrong_choice,
    "union_tag_invalid": _wrong_tag,
    "union_tag_not_found": _missing_tag,
    "too_short": _wrong_length,
    "too_long": _wrong_length,
    "string_too_short": _wrong_length,
    "string_too_long": _wrong_length,
}
_MAPPING, _LIST = "a mapping", "a list"
_TYPES = {
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


# --- where it is ------------------------------------------------------------------------------------------------------

_INNER = frozenset({"function-before", "function-after", "function-wrap", "nullable", "default"})
_ITEMS = frozenset({"list", "set", "frozenset"})


class _Place:
    """A walk down a schema along the `loc` of an error, which names members of unions as if they were fields."""

    def __init__(self, root: Schema) -> None:
        self._definitions: dict[str, Schema] = {}
        self.path: Path = ()
        self.key = False
        self.described: dict[str, str | None] = {}
        """Name -> description of the fields beside the one entered last."""
        self.schema = self._bare(root)
        self._keys: Schema = {}

    def enter(self, part: str | int) -> None:
        """Go one step down, into a field, an item or a member of a union."""
        kind = self.schema.get("type")
        if kind == "tagged-union" and part in self.schema["choices"]:
            self.schema = self._bare(self.schema["choices"][part])
        elif kind == "union":
            self.schema = {}  # pydantic's name for the member; what lies below is told apart by its path alone
        elif part == "[key]":
            self.key = True
            self.schema = self._bare(self._keys)
        elif kind == "dict":
            self.path = (*self.path, part)
            self._keys, self.schema = self.schema.get("keys_schema", {}), self._bare(self._member(part))
        else:
            self.path = (*self.path, part)
            self.schema = self._bare(self._member(part))

    def _member(self, part: str | int) -> Schema:
        kind = self.schema.get("type")
        if kind == "model":
            said = sentences(self.schema["cls"])
            fields = self.schema["cls"].model_fields
            self.described = {str(field.alias or name): said.get(name) for name, field in fields.items()}
            return self._field(str(part))
        self.described = {}
        if kind == "dict":
            return dict(self.schema.get("values_schema", {}))
        if kind in _ITEMS:
            return dict(self.schema.get("items_schema", {}))
        if kind == "tuple":
            return dict(self.schema["items_schema"][-1])
        return {}

    def _field(self, name: str) -> Schema:
        fields = self._bare(self.schema["schema"]).get("fields", {})
        for plain, field in fields.items():
            if name in {field.get("validation_alias"), plain}:
                return dict(field["schema"])
        return {}

    def _bare(self, schema: Schema) -> Schema:
        while True:
            kind = schema.get("type")
            if kind == "definitions":
                self._definitions |= {definition["ref"]: definition for definition in schema["definitions"]}
                schema = schema["schema"]
            elif kind == "definition-ref":
                schema = self._definitions[schema["schema_ref"]]
            elif kind in _INNER:
                schema = schema["schema"]
            else:
                return schema


def _choices(schema: Schema) -> list[str]:
    kind: Any = schema.get("type")
    if kind == "literal":
        return [str(choice) for choice in schema["expected"]]
    if kind == "enum":
        return [str(member.value) for member in schema["members"]]
    return [str(tag) for tag in schema.get("choices", ())]
