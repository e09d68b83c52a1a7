"""Microsoft's published SDK reads every body that we send: what it does not know, the service would not either."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from tests.targets.test_render import EXAMPLES, ODD, body_of, stem
from tests.world import CONTRACT, needs_contract

# The SDK warns about itself throughout its own code.
pytestmark = [pytest.mark.sdk, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
pytest.importorskip("msgraph_beta")

from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory  # noqa: E402
from msgraph_beta.generated.models.scheduled_permissions_request import ScheduledPermissionsRequest  # noqa: E402


def parsed(body):
    content = json.dumps(body).encode()
    node = JsonParseNodeFactory().get_root_parse_node("application/json", content)
    return node.get_object_value(ScheduledPermissionsRequest)


def unknown(node, path=""):
    """What the SDK could not place, as paths into the tree that it made."""
    if isinstance(node, list):
        for place, one in enumerate(node):
            yield from unknown(one, f"{path}[{place}]")
    if not hasattr(node, "get_field_deserializers"):
        return
    if type(node).__name__ != "AwsCondition":  # an open type: all of it stands in additional_data
        yield from (f"{path}.{name}" for name in node.additional_data)
    for name, value in vars(node).items():
        if name not in ("additional_data", "backing_store"):
            yield from unknown(value, f"{path}.{name}")


def classes(node):
    """The classes that the SDK found, by their paths."""
    if isinstance(node, list):
        return {name for one in node for name in classes(one)}
    if not hasattr(node, "get_field_deserializers"):
        return set()
    return {type(node).__name__}.union(*(classes(value) for value in vars(node).values()))


@pytest.mark.parametrize("path", [*EXAMPLES, *ODD], ids=stem)
def test_nothing_of_a_body_is_unknown(path):
    body = body_of(path)
    read = parsed(body)

    assert list(unknown(read)) == []
    assert body["requestedPermissions"]["@odata.type"].removeprefix("#microsoft.graph.").lower() in {
        name.lower() for name in classes(read)
    }
    assert read.schedule_info.expiration.type is not None
    if body["requestedPermissions"]["identityInfo"]["source"]["@odata.type"].endswith("awsIdentitySource"):
        assert "AwsIdentitySource" in classes(read)


def test_conditions_arrive_whole():
    body = body_of(next(path for path in ODD if path.stem == "statements"))
    condition = parsed(body).requested_permissions.action_info.statements[0].condition

    assert set(condition.additional_data) == {"StringLike", "Bool"}


def test_a_duration_is_read_as_its_length():
    body = body_of(next(path for path in ODD if path.stem == "expiration-odd-duration"))

    assert parsed(body).schedule_info.expiration.duration.total_seconds() == 3600.5


def spoiled(body, *path, to=None):
    """The body with one member under another name."""
    body = copy.deepcopy(body)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[to] = inner.pop(path[-1])
    return body


def test_a_misspelt_member_is_found():
    body = body_of(Path(next(path for path in EXAMPLES if path.stem == "aws-actions")))
    recurrence = ("scheduleInfo", "recurrence")

    assert list(unknown(parsed(spoiled(body, *recurrence, "pattern", "type", to="reccurencePatternType")))) == [
        ".schedule_info.recurrence.pattern.reccurencePatternType"
    ]
    assert list(unknown(parsed(spoiled(body, *recurrence, "range", "type", to="reccurenceRangeType"))))
    assert list(unknown(parsed(spoiled(body, "requestedPermissions", "identityInfo", "externalId", to="external"))))


def test_a_type_without_its_mark_is_not_recognised():
    text = json.dumps(body_of(EXAMPLES[0])).replace("#microsoft", "microsoft")

    assert list(unknown(parsed(json.loads(text))))


@needs_contract
@pytest.mark.parametrize("path", sorted((CONTRACT / "examples").glob("*.json")), ids=stem)
def test_what_was_published_leaves_something(path):
    assert list(unknown(parsed(json.loads(path.read_text("utf-8")))))


@needs_contract
@pytest.mark.parametrize("path", sorted((CONTRACT / "examples" / "canonical").glob("*.json")), ids=stem)
def test_what_was_meant_does_not(path):
    assert list(unknown(parsed(json.loads(path.read_text("utf-8"))))) == []
