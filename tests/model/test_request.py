"""The published requests, and what becomes of a request's content."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pmgitops.load import RequestFile, load
from pmgitops.model.request import KINDS

EXAMPLES = sorted((Path(__file__).parents[2] / "requests" / "examples").glob("*.yaml"))
CANONICAL = Path(__file__).parents[3] / "shared" / "contract" / "examples" / "canonical"


def request(text):
    found = load("requests/a.yaml", text.encode())
    assert isinstance(found, RequestFile), found
    return found.request


def test_absent_fields_leave_no_trace():
    text = EXAMPLES[0].read_text()
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
