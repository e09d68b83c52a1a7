"""The published JSON Schema of the configuration: made from the models, takes what they take, and says so in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from pmgitops.settings import config_schema
from tests.settings.test_config import EVERYTHING
from tests.world import ROOT, run

PUBLISHED = ROOT / "pmgitops" / "schemas" / "config.schema.json"
SCHEMA = config_schema()


def test_the_published_file_is_what_the_models_say(golden) -> None:
    text = orjson.dumps(SCHEMA, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    golden(PUBLISHED, text)


def valid(text: str) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text))


def test_it_takes_what_the_loader_takes() -> None:
    assert valid(EVERYTHING)
    assert valid((ROOT / "pmgitops.yaml").read_text())
    assert valid("ledger: {lease: 60}")
    assert valid("apiVersion: pmgitops/v1")


@pytest.mark.parametrize(
    "text",
    [
        "branhc: main",
        "branch: a..b",
        "targets: {azure-pim: {}}",
        "targets: {permissions-management: {endpoint: ftp://x}}",
        "routes: [{kinds: [aws-policies]}]",
        "routes: [{target: permissions-management, kinds: [aws-policy]}]",
        "tickets: {S: {gate: required}}",
        "tickets: {S: {host: x, gate: maybe}}",
        "tickets: {S: {host: x, states: {incident: []}}}",
        "ledger: {ref: refs/tags/x}",
        "ledger: {lease: 1h}",
        "limits: {maxCancellations: -1}",
    ],
)
def test_it_refuses_what_a_schema_can_refuse(text: str) -> None:
    assert not valid(text)


def fields(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from schema["properties"].items()
        for part in schema.values():
            yield from fields(part)


def test_every_field_says_what_it_is() -> None:
    assert [name for name, field in fields(SCHEMA) if "description" not in field] == []


@pytest.mark.parametrize("what", ["request", "policy", "config"])
def test_the_command_prints_it(what: str) -> None:
    printed = run("schema", what)
    assert (printed.code, printed.err) == (0, "")
    assert printed.out == (ROOT / "pmgitops" / "schemas" / f"{what}.schema.json").read_text()
    assert printed.json["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert printed.json["title"]
    Draft202012Validator.check_schema(printed.json)
