"""From a body at Permissions Management back to the request: whatever can be said is said exactly, the rest is refused
by its member.
"""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pmgitops.model.difference import differences
from pmgitops.model.imported import is_name_of_grant, may_name, name_of_grant
from pmgitops.model.request import REQUEST
from pmgitops.targets import TARGETS
from pmgitops.targets.interface import Inexpressible
from tests.model.test_revision import requests
from tests.targets.test_render import EXAMPLES, HERE, ODD, body_of, request_in, stem

TARGET = TARGETS["permissions-management"]
rendered = requests.map(REQUEST.validate_python)
# What can be written in two ways is read back as the shorter one.
REPHRASED = {"identity-saml-user-marked"}


@given(rendered)
def test_what_is_rendered_is_parsed(request):
    assume(not request.identity.external_id.startswith("rsn:"))
    body = TARGET.render(request)
    assert TARGET.parse(body) == request
    assert TARGET.parse(json.loads(json.dumps(body))) == request


@given(rendered)
def test_what_is_parsed_means_what_was_rendered(request):
    body = TARGET.render(request)
    parsed = TARGET.parse(body)
    assert TARGET.comparable(TARGET.render(parsed)) == TARGET.comparable(body)


@pytest.mark.parametrize("path", [*EXAMPLES, *ODD], ids=stem)
def test_every_golden_body(path):
    request = request_in(path)
    parsed = TARGET.parse(json.loads((HERE / "golden" / f"{path.stem}.json").read_text("utf-8")))
    assert (parsed == request) is (path.stem not in REPHRASED), parsed
    assert TARGET.render(parsed) == TARGET.render(request)


def embellished(body):
    """As the service may show it: its own members, nulls, empty lists, defaults, other spellings."""
    shown = copy.deepcopy(body)
    shown |= {
        "@odata.type": "#microsoft.graph.scheduledPermissionsRequest",
        "@odata.etag": 'W/"1"',
        "id": "an-id",
        "action": None,
        "createdDateTime": "2026-01-15T09:00:00Z",
        "statusDetail": "approved",
    }
    shown.setdefault("notes", None)
    shown.setdefault("ticketInfo", None)
    asked = shown["requestedPermissions"]
    asked["@odata.type"] = asked["@odata.type"].removeprefix("#")
    asked["authorizationSystemInfo"]["authorizationSystemType"] = "aws" if "aws" in str(asked) else "Azure"
    asked["actionInfo"]["policies@odata.context"] = "https://graph.microsoft.com/beta/$metadata#x"
    asked["actionInfo"].setdefault("assignToRoleId", None)
    schedule = shown["scheduleInfo"]
    schedule.setdefault("startDateTime", None)
    schedule.setdefault("recurrence", None)
    if schedule["startDateTime"]:
        schedule["startDateTime"] = schedule["startDateTime"].removesuffix("Z") + "+00:00"
    if schedule["recurrence"]:
        for name, value in {"month": 0, "dayOfMonth": 0, "daysOfWeek": []}.items():
            schedule["recurrence"]["pattern"].setdefault(name, value)
        for name, value in {"endDate": "0001-01-01", "numberOfOccurrences": 0, "recurrenceTimeZone": None}.items():
            schedule["recurrence"]["range"].setdefault(name, value)
    return shown


@given(rendered)
def test_the_services_own_way_of_writing_is_the_same_request(request):
    assume(request.provider != "gcp" and not request.identity.external_id.startswith("rsn:"))
    shown = embellished(TARGET.render(request))
    assert TARGET.parse(shown) == request
    assert differences(TARGET.comparable(TARGET.render(request)), TARGET.comparable(shown)) == ()


BODY = body_of(next(path for path in EXAMPLES if path.stem == "aws-policies"))
STATEMENTS = body_of(next(path for path in EXAMPLES if path.stem == "aws-actions"))


def changed(body, path, value):
    """The body with a member at `path` set, or taken away by an ellipsis."""
    fresh = copy.deepcopy(body)
    *above, last = path.split("/")
    place = fresh
    for part in above:
        place = place[int(part) if part.isdigit() else part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return fresh


@pytest.mark.parametrize(
    ("body", "path", "value", "member"),
    [
        (BODY, "requestedPermissions", ..., "requestedPermissions"),
        (BODY, "requestedPermissions/identityInfo", ..., "requestedPermissions.identityInfo"),
        (BODY, "requestedPermissions/actionInfo/@odata.type", "x", "requestedPermissions.actionInfo.@odata.type"),
        (BODY, "requestedPermissions/actionInfo/policies", ["a"], "requestedPermissions.actionInfo.policies"),
        (BODY, "requestedPermissions/actionInfo/other", 1, "requestedPermissions.actionInfo.other"),
        (BODY, "requestedPermissions/@odata.type", "x", "requestedPermissions.@odata.type"),
        (
            BODY,
            "requestedPermissions/authorizationSystemInfo/authorizationSystemType",
            "GCP",
            "requestedPermissions.authorizationSystemInfo.authorizationSystemType",
        ),
        (BODY, "requestedPermissions/identityInfo/externalId", "alex", "requestedPermissions.identityInfo.externalId"),
        (BODY, "requestedPermissions/identityInfo/externalId", 5, "identity.externalId"),
        (BODY, "requestedPermissions/identityInfo/identityType", "group", "identity.type"),
        (BODY, "justification", ..., "justification"),
        (BODY, "scheduleInfo", ..., "scheduleInfo"),
        (BODY, "scheduleInfo/expiration/duration", "P1Y", "scheduleInfo.expiration.duration"),
        (BODY, "customer", {"a": 1}, "customer"),
        (STATEMENTS, "requestedPermissions/actionInfo/statements/0/actions", ["s3"], "statements.0.actions.0"),
        (STATEMENTS, "requestedPermissions/actionInfo/statements/0/sid", "x", "statements.0.sid"),
        (
            STATEMENTS,
            "requestedPermissions/actionInfo/statements/0/condition",
            {"Bool": {"aws:MultiFactorAuthPresent": True}},
            "statements.0.condition.Bool.aws:MultiFactorAuthPresent",
        ),
    ],
)
def test_what_no_request_can_say_is_refused_by_its_member(body, path, value, member):
    refused = TARGET.parse(changed(body, path, value))
    assert isinstance(refused, Inexpressible), refused
    assert refused.member == member
    assert refused.why


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([path.replace(".", "/") for path in (
    "requestedPermissions", "requestedPermissions.actionInfo", "requestedPermissions.identityInfo",
    "requestedPermissions.identityInfo.source", "requestedPermissions.authorizationSystemInfo", "scheduleInfo",
    "requestedPermissions.identityInfo.externalId", "scheduleInfo.expiration", "ticketInfo", "notes",
)]), any_json)  # fmt: skip
def test_whatever_stands_there_is_parsed_or_refused(path, value):
    parsed = TARGET.parse(changed(BODY, path, value))
    if not isinstance(parsed, Inexpressible):
        assert TARGET.comparable(TARGET.render(parsed)) == TARGET.comparable(changed(BODY, path, value))


@given(rendered, st.text(min_size=1, max_size=50))
def test_a_grants_name_is_a_name_and_its_own(request, remote_id):
    name = name_of_grant(request, "permissions-management", remote_id)
    assert is_name_of_grant(name)
    assert len(name) <= 100
    assert may_name(name, "permissions-management", remote_id)
    assert not may_name(name, "azure-pim", remote_id)
    assert not may_name(name, "permissions-management", remote_id + "x")
