"""What the integration user may not read: never taken for empty, false, absent or unique; told with what it needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pmgitops.errors import PermanentRemoteError
from pmgitops.model.occurrences import span
from pmgitops.model.request import Ticket
from pmgitops.model.schedule import Schedule
from pmgitops.settings import parse
from pmgitops.tickets import gate, inquiry

NUMBER = "INC1234567"
NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)


@pytest.fixture
def judged(ours):
    """What the gate says of a request of an hour, for alex, who opened what the sandbox begins with."""

    def judge(number=NUMBER, **system):
        config = parse(
            json.dumps(
                {"apiVersion": "pmgitops/v1", "tickets": {"ServiceNow": {"host": "http://127.0.0.1:1", **system}}}
            ).encode()
        )
        ticket = Ticket(
            ticket_number=number, ticket_system="ServiceNow", ticket_submitter_identity_id="alex@contoso.com"
        )
        start, end = span(Schedule.model_validate({"expiration": {"duration": "PT1H"}}), NOW)
        claim = gate.Claim(ticket, "a", "aws-policies", "956987887735", start, end)
        (verdict,) = inquiry.verdicts([claim], config, {"servicenow": ours})
        return verdict

    return judge


@pytest.mark.parametrize("field", ["sys_id", "sys_class_name", "state", "active", "approval"])
def test_a_field_without_which_nothing_can_be_said(judged, ours, instance, field):
    """Bare pysnow leaves it out of the row as well, and its reader takes that for empty."""
    assert judged().outcome == "passes"
    instance.settings(unreadable=[f"task.{field}"])
    (row,) = ours._client.resource(api_path="/table/task").get({"number": NUMBER}).all()
    assert field not in row

    verdict = judged()

    assert verdict.outcome == "deferred"
    assert verdict.reasons[0].startswith(f"ServiceNow does not let pmgitops read {field} of {NUMBER}: its user needs")
    assert "You must" not in verdict.reasons[0]
    with pytest.raises(PermanentRemoteError) as error:
        ours.find(NUMBER)
    assert error.value.code == "unreadable"
    assert "probe" in error.value.hint


def test_a_number_that_may_not_be_asked_for(judged, instance):
    instance.settings(unreadable=["number"])
    verdict = judged()
    assert (verdict.outcome, "Insufficient rights to query" in verdict.reasons[0]) == ("deferred", True)


def test_the_role_is_that_of_the_class(judged, instance):
    instance.settings(unreadable=["incident.active"])
    assert "itil, or sn_incident_read" in judged().reasons[0]


CHANGE = {"class": "change_request", "state": "-2", "approval": "approved"}
WINDOW = {"start_date": "2026-01-15 08:00:00", "end_date": "2026-01-15 17:00:00"}


@pytest.mark.parametrize("field", ["start_date", "end_date", "requested_by", "opened_by"])
def test_a_field_that_is_compared(judged, instance, field):
    made = instance.ticket(**CHANGE, **WINDOW, requested_by="alex", opened_by="alex")
    instance.settings(unreadable=[field])

    verdict = judged(made["number"])

    assert verdict.outcome == "deferred"
    assert f"does not let pmgitops read {field} of {made['number']}" in verdict.reasons[0]
    assert "itil, or sn_change_read" in verdict.reasons[0]


@pytest.mark.parametrize(("field", "part"), [("cmdb_ci", "configurationItem"), ("assignment_group", "assignmentGroup")])
def test_what_is_compared_where_it_is_configured(judged, instance, field, part):
    instance.settings(unreadable=[field])

    assert judged().outcome == "passes"
    verdict = judged(scope={"956987887735": {part: "Payments"}})

    assert verdict.outcome == "deferred"
    assert f"read {field} of {NUMBER}" in verdict.reasons[0]


def test_what_is_not_compared_is_not_missed(judged, instance):
    instance.settings(unreadable=["start_date", "opened_by", "correlation_id", "short_description"])
    assert judged(submitter="off", window="off").outcome == "passes"


@pytest.mark.parametrize("field", ["sysapproval", "approver", "state", "sys_updated_by"])
def test_an_approval_that_is_half_seen(judged, instance, field):
    made = instance.ticket(**CHANGE, **WINDOW, requested_by="alex", opened_by="alex")
    instance.approval(made["sys_id"], approver="alexmanager", state="approved")
    assert judged(made["number"]).outcome == "passes"
    instance.settings(unreadable=[f"sysapproval_approver.{field}"])

    verdict = judged(made["number"])

    assert verdict.outcome == "deferred"
    assert "sysapproval_approver" in verdict.reasons[0] or "Insufficient rights to query" in verdict.reasons[0]


@pytest.mark.parametrize("field", ["sys_id", "email", "active"])
def test_a_user_who_is_half_seen(judged, instance, field):
    instance.settings(unreadable=[f"sys_user.{field}"])
    verdict = judged()
    assert verdict.outcome == "deferred"
    assert "sys_user" in verdict.reasons[0] or "Insufficient rights to query" in verdict.reasons[0]


def test_two_of_one_number_of_which_one_is_hidden(judged, ours, instance):
    """Limits go before row ACLs: one row of one page is not one row of all."""
    other = instance.ticket(number=NUMBER)
    instance.settings(hidden=[other["sys_id"]])
    bare = ours._client.resource(api_path="/table/task").get({"number": NUMBER}, limit=2)
    assert (len(bare.all()), bare.headers["X-Total-Count"]) == (1, "2")

    verdict = judged()

    assert verdict.outcome == "refused"
    assert "several numbered INC1234567" in verdict.reasons[0]


@pytest.mark.parametrize("field", ["state", "active", "approval"])
def test_a_pinned_ticket_that_is_half_seen_has_not_turned(ours, instance, field):
    """What a link is held against is not known then, which is not a change."""
    link = ours.find(NUMBER)[0].link("ServiceNow")
    instance.settings(unreadable=[field])
    with pytest.raises(PermanentRemoteError) as error:
        ours.pinned([link])
    assert error.value.code == "unreadable"
