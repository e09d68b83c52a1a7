"""JSON Schemas of pmgitops' files, made from the models, for editors and for whoever checks files elsewhere.

What a schema cannot say (own account, unique ids, an end after the start) is left to the loader.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from pmgitops.model.docs import sentences
from pmgitops.model.request import REQUEST

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def request_schema() -> dict[str, Any]:
    """The schema of a request file, published as `pmgitops/schemas/request.schema.json`."""
    return published(REQUEST, "A pmgitops request: what access, for whom, why, how long and under which ticket")


def published(adapter: TypeAdapter[Any], title: str) -> dict[str, Any]:
    """The JSON Schema of an adapter's type as editors like it best."""
    schema = adapter.json_schema(by_alias=True, mode="validation", schema_generator=_Described)
    return {"$schema": DIALECT, "title": title, **_tidy(schema)}


class _Described(GenerateJsonSchema):
    """With the sentences under the fields."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        said = sentences(schema["cls"])
        for name, field in schema["cls"].model_fields.items():
            if name in said:
                described["properties"][field.alias or name]["description"] = said[name]
        return described


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "discriminator" in schema:
        return _by_tag(schema)
    # Titles made from field names and defaults of null say nothing; a property may be called `title` all the same.
    return {
        key: {name: _tidy(part) for name, part in value.items()} if key in {"properties", "$defs"} else _tidy(value)
        for key, value in schema.items()
        if not (key == "title" or (key == "default" and value is None))
    }


def _by_tag(schema: dict[str, Any]) -> dict[str, Any]:
    """A union as one `if` for each tag: editors complete the fields of that member, and name its faults alone."""
    tag, members = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    rest = {key: _tidy(value) for key, value in schema.items() if key not in {"discriminator", "oneOf", "title"}}
    return {
        "type": "object",
        "properties": {tag: {"enum": list(members)}},
        "required": [tag],
        "allOf": [
            {"if": {"properties": {tag: {"const": name}}, "required": [tag]}, "then": {"$ref": reference}}
            for name, reference in members.items()
        ],
        **rest,
    }
