"""The gate on an instance: `gate.yaml` row by row, and what stands in the way of an answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pmgitops.errors import PermanentRemoteError
from pmgitops.model.occurrences import span
from pmgitops.model.request import Ticket
from pmgitops.model.schedule import Schedule
from pmgitops.settings import parse
from pmgitops.tickets import gate, inquiry

ROWS = yaml.safe_load((Path(__file__).parent / "gate.yaml").read_text("utf-8"))
NUMBER = "INC1234567"
NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
WINDOWS = {
    "change_request": ("start_date", "end_date"),
    "change_task": ("planned_start_date", "planned_end_date"),
}


def config(**system):
    settings = {"host": "http://127.0.0.1:1", **system}
    return parse(json.dumps({"apiVersion": "pmgitops/v1", "tickets": {"ServiceNow": settings}}).encode())


def ticket(number=NUMBER, system="ServiceNow", **people):
    return Ticket(ticket_number=number, ticket_system=system, **people)


def claimed(claim, client, config):
    (verdict,) = inquiry.verdicts([claim], config, {"servicenow": client} if client else {})
    return verdict


def judged(client, number=NUMBER, **system):
    return claimed(gate.Claim(ticket(number)), client, config(**system))


def label(row):
    told = [row.get(name) for name in ("class", "state", "approval")]
    return "-".join(
        filter(None, [*told, *[name for name in ("window", "access", "people", "approvals") if name in row]])
    )


def made_of(row, instance):
    """The ticket of a row."""
    for user in row.get("users", ()):
        instance.user(**user)
    for name in row.get("items", ()):
        instance.ticket(**{"class": "cmdb_ci", "name": name})
    fields = {name: row[name] for name in ("class", "state") if name in row} | row.get("fields", {})
    planned = row.get("window", ["2026-01-15 08:00:00", "2026-01-15 17:00:00"])
    fields |= dict(zip(WINDOWS.get(row["class"], ()), planned, strict=False))
    made = instance.ticket(**fields)
    for asked in row.get("approvals", ()):
        instance.approval(made["sys_id"], **asked)
    instance.change(made["number"], **{name: row[name] for name in ("approval", "active") if name in row})
    return made


def claim_of(row, number):
    """The claim of a row: the access of an hour from now on, where it says nothing else."""
    access = {"expiration": {"duration": "PT1H"}} | row.get("access", {})
    start, end = span(Schedule.model_validate(access), NOW)
    people = row.get("people", {})
    named = {f"ticket_{party}_identity_id": who for party, who in people.items() if party != "author"}
    about = row.get("system", "956987887735")
    return gate.Claim(
        ticket(number, **named), "a", row.get("kind", "aws-policies"), about, start, end, people.get("author", "")
    )


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_the_gate(ours, instance, row):
    made = made_of(row, instance)

    verdict = claimed(claim_of(row, made["number"]), ours, config(**row.get("config", {})))

    assert verdict.outcome == ("passes" if row.get("passes") else "refused")
    assert verdict.passes is bool(row.get("passes"))
    words = "\n".join(verdict.reasons)
    assert all(said in words for said in row.get("says", []))
    assert bool(words) is not verdict.passes
    assert all(reason.startswith("You must ") and made["number"] in reason for reason in verdict.reasons)
    assert (verdict.record.table, verdict.record.sys_id) == (row["class"], made["sys_id"])
    assert verdict.record.link("ServiceNow").number == made["number"]


def test_every_known_class_has_rows_both_ways():
    from pmgitops.settings import DEFAULT_STATES  # noqa: PLC0415

    assert {row["class"] for row in ROWS} == set(DEFAULT_STATES)
    assert all(bool(row.get("passes")) != ("says" in row) for row in ROWS)


def test_what_was_read_is_kept_with_the_request(ours, instance):
    """A snapshot: changing a named field shows, changing another does not."""
    first = judged(ours).record
    assert (first.state, first.state_label, first.active) == ("2", "In Progress", True)
    instance.change(NUMBER, priority="1")
    assert judged(ours).record.digest == first.digest
    instance.change(NUMBER, state="3")
    assert judged(ours).record.digest != first.digest


# Numbers

ODD = [
    "INC123",
    "inc1234567",
    "INC1234567890123",
    "XYZ1234567",
    "INC1234567-",
    "1234567",
    "-",
]
HOSTILE = [
    "INC1^ORnumberSTARTSWITHINC",
    "INC1234567^NQactive=true",
    "INC1234567\n",
    " INC1234567",
    "INC1234567 ",
    "javascript:gs.getUserID()",
    "INC1234567,INC0000007",
    "İNC1234567",
    "INC\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    "",
    "%",
    "../sys_user",
    "INC1234567&sysparm_limit=1",
]


@pytest.mark.parametrize("number", ODD)
def test_a_number_of_another_shape_never_reaches_the_network(ours, instance, number):
    verdict = judged(ours, number)

    assert verdict.outcome == "refused"
    assert "matches" in gate.offline(ticket(number), config()).message
    assert instance.log() == []


@pytest.mark.parametrize("number", HOSTILE)
def test_a_hostile_number_does_not_even_where_any_shape_is_allowed(ours, instance, number):
    """Requests cannot hold one; were one made all the same, under a pattern that lets everything through."""
    odd = Ticket.model_construct(ticket_number=number, ticket_system="ServiceNow")

    verdict = claimed(gate.Claim(odd), ours, config(pattern="(?s).*"))

    assert not verdict.passes
    assert instance.log() == []


@given(st.text(max_size=20))
def test_no_number_is_asked_for_that_could_be_a_query(number):
    """The grammar lets through what has no meaning in an encoded query."""
    from pmgitops.tickets.servicenow import _NUMBER, _checked  # noqa: PLC0415

    try:
        asked = _checked(_NUMBER, number)
    except PermanentRemoteError:
        return
    assert asked.isascii()
    assert not set(asked) & set("^=<>!@,:;.%&?# \n\t'\"")


# Tickets that are not one


def test_there_is_no_such_ticket(ours):
    verdict = judged(ours, "INC7654321")
    assert verdict.outcome == "refused"
    assert "INC7654321 is not there, or pmgitops may not read it" in verdict.reasons[0]


def test_a_hidden_ticket_is_as_if_there_were_none(ours, instance):
    instance.settings(hidden=[NUMBER])
    assert "is not there, or pmgitops may not read it" in judged(ours).reasons[0]


def test_two_of_one_number_are_none(ours, instance):
    """Numbers are not unique in ServiceNow unless somebody made them so."""
    instance.ticket(number=NUMBER)
    verdict = judged(ours)
    assert verdict.outcome == "refused"
    assert "several numbered INC1234567" in verdict.reasons[0]


def answered(instance, **row):
    full = {"sys_id": "a" * 32, "sys_class_name": "incident", "number": NUMBER, "state": "2", "active": "true"}
    full["approval"] = "not requested"
    fields = {name: {"value": value, "display_value": value} for name, value in (full | row).items()}
    for path, result in (("/table/task", [fields]), ("/table/[a-z]+/", fields)):
        instance.fault(do="status", status=200, body={"result": result}, contentType="application/json", path=path)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"number": "INC0000007"}, "answered with 'INC0000007' when asked for 'INC1234567'"),
        ({"sys_id": "x"}, "answered with"),
        ({"sys_id": ""}, "answered with"),
        ({"sys_class_name": "u_toaster"}, "of a known class; INC1234567 is of u_toaster"),
        ({"sys_class_name": ""}, "of a known class"),
        ({"active": ""}, "an active ticket"),
        ({"active": "1"}, "an active ticket"),
        ({"state": ""}, "moved to a state"),
    ],
)
def test_the_answer_is_held_against_the_question(ours, instance, row, says):
    """A term that ServiceNow does not understand is ignored, and the rest of the query runs."""
    answered(instance, **row)
    verdict = judged(ours)
    assert verdict.outcome == "refused"
    assert says in "; ".join(verdict.reasons)


def test_a_whole_answer_would_have_passed(ours, instance):
    answered(instance)
    assert judged(ours).outcome == "passes"


def test_a_field_that_may_not_be_read_does_not_pass(ours, instance):
    """It is left out of the row."""
    rows = [{"number": {"value": NUMBER}, "sys_id": {"value": "a" * 32}, "sys_class_name": {"value": "incident"}}]
    instance.fault(do="status", status=200, body={"result": rows}, contentType="application/json", path="/table/task")
    assert judged(ours).outcome == "deferred"


# Systems that do not answer

DOWN = [
    {"do": "status", "status": 503},
    {"do": "status", "status": 500},
    {"do": "status", "status": 429},
    {"do": "status", "status": 429, "headers": {"Retry-After": "300"}},
    {"do": "status", "status": 401},
    {"do": "status", "status": 403},
    {"do": "status", "status": 404},
    {"do": "empty"},
    {"do": "html"},
    {"do": "close"},
    {"do": "cut", "when": "after"},
    {"do": "partial", "when": "after"},
    {"do": "wrong-json"},
    {"do": "redirect", "location": "/login.do"},
    {"do": "delay", "seconds": 30},
    {"do": "status", "status": 200, "contentType": "application/json", "body": {"result": "text"}},
    {"do": "status", "status": 200, "contentType": "application/json", "body": {"result": [1]}},
    {"do": "status", "status": 200, "contentType": "application/json", "body": {}},
    {
        "do": "status",
        "status": 200,
        "contentType": "application/json",
        "body": {"result": [], "error": {"message": "x"}},
    },
]


@pytest.mark.parametrize("fault", DOWN, ids=lambda fault: f"{fault['do']}-{fault.get('status', '')}")
def test_a_system_that_does_not_answer_defers(log_in, instance, fault):
    """Never passes; and is not told as a mistake of the requester's."""
    instance.fault(**fault, path="/table/task", times=0)

    verdict = judged(log_in(deadline=0.2, attempts=2))

    assert verdict.outcome == "deferred"
    assert not verdict.passes
    assert verdict.record is None
    (reason,) = verdict.reasons
    assert reason
    assert "You must" not in reason
    assert NUMBER not in reason


def test_nobody_there_defers(log_in, instance):
    instance.host = "http://127.0.0.1:1"
    verdict = judged(log_in(attempts=2))
    assert verdict.outcome == "deferred"
    assert verdict.reasons == ("127.0.0.1/api/now/table/task cannot be reached",)


def test_a_system_without_a_reader_defers():
    verdict = claimed(gate.Claim(ticket()), None, config())
    assert (verdict.outcome, verdict.reasons) == ("deferred", ("ServiceNow is not read here",))


# What configuration says


@pytest.mark.parametrize("mode", ["required", "warn", "off"])
def test_gate_modes(ours, instance, mode):
    verdict = judged(ours, "INC0000007", gate=mode)

    assert verdict.outcome == ("off" if mode == "off" else "refused")
    assert verdict.passes is (mode != "required")
    assert bool(instance.log()) is (mode != "off")


@pytest.mark.parametrize("mode", ["required", "warn"])
def test_a_system_that_is_down_only_warns_where_the_gate_does(log_in, instance, mode):
    instance.fault(do="status", status=503, path="/table/task", times=0)
    assert judged(log_in(attempts=1), gate=mode).passes is (mode == "warn")


def test_without_a_ticket():
    assert claimed(gate.Claim(None), None, config()).outcome == "off"
    assert gate.offline(None, config()).message == "You must name a ticket in ticketInfo"
    assert gate.offline(None, config(gate="warn")) is None
    assert gate.offline(None, parse(None)) is None


def test_of_a_system_that_is_not_configured():
    problem = gate.offline(ticket(system="Jira"), config())
    assert (problem.field, "(ServiceNow), not 'Jira'" in problem.message) == ("ticketSystem", True)


def test_a_systems_name_is_compared_without_case(ours):
    verdict = claimed(gate.Claim(ticket(system="SERVICENOW")), ours, config())
    assert verdict.outcome == "passes"
