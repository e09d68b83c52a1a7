"""`schema --with-catalog`: what an editor completes and tells on hover; being unknown is no fault."""

from __future__ import annotations

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.cli.test_help import ROOT
from tests.model.test_schema import Editor
from tests.new.conftest import flags
from tests.world import run

EXAMPLES = sorted((ROOT / "requests" / "examples").glob("*.yaml"))
PLACES = {
    ("AwsPolicies", "authorizationSystemId"): "956987887735",
    ("AwsPolicies", "policies"): "arn:aws:iam::956987887735:policy/AddUserToGroup",
    ("AwsPolicies", "assignToRoleId"): "arn:aws:iam::956987887735:role/saml-user",
    ("AwsActions", "authorizationSystemId"): "377596131774",
    ("Statement", "actions"): "s3:AbortMultipartUpload",
    ("Statement", "notActions"): "iam:PassRole",
    ("AzureActions", "actions"): "Microsoft.Authorization/roleAssignments/write",
    ("AzureActions", "resourceId"): "/subscriptions/87eefd90-95a3-480a-ba42-56ff299a05ee",
    ("AzureRoles", "roles"): "cdda3590-29a3-44f6-95f2-9f980659eb04",
    ("AzureRoles", "authorizationSystemId"): "87eefd90-95a3-480a-ba42-56ff299a05ee",
    ("GcpActions", "actions"): "aiplatform.dataItems.create",
    ("GcpRoles", "roles"): "roles/dialogflow.aamAdmin",
    ("GcpRoles", "resourceId"): "carbide-bonsai-205017",
    ("Identity", "externalId"): "alex@adatum.com",
    ("Ticket", "ticketSystem"): "ServiceNow",
    ("Ticket", "ticketSubmitterIdentityId"): "alex@contoso.com",
    ("Ticket", "ticketApproverIdentityId"): "alexmanager@contoso.com",
}


@pytest.fixture(scope="module")
def schema():
    return run("-C", str(ROOT), "schema", "request", "--with-catalog").json


def offered(schema, model, name):
    """What an editor completes: the enum among the alternatives of a field or of its items."""
    field = schema["$defs"][model]["properties"][name]
    parts = [field, *field.get("anyOf", [])]
    parts += [part for one in parts if "items" in one for part in (one["items"], *one["items"].get("anyOf", []))]
    known = [schema["$defs"][part["$ref"].rsplit("/", 1)[1]] for part in parts if "$ref" in part]
    (found,) = [one for one in known if "enum" in one]
    return dict(zip(found["enum"], found.get("markdownEnumDescriptions", found["enum"]), strict=True))


def errors(schema, text):
    return [error.message for error in Draft202012Validator(schema).iter_errors(yaml.load(text, Editor))]


def test_it_is_a_schema(schema) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_what_stands_in_the_repository_is_completed(schema, place) -> None:
    assert PLACES[place] in offered(schema, *place)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_valid(schema, example) -> None:
    assert errors(schema, example.read_text()) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_what_nobody_knows_is_no_error_and_what_is_malformed_still_is(schema, example) -> None:
    text = example.read_text()
    for known, unknown in (
        ("956987887735", "000000000001"),
        ("alex@", "somebody.new@"),
        ("cdda3590", "00000000"),
        ("87eefd90", "00000000"),
        ("s3:Delete*", "newservice:New*"),
        ("roles/dialogflow", "roles/new"),
    ):
        text = text.replace(known, unknown)
    assert errors(schema, text) == []
    assert errors(schema, text.replace("authorizationSystemId:", "authorizationSystemId: a b #"))
    assert errors(schema, text.replace("externalId: somebody", "externalId: some body"))


def test_actions_tell_their_access_level_on_hover(schema) -> None:
    actions = offered(schema, "Statement", "actions")
    assert (actions["s3:DeleteBucket"], actions["iam:PassRole"]) == ("Write", "Permissions management")
    assert len(actions) > 10_000


def described(schema, model, name):
    """What hovering a field shows."""
    field = schema["$defs"][model]["properties"][name]
    if "const" in field:
        return True
    return field.get("description") or schema["$defs"][field["$ref"].rsplit("/", 1)[1]].get("description")


def test_every_field_tells_on_hover_what_it_is(schema) -> None:
    models = {name: model for name, model in schema["$defs"].items() if "properties" in model}
    assert len(models) > 15
    dull = [
        (model, name) for model in models for name in models[model]["properties"] if not described(schema, model, name)
    ]
    assert [place for place in dull if place[1] != "type"] == []


def test_a_snapshot_is_completed_from(world) -> None:
    """With the names that people know, and although nobody has asked for any of it."""
    assert world.run("catalog", "pull").code == 0
    schema = world.run("schema", "--with-catalog").json
    roles = offered(schema, "AzureRoles", "roles")
    assert roles["cdda3590-29a3-44f6-95f2-9f980659eb04"]
    assert "alex@contoso.com" in offered(schema, "Identity", "externalId")
    assert offered(schema, "AwsPolicies", "authorizationSystemId")["956987887735"]
    assert "roles/dialogflow.aamAdmin" in offered(schema, "GcpRoles", "roles")
    assert not any(one.startswith("rsn:") for one in offered(schema, "Identity", "externalId"))


def test_an_empty_folder_gets_the_plain_one(tmp_path) -> None:
    schema = run("-C", str(tmp_path), "schema", "--with-catalog").json
    assert errors(schema, EXAMPLES[0].read_text()) == []
    assert "pattern" in schema["$defs"]["AzureRoles"]["properties"]["roles"]["items"]


def test_only_of_requests(tmp_path) -> None:
    assert run("-C", str(tmp_path), "schema", "config", "--with-catalog").code == 2


def test_new_points_at_the_schema_that_there_is(home) -> None:
    assert run("-C", str(home), *flags("gcp-roles", "--name", "x", "--dir", "a/b")).code == 0
    first = (home / "requests/a/b/x.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../../schemas/request.schema.json"
