from __future__ import annotations

import json
import re
import uuid

import pytest
import requests

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def test_create_answers_with_the_request_as_submitted(graph, body):
    answer = graph.create(body)

    assert answer.status_code == 201
    made = answer.json()
    assert made["statusDetail"] == "submitted"
    assert uuid.UUID(made["id"])
    assert INSTANT.fullmatch(made["createdDateTime"])
    assert {key: made[key] for key in body} == body


def test_posting_twice_makes_two_requests(graph, body):
    assert graph.created(body) != graph.created(body)


def test_what_the_service_sets_is_not_taken_from_the_body(graph, body):
    body |= {"statusDetail": "completed", "createdDateTime": "2001-01-01T00:00:00Z"}

    made = graph.create(body).json()

    assert made["statusDetail"] == "submitted"
    assert not made["createdDateTime"].startswith("2001")


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "Bearer", "Basic YTpi"])
def test_without_a_bearer_token_nothing_is_told(sandbox, authorization):
    headers = {"client-request-id": "11111111-2222-3333-4444-555555555555"}
    if authorization is not None:
        headers["Authorization"] = authorization

    answer = requests.get(f"{sandbox.graph_url}/external/authorizationSystems", headers=headers, timeout=10)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert answer.json()["error"]["innerError"]["client-request-id"] == headers["client-request-id"]
    assert answer.headers["client-request-id"] == headers["client-request-id"]
    assert answer.headers["request-id"] == answer.json()["error"]["innerError"]["request-id"]


def test_a_request_is_not_read_by_its_id(graph, body):
    request_id = graph.created(body)

    answer = graph.get(f"scheduledPermissionsRequests/{request_id}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "ResourceNotFound"


def test_a_body_needs_its_content_type_and_has_to_be_json(graph, body):
    url = f"{graph.root}/scheduledPermissionsRequests"

    nameless = graph.session.post(url, data=json.dumps(body).encode(), headers={"Content-Type": None})
    text = graph.session.post(url, data=json.dumps(body), headers={"Content-Type": "text/plain"})
    broken = graph.session.post(url, data="{", headers={"Content-Type": "application/json"})

    assert (nameless.status_code, text.status_code, broken.status_code) == (400, 415, 400)
    assert "Content-Type" in nameless.json()["error"]["message"]


SPOILT = {
    "unknown member": (("extra",), 1, "'extra'"),
    "unknown member deep down": (("requestedPermissions", "identityInfo", "sid"), "x", "'sid'"),
    "no type": (("requestedPermissions", "@odata.type"), None, "@odata.type"),
    "unknown type": (("requestedPermissions", "@odata.type"), "#microsoft.graph.nothing", "microsoft.graph.nothing"),
    "enum": (("requestedPermissions", "identityInfo", "identityType"), "User", "identityType"),
    "duration of the SDK": (("scheduleInfo", "expiration", "duration"), "1:00:00", "1:00:00"),
    "duration in weeks": (("scheduleInfo", "expiration", "duration"), "P1W", "duration"),
    "no duration at all": (("scheduleInfo", "expiration", "duration"), "PT0S", "duration"),
    "negative duration": (("scheduleInfo", "expiration", "duration"), "-PT1H", "duration"),
    "both ends": (("scheduleInfo", "expiration", "endDateTime"), "2030-01-01T00:00:00Z", "endDateTime"),
    "start without offset": (("scheduleInfo", "startDateTime"), "2030-01-01T00:00:00", "startDateTime"),
    "no policies": (("requestedPermissions", "actionInfo", "policies"), [], "policies"),
    "policies as text": (("requestedPermissions", "actionInfo", "policies"), ["arn"], "policies/0"),
    "null where none is allowed": (("requestedPermissions", "identityInfo"), None, "identityInfo"),
    "another cloud": (("requestedPermissions", "authorizationSystemInfo", "authorizationSystemType"), "GCP", "'GCP'"),
    "ticket number as a number": (("ticketInfo", "ticketNumber"), 123456, "ticketNumber"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value", "named"), SPOILT.values(), ids=SPOILT)
def test_a_wrong_member_is_refused_by_name(graph, body, path, value, named):
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value

    answer = graph.create(body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "BadRequest"
    assert named in error["message"]
    assert graph.get("scheduledPermissionsRequests").json()["value"] == []


def _statement(**changes):
    empty = {"actions": [], "notActions": [], "resources": [], "notResources": []}
    return {"statementId": "one", "effect": "allow", **empty, "actions": ["s3:*"], "resources": ["*"], **changes}


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        ([_statement(notActions=["s3:Get*"])], "notActions"),
        ([_statement(actions=[])], "actions"),
        ([_statement(resources=[])], "resources"),
        ([_statement(), _statement()], "'one' is not unique"),
        ([_statement(effect="Allow")], "effect"),
        ([_statement(condition="none")], "condition"),
        ([{key: value for key, value in _statement().items() if key != "notActions"}], "notActions"),
    ],
)
def test_statements_have_exactly_one_of_each_pair(graph, body, statements, named):
    body["requestedPermissions"]["actionInfo"] = {
        "@odata.type": "#microsoft.graph.awsActionsPermissionsDefinitionAction",
        "statements": statements,
    }

    answer = graph.create(body)

    assert answer.status_code == 400
    assert named in answer.json()["error"]["message"]


def _recurring(body, pattern, reach):
    body["scheduleInfo"]["recurrence"] = {"pattern": pattern, "range": {"startDate": "2030-01-01", **reach}}
    return body


PATTERNS = {
    "daily": {"interval": 1},
    "weekly": {"interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "sunday"},
    "absoluteMonthly": {"interval": 1, "dayOfMonth": 31},
    "relativeMonthly": {"interval": 1, "daysOfWeek": ["monday"]},
    "absoluteYearly": {"interval": 1, "dayOfMonth": 29, "month": 2},
    "relativeYearly": {"interval": 1, "daysOfWeek": ["friday"], "month": 12, "index": "last"},
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_pattern_takes_what_its_type_needs_and_nothing_else(graph, body, kind):
    pattern = {"type": kind, **PATTERNS[kind]}
    foreign = "month" if kind == "daily" else "daysOfWeek" if "daysOfWeek" not in pattern else "dayOfMonth"

    assert graph.create(_recurring(body, pattern, {"type": "noEnd"})).status_code == 201
    for member in PATTERNS[kind]:
        if member == "index":
            continue
        without = {key: value for key, value in pattern.items() if key != member}
        refusal = graph.create(_recurring(body, without, {"type": "noEnd"}))
        assert refusal.status_code == 400, member
        assert member in refusal.json()["error"]["message"]
    refusal = graph.create(_recurring(body, {**pattern, foreign: []}, {"type": "noEnd"}))
    assert refusal.status_code == 400
    assert f"'{foreign}'" in refusal.json()["error"]["message"]


@pytest.mark.parametrize(
    ("reach", "named"),
    [
        ({"type": "endDate"}, "endDate"),
        ({"type": "numbered"}, "numberOfOccurrences"),
        ({"type": "numbered", "numberOfOccurrences": 0}, "numberOfOccurrences"),
        ({"type": "noEnd", "endDate": "2030-02-01"}, "endDate"),
        ({"type": "forever"}, "forever"),
        ({"type": "noEnd", "startDate": "2030-13-01"}, "startDate"),
    ],
)
def test_a_range_takes_what_its_type_needs(graph, body, reach, named):
    refusal = graph.create(_recurring(body, {"type": "daily", "interval": 1}, reach))

    assert refusal.status_code == 400
    assert named in refusal.json()["error"]["message"]


def test_both_spellings_of_a_type_are_read(graph, body):
    body["requestedPermissions"]["@odata.type"] = "microsoft.graph.awsPermissionsDefinition"

    assert graph.create(body).status_code == 201


def test_published_bodies_are_accepted(graph, published):
    assert len(published) == 6
    for kind, one in published.items():
        assert graph.create(one).status_code == 201, kind


def test_the_published_misspelling_is_refused_by_name(graph, contract):
    misspelt = json.loads((contract / "examples" / "aws-actions.json").read_text())

    answer = graph.create(misspelt)

    assert answer.status_code == 400
    targets = [detail["target"] for detail in answer.json()["error"]["details"]]
    assert "scheduleInfo/recurrence/pattern/reccurencePatternType" in targets
    assert "scheduleInfo/recurrence/range/reccurenceRangeType" in targets


@pytest.mark.parametrize(
    ("on", "caller", "found"),
    [
        ("createdBy", "alex@contoso.com", 1),
        ("createdBy", "alexmanager@contoso.com", 0),
        ("principal", "alex@contoso.com", 1),
        ("principal", "megan@contoso.com", 0),
        ("approver", "alexmanager@contoso.com", 1),
        ("approver", "alex@contoso.com", 0),
        ("approver", "admin@contoso.com", 1),
    ],
)
def test_requests_are_filtered_by_the_caller(graph, body, on, caller, found):
    graph.created(body)
    graph.session.headers["Authorization"] = f"Bearer {caller}"

    answer = graph.get(f"scheduledPermissionsRequests/filterByCurrentUser(on='{on}')")

    assert answer.status_code == 200
    assert len(answer.json()["value"]) == found


def test_an_unknown_relation_to_the_caller_is_refused(graph):
    assert graph.get("scheduledPermissionsRequests/filterByCurrentUser(on='owner')").status_code == 400
