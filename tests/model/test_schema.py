"""The published JSON Schema: made from the models, takes what the loader takes, refuses what a schema can refuse."""

import re
from pathlib import Path

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from pmgitops.model.request import KINDS
from pmgitops.model.schema import request_schema

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "pmgitops" / "schemas" / "request.schema.json"
CASES = ROOT / "tests" / "cases" / "requests"
VALIDATOR = Draft202012Validator(request_schema())

BEYOND = {
    "alias", "directive", "documents", "duplicate-key", "key", "null", "tag", "yaml",  # gone once the text is parsed
    "expiration", "identity", "range", "repeated", "schedule", "statement", "text",  # between fields, or by hand
}  # fmt: skip
"""Rules that a schema cannot express, or that do not concern it."""
BEYOND_CASES = {
    "arn/role-of-another-account",
    "arn/policy-of-another-account",
    "account/of-the-identity",  # digits without quotes, a number of any length to an editor
    "account/eleven-digits",
    "instant/no-such-day",
    "instant/no-such-hour",
    "instant/leap-second",
    "date/no-such-day",
    "ticket-number/too-long",
    "duration/zero",
    "duration/huge",
    "ascii/in-a-condition-key",
    "ascii/newline",  # Python's $ stands before a last line break; a browser's does not
    "number/octal",  # 010 is ten to an editor
}


class Editor(yaml.CSafeLoader):
    """YAML 1.2's core schema, which editors read files by."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
):
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)
Editor.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def name(path):
    return "/".join(path.relative_to(CASES).parts[1:]).removesuffix(".yaml")


def errors(path):
    return [error.message for error in VALIDATOR.iter_errors(yaml.load(path.read_text(), Editor))]


def test_the_published_file_is_what_the_models_say(request):
    text = orjson.dumps(request_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if request.config.getoption("--bless", default=False):
        PUBLISHED.write_bytes(text)
    assert PUBLISHED.read_bytes() == text, "run with --bless, and read the difference"


def test_it_is_a_schema():
    Draft202012Validator.check_schema(request_schema())


ACCEPTED = [*sorted(CASES.glob("accepted/*/*.yaml")), *sorted((ROOT / "requests" / "examples").glob("*.yaml"))]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_the_loader_takes_the_schema_takes(path):
    assert errors(path) == []


EXPRESSIBLE = [path for path in sorted(CASES.glob("rejected/*/*.yaml")) if path.parent.name not in BEYOND]


@pytest.mark.parametrize("path", EXPRESSIBLE, ids=name)
def test_what_a_schema_can_refuse_it_refuses(path):
    assert bool(errors(path)) is (name(path) not in BEYOND_CASES)


@pytest.mark.parametrize("kind", KINDS)
def test_an_editor_is_told_the_fields_of_a_kind(kind):
    (branch,) = [b for b in request_schema()["allOf"] if b["if"]["properties"]["kind"]["const"] == kind]
    members = request_schema()["$defs"][branch["then"]["$ref"].rsplit("/", 1)[1]]
    assert members["additionalProperties"] is False
    assert {"apiVersion", "kind", "identity", "justification", "scheduleInfo"} <= set(members["required"])
    undescribed = [
        name for name, field in members["properties"].items() if not ({"description", "const", "$ref"} & field.keys())
    ]
    assert undescribed == []
