"""From a request to the body that is sent: golden files, the published bodies, and what holds of every request.

Every request in `requests/examples` and in `tests/targets/requests` has its body in `tests/targets/golden`; `--bless`
writes it.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings

from pmgitops.load import RequestFile, load
from pmgitops.model.request import REQUEST
from pmgitops.targets import TARGETS
from tests.model.test_revision import requests
from tests.world import CONTRACT, ROOT, needs_contract

TARGET = TARGETS["permissions-management"]
HERE = Path(__file__).parent
EXAMPLES = sorted((ROOT / "requests" / "examples").glob("*.yaml"))
ODD = sorted((HERE / "requests").glob("*.yaml"))
PUBLISHED = ("aws-policy", "aws-actions", "azure-actions", "azure-roles", "gcp-actions", "gcp-roles")


def stem(path):
    return path.stem


def request_in(path):
    loaded = load(f"requests/{path.name}", path.read_bytes())
    assert isinstance(loaded, RequestFile), loaded
    return loaded.request


def body_of(path):
    return TARGET.render(request_in(path))


def members(body, path=()):
    """Every member below, with the path to it."""
    entries = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list | tuple) else ()
    for key, value in entries:
        yield (*path, key), value
        yield from members(value, (*path, key))


@pytest.mark.parametrize("path", [*EXAMPLES, *ODD], ids=stem)
def test_the_body(path, golden):
    golden(HERE / "golden" / f"{path.stem}.json", json.dumps(body_of(path), indent=2, ensure_ascii=False) + "\n")


def test_no_golden_file_is_left_over():
    assert {path.stem for path in (HERE / "golden").glob("*")} == {path.stem for path in [*EXAMPLES, *ODD]}


@needs_contract
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_examples_are_the_published_bodies(name):
    path = ROOT / "requests" / "examples" / f"{'aws-policies' if name == 'aws-policy' else name}.yaml"
    assert body_of(path) == json.loads((CONTRACT / "examples" / "canonical" / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def described():
    """A validator of bodies, as the published description has them."""
    text = (CONTRACT / "graph-beta-permissions-management.openapi.yaml").read_text("utf-8")
    components = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["components"]
    reference = "#/components/schemas/microsoft.graph.scheduledPermissionsRequest.create"
    return jsonschema.Draft202012Validator({"$ref": reference, "components": components})


@needs_contract
@pytest.mark.parametrize("path", [*EXAMPLES, *ODD], ids=stem)
def test_the_body_is_as_described(path, described):
    described.validate(json.loads(json.dumps(body_of(path))))


@needs_contract
def test_the_description_would_refuse_others(described):
    """As it does one of the bodies that were published."""
    published = json.loads((CONTRACT / "examples" / "aws-actions.json").read_text("utf-8"))
    assert "reccurencePatternType" in str(published)
    assert not described.is_valid(published)
    body = body_of(EXAMPLES[0])
    assert not described.is_valid({**body, "notes": None, "unknown": 1})


# Of every request

rendered = requests.map(REQUEST.validate_python)


@given(rendered)
def test_nothing_is_null_and_every_type_is_marked(request):
    for path, value in members(TARGET.render(request)):
        assert value is not None, path
        if path[-1] == "@odata.type":
            assert value.startswith("#microsoft.graph."), path


@given(rendered)
def test_a_body_is_the_same_every_time_and_survives_json(request):
    body = TARGET.render(request)
    assert body == TARGET.render(REQUEST.validate_python(request.content())) == json.loads(json.dumps(body))


@given(rendered)
def test_words_are_kept_as_they_were_written(request):
    content, body = request.content(), TARGET.render(request)
    for name in ("justification", "notes", "scheduleInfo", "ticketInfo"):
        assert body.get(name) == content.get(name)
    assert body["scheduleInfo"]["expiration"]["type"]
    text = json.dumps(body)
    for _, value in members(content):
        if isinstance(value, str) and value not in ("pmgitops/v1", request.kind, request.identity.source):
            assert json.dumps(value)[1:-1] in text


@given(rendered)
@settings(max_examples=30)
def test_the_correlation_is_the_last_line_of_the_notes(request):
    body = TARGET.render(request)
    before = json.dumps(body)
    marked = TARGET.correlated(body, "pmgitops:a@012345678901")

    assert marked["notes"].split("\n")[-1] == "pmgitops:a@012345678901"
    assert marked["notes"].removesuffix("pmgitops:a@012345678901").removesuffix("\n") == body.get("notes", "")
    assert {**marked, "notes": body.get("notes")} == {**body, "notes": body.get("notes")}
    assert json.dumps(body) == before
