"""The starter set in `policies/`: its cases hold, it judges the published requests well, and the docs tell of it."""

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from pmgitops import load as requests
from pmgitops.model.docs import sentences
from pmgitops.policy import bundle, cases, facts
from pmgitops.policy.declared import fields, is_kind
from pmgitops.policy.facts import TicketFacts
from pmgitops.policy.form import policy_schema

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "policies").glob("*.yaml"))
EXAMPLES = ROOT / "requests" / "examples"
SCHEMA = ROOT / "pmgitops" / "schemas" / "policy.schema.json"
DOCS = (ROOT / "docs" / "policies.md").read_text()
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def starter():
    files = [(path.relative_to(ROOT).as_posix(), path.read_bytes()) for path in FILES]
    return bundle.load(files, proofread=True)


@cache
def without_exceptions():
    text = (ROOT / "policies" / "data.yaml").read_text().partition("\nexceptions:")[0]
    files = [(path.relative_to(ROOT).as_posix(), path.read_bytes()) for path in FILES if path.name != "data.yaml"]
    return bundle.load([*files, ("policies/data.yaml", text.encode())])


def judged(name, by=None, now=TODAY, **known):
    path = EXAMPLES / f"{name}.yaml"
    file = requests.load(f"requests/examples/{name}.yaml", path.read_bytes())
    return (by or starter()).judge(file, now=now, **known)


def test_the_set_is_without_a_mistake():
    assert starter().findings == ()
    assert len(starter().policies) >= 15


RESULTS = cases.run(starter())


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: f"{result.policy}: {result.it}")
def test_every_case_holds(result):
    assert result.passed, "\n".join(found.message for found in result.findings)


# --- the published requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aws-policies", "azure-roles", "gcp-actions", "gcp-roles"])
@pytest.mark.parametrize("now", [TODAY, datetime(2027, 2, 28, tzinfo=UTC)])
def test_what_is_well_asked_passes(name, now):
    assert judged(name, now=now) == []


def test_role_assignments_wait_for_the_ticket():
    (found,) = judged("azure-actions")
    assert (found.rule, found.severity) == ("role-assignments-approved", "approval")
    assert "before the ticket is read" in found.message
    line = (EXAMPLES / "azure-actions.yaml").read_text().splitlines()[found.line - 1]
    assert "actions" in line or "roleAssignments" in line


@pytest.mark.parametrize(
    ("ticket", "said"),
    [
        ({"class_": "change_request", "approval": "approved"}, None),
        ({"class_": "incident", "state": "2"}, None),
        ({"class_": "incident", "state": "1", "state_label": "New"}, "is New, approval unknown"),
        (
            {"class_": "change_request", "approval": "requested", "state_label": "Assess"},
            "is Assess, approval requested",
        ),
        ({"class_": "change_request", "approval": "approved", "active": False}, "approval approved"),
        ({"class_": "change_request", "state": "2"}, "approval unknown"),
        ({"found": False, "active": False}, "is not found, approval unknown"),
    ],
)
def test_the_ticket_decides_about_role_assignments(ticket, said):
    found = judged("azure-actions", ticket=TicketFacts(**{"found": True, "active": True, **ticket}))
    assert [(entry.rule, entry.severity) for entry in found] == (
        [("role-assignments-approved", "approval")] if said else []
    )
    assert all(said in entry.message for entry in found)


def test_the_request_for_everything_is_refused_line_by_line():
    found = judged("aws-actions", without_exceptions())
    lines = (EXAMPLES / "aws-actions.yaml").read_text().splitlines()
    assert {(entry.rule, lines[entry.line - 1].strip()) for entry in found if entry.blocks} == {
        ("no-wildcard-resources", 'resources: ["*"]'),
        ("no-wildcard-actions", "actions: [s3:Delete*]"),
        ("not-in-the-past", "startDateTime: 2023-02-08T12:15:00Z"),
        ("recurrence-ends", "range: {type: noEnd, startDate: 2023-02-08}"),
    }
    assert len([entry for entry in found if entry.rule == "no-wildcard-resources"]) == 2, "one a statement"


def test_its_exceptions_let_it_stand_until_they_end():
    assert {found.severity for found in judged("aws-actions")} == {"warning"}
    later = judged("aws-actions", now=datetime(2028, 1, 1, tzinfo=UTC))
    assert {found.severity for found in later} == {"error"}
    assert all("the exception ended 2027-12-31T00:00:00Z" in found.message for found in later)


def test_every_list_is_looked_at_by_a_rule():
    rules = "".join(f"{rule.policy.require} {rule.policy.applies}" for rule in starter().policies)
    for name in starter().context["data"]:
        assert f"data.{name}." in rules, name


# --- the schema and the docs ------------------------------------------------------------------------------------------


def test_the_published_schema_is_what_the_models_say(request):
    text = orjson.dumps(policy_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if request.config.getoption("--bless", default=False):
        SCHEMA.write_bytes(text)
    assert SCHEMA.read_bytes() == text, "run with --bless, and read the difference"
    Draft202012Validator.check_schema(policy_schema())


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "data.yaml"], ids=lambda path: path.stem)
def test_the_schema_takes_what_the_loader_takes(path):
    content = yaml.load(path.read_text(), yaml.BaseLoader)
    assert [error.message for error in Draft202012Validator(policy_schema()).iter_errors(content)] == []


@pytest.mark.parametrize(
    "change", [{"severity": "fatal"}, {"titel": "x"}, {"cases": "none"}, {"id": "A B"}, {"at": []}]
)
def test_the_schema_refuses_what_the_loader_refuses(change):
    content = yaml.load(FILES[0].read_text(), yaml.BaseLoader) | change
    assert not Draft202012Validator(policy_schema()).is_valid(content)


def rows(heading):
    """The first two cells of a table of the docs, by the first one."""
    section = DOCS.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip().strip("`"): row[1].strip() for row in cells}


def test_the_docs_name_every_rule_and_no_other():
    assert rows("The starter set") == {rule.policy.id: rule.policy.severity for rule in starter().policies}


def described(name, kind):
    below = sentences(kind).values()
    for (field, annotation), sentence in zip(fields(kind).items(), below, strict=True):
        path = f"{name}.{field}"
        item = next((inner for inner in getattr(annotation, "__args__", ()) if is_kind(inner)), annotation)
        if is_kind(item):
            yield from described(path if item is annotation else f"{path}[]", item)
        else:
            yield path, sentence.replace("\n", " ")


def test_the_docs_name_every_fact_with_its_description():
    declared = dict(pair for name, kind in facts.VARIABLES.items() if is_kind(kind) for pair in described(name, kind))
    assert rows("The facts") == declared


def test_every_example_in_the_docs_is_a_policy():
    examples = [text for text in re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL) if "\nrequire:" in text]
    assert examples
    data = ("policies/data.yaml", (ROOT / "policies" / "data.yaml").read_bytes())
    for text in examples:
        name = re.search(r"^id: (\S+)", text, re.MULTILINE)[1]
        loaded = bundle.load(
            [(f"policies/{name}.yaml", text.encode()), (data[0], data[1].partition(b"\nexceptions:")[0])],
            proofread=True,
        )
        assert loaded.findings == ()
        assert all(result.passed for result in cases.run(loaded))
