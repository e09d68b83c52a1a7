"""What kinds of facts declare: fields, by the names that rules and messages say; and facts as plain values."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeGuard, get_type_hints

from pydantic import BaseModel
from pydantic.alias_generators import to_camel


def is_kind(annotation: object) -> TypeGuard[type]:
    """Whether a type is a kind of facts of its own: a named tuple that we make, or a model that we are handed."""
    return isinstance(annotation, type) and (hasattr(annotation, "_fields") or issubclass(annotation, BaseModel))


@cache
def fields(kind: type) -> dict[str, Any]:
    """Name, as rules say it -> type, in the order in which a value of the kind holds them."""
    if issubclass(kind, BaseModel):
        return {entry.alias or name: entry.annotation for name, entry in kind.model_fields.items()}
    return {to_camel(name): annotation for name, annotation in get_type_hints(kind).items()}


def plain(value: Any) -> Any:
    """A fact as messages name it: a mapping for a kind of facts, anything else as it is."""
    kind: type = type(value)
    if not is_kind(kind):
        return tuple(map(plain, value)) if isinstance(value, tuple) else value
    parts = [getattr(value, name) for name in type(value).model_fields] if isinstance(value, BaseModel) else value
    return dict(zip(fields(kind), map(plain, parts), strict=True))
