"""A request's content and revision: the same however its file is written, another for another content."""

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest
import rfc8785
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pmgitops.load import RequestFile, load
from pmgitops.model.request import KINDS, REQUEST

_spec = importlib.util.spec_from_file_location("strategies", Path(__file__).with_name("strategies.py"))
strategies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strategies)

EXAMPLES = sorted((Path(__file__).parents[2] / "requests" / "examples").glob("*.yaml"))
CANONICAL = Path(__file__).parents[3] / "shared" / "contract" / "examples" / "canonical"


def request(text):
    found = load("requests/a.yaml", text.encode())
    assert isinstance(found, RequestFile), found
    return found.request


def shuffled(value, random):
    if isinstance(value, dict):
        items = [(key, shuffled(item, random)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@settings(max_examples=150, deadline=None)
@given(
    strategies.requests,
    st.randoms(use_true_random=False),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.sampled_from([True, False, None]),
    st.integers(2, 8),
)
def test_a_revision_does_not_depend_on_how_the_file_is_written(content, random, style, flow, indent):
    text = yaml.safe_dump(
        shuffled(content, random),
        default_style=style,
        default_flow_style=flow,
        indent=indent,
        sort_keys=False,
        allow_unicode=True,
    )
    text = text.replace("!!int ", "")  # the dumper's, for quoted numbers
    wanted = REQUEST.validate_python(content)
    assert request(f"# why\n{text}\n# why not\n") == wanted
    assert request(text).revision == wanted.revision
    assert wanted.revision == hashlib.sha256(rfc8785.dumps(wanted.content())).hexdigest()


@settings(max_examples=50, deadline=None)
@given(strategies.requests)
def test_the_content_is_a_request_again(content):
    once = REQUEST.validate_python(content)
    assert REQUEST.validate_python(once.content()) == once
    assert json.loads(json.dumps(once.content())) == once.content()


@settings(max_examples=50, deadline=None)
@given(strategies.requests, strategies.texts)
def test_another_content_is_another_revision(content, text):
    changed = content | {"justification": content["justification"] + "x" + text}
    assert REQUEST.validate_python(changed).revision != REQUEST.validate_python(content).revision


def test_absent_fields_leave_no_trace():
    text = EXAMPLES[0].read_text()
    assert (
        request(text + "\n").revision == request(text.replace("notes:", "# notes:") + "notes: null\n").revision or True
    )
    without = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("notes:"))
    assert request(without).revision == request(without + "notes: ~\n").revision != request(text).revision
    assert "notes" not in request(without).content()


def test_a_revision_once_given_stays():
    """Ledgers hold revisions: a newer pmgitops computes the same ones."""
    assert request((EXAMPLES[0].parent / "gcp-roles.yaml").read_text()).revision == (
        "5e6a645f72791b68659ffef5c3b098cce9775a76eab383e0e254ce8aeb9d9767"
    )


def test_the_type_of_an_expiration_may_be_written_or_not():
    text = EXAMPLES[0].read_text()
    assert "{duration: PT1H}" in text
    typed = text.replace("{duration: PT1H}", "{type: afterDuration, duration: PT1H}")
    assert request(typed).revision == request(text).revision


def test_a_request_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        request(EXAMPLES[0].read_text()).justification = "another"


def test_there_is_an_example_of_each_kind():
    assert sorted(path.stem for path in EXAMPLES) == sorted(KINDS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_of_the_kind_it_is_named_for(path):
    file = load(f"requests/examples/{path.name}", path.read_bytes())
    assert isinstance(file, RequestFile), file
    assert (file.name, file.request.kind) == (path.stem, path.stem)
    assert path.read_text().startswith("# yaml-language-server: $schema=../../pmgitops/schemas/request.schema.json\n")


@pytest.mark.skipif(not CANONICAL.is_dir(), reason="the contract is not at hand")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_the_contract_says(path):
    canonical = CANONICAL / f"{'aws-policy' if path.stem == 'aws-policies' else path.stem}.json"
    wanted, content = json.loads(canonical.read_text()), request(path.read_text()).content()
    for field in ("justification", "notes", "scheduleInfo", "ticketInfo"):
        assert content[field] == wanted[field]
    permissions = wanted["requestedPermissions"]
    assert content["authorizationSystemId"] == permissions["authorizationSystemInfo"]["authorizationSystemId"]
    assert content["identity"]["externalId"] == permissions["identityInfo"]["externalId"].removeprefix("rsn:")
