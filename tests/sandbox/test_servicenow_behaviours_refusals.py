"""What an instance refuses, drops or changes by itself, and what it does although it refuses: behaviours 14 to 16."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import requests

NUMBER = "INC1234567"


@pytest.fixture
def link(ours):
    return ours.find(NUMBER)[0].link("ServiceNow")


@pytest.fixture
def note(bare, link):
    """A work note by bare pysnow; the answer is not looked at."""

    def write(text="x", *, timeout=5, **fields):
        body = json.dumps({"work_notes": text, **fields})
        return bare(timeout=timeout).request("PATCH", path_append=f"/{link.sys_id}", data=body)

    return write


def said(answer):
    """The words of a refusal, which bare pysnow keeps to itself until somebody looks."""
    with pytest.raises(requests.HTTPError) as error:
        answer.one()
    return error.value.response.status_code, error.value.response.json()["error"]


# 14: access control lists


def test_14_field_acls_leave_fields_out_of_rows(ours, bare, refused, instance):
    instance.settings(unreadable=["incident.caller_id", "sys_user.email"])
    row = bare().get({"number": NUMBER}).one()
    assert "caller_id" not in row
    assert "opened_by" in row
    fields = ["number", "opened_by.email", "opened_by.name"]
    assert set(bare().get({"number": NUMBER}, fields=fields).one()) == {"number", "opened_by.name"}
    assert ours.find(NUMBER)

    link = ours.find(NUMBER)[0].link("ServiceNow")
    instance.settings(unreadable=["sys_id"])
    with pytest.raises(KeyError, match="sys_id"):
        bare().update({"number": NUMBER}, {"work_notes": "x"})
    assert refused(ours.find, NUMBER) == ("unreadable", "no")
    assert refused(ours.add_note, replace(link, sys_id=""), "x") == ("mismatch", "no")


@pytest.mark.parametrize("query", ["caller_id=x", "opened_by.email=x", "active=true^ORcaller_id=x"])
def test_14_field_acls_forbid_a_look_by_query(ours, bare, refused, instance, query):
    instance.settings(unreadable=["caller_id", "sys_user.email"])
    with pytest.raises(requests.HTTPError) as error:
        bare().get(query).all()
    refusal = {"message": "Insufficient rights to query records", "detail": None}
    assert (error.value.response.status_code, error.value.response.json()["error"]) == (403, refusal)

    assert refused(ours._rows, "/table/incident", query) == ("forbidden.record", "no")


def test_14_field_acls_drop_what_may_not_be_written(ours, note, link, instance):
    instance.settings(unwritable=["task.work_notes"])
    answer = note("from pysnow", urgency="1").one()
    assert answer["urgency"] == "1"

    ours.add_note(link, "from us")  # 200, and our own record: nothing says that it was dropped
    assert not ours.markers(link).readable
    assert instance.notes(NUMBER) == []
    assert [entry["status"] for entry in instance.log("PATCH")] == [200, 200]


@pytest.mark.parametrize("locked", [NUMBER, "incident", "task"])
def test_14_row_acls_refuse_a_write(ours, note, link, refused, instance, locked):
    instance.settings(locked=[locked])
    refusal = {"message": "Operation Failed", "detail": "ACL Exception Update Failed due to security constraints"}
    assert said(note()) == (403, refusal)

    assert refused(ours.add_note, link, "x") == ("forbidden.record", "unknown")
    assert instance.notes(NUMBER) == []
    assert ours.find(NUMBER)


def test_14_row_acls_refuse_to_make_and_to_delete(bare, create, ours, link, refused, instance):
    instance.settings(locked=["incident"])
    assert said(bare().create({}))[1]["detail"] == "ACL Exception Insert Failed due to security constraints"
    assert refused(create) == ("forbidden.record", "unknown")
    with pytest.raises(requests.HTTPError, match="403"):
        bare().delete({"number": NUMBER})
    resource = ours._client.resource(api_path="/table/incident")
    assert refused(resource.request, "DELETE", path_append=f"/{link.sys_id}") == ("forbidden.record", "unknown")
    assert len(instance.control.get("state")["records"]["incident"]) == 3


@pytest.mark.parametrize("closed", ["incident", "*"])
def test_14_api_acls_refuse_everything(ours, bare, note, link, refused, instance, closed):
    instance.settings(apiClosed=[closed])
    refusal = (403, {"message": "User Not Authorized", "detail": "Failed API level ACL Validation"})
    assert said(note()) == refusal
    with pytest.raises(requests.HTTPError, match="403"):
        bare().get({"number": NUMBER}).all()

    assert refused(ours._rows, "/table/incident", "") == ("forbidden.api", "no")
    assert refused(ours.add_note, link, "x") == ("forbidden.api", "no")
    attachments = instance.rest("GET", "/attachment")
    assert attachments.status_code == (403 if closed == "*" else 200)


# 15: rules

FREEZE = {"name": "Freeze", "table": "incident", "writes": ["work_notes"]}


@pytest.mark.parametrize("place", ["message", "detail"])
def test_15_a_business_rule_aborts(ours, note, link, refused, instance, place):
    instance.settings(rules=[{**FREEZE, "abort": place}])
    status, error = said(note())
    assert status == 403
    rule = r"Operation against file 'incident' was aborted by Business Rule 'Freeze\^[0-9a-f]{32}'"
    assert re.match(rule, error[place])

    assert refused(ours.add_note, link, "x")[0] == "refused.rule"
    assert instance.notes(NUMBER) == []
    assert instance.ticket(NUMBER)["sys_mod_count"] == "0"


def test_15_a_rule_is_for_the_writes_it_means(bare, ours, link, instance):
    rule = {"name": "Closed", "table": "task", "on": ["update"], "when": {"state": "7"}, "abort": "message"}
    instance.settings(rules=[rule])
    ours.add_note(link, "x")
    assert bare().create({"state": "7"}).one()["state"] == "7"
    assert said(bare().update({"number": NUMBER}, {"state": "7"}))[0] == 403
    assert bare("sys_user").update({"user_name": "megan"}, {"last_name": "x"}).one()["last_name"] == "x"


def test_15_a_state_model_refuses_a_jump(ours, bare, refused, instance):
    instance.settings(stateModel=True)
    (change,) = ours.find("CHG0030002")  # -4, assess
    path, place = "/table/change_request", f"/{change.sys_id}"
    for state in ("-2", "3", "-5", "x"):
        code, _ = refused(ours._call, path, "PATCH", place, {"state": state})
        assert code == "refused.rule"
        refusal = said(bare("change_request").update({"sys_id": change.sys_id}, {"state": state}))[1]["message"]
        assert "Change Model: Check State Transition^" in refusal
    for state in ("-3", "-2", "-1", "0", "3"):
        assert ours._call(path, "PATCH", place, {"state": state, "work_notes": "moved"})["state"] == state
    assert refused(ours._call, path, "PATCH", place, {"state": "4"})[0] == "refused.rule"
    assert len(instance.notes("CHG0030002")) == 5


def test_15_a_data_policy_wants_its_fields(ours, bare, link, refused, instance):
    policy = {"name": "x", "table": "incident", "when": {"state": "6"}, "mandatory": ["close_code", "close_notes"]}
    instance.settings(rules=[policy])
    resolved = {"state": "6", "close_notes": "done"}
    text = "Data Policy Exception: The following mandatory fields are not filled in: Close code"
    assert said(bare().update({"number": NUMBER}, resolved)) == (403, {"message": text, "detail": None})

    write = (ours._call, "/table/incident", "PATCH", f"/{link.sys_id}")
    assert refused(*write, resolved)[0] == "refused.rule"
    assert instance.ticket(NUMBER)["state"] == "2"
    assert ours._call(*write[1:], {**resolved, "close_code": "Solved"})["state"] == "6"


def test_15_a_rule_changes_other_fields_after_a_write(ours, note, link, instance):
    then = {"priority": "1", "assigned_to": "megan", "work_notes": "Assigned by rule"}
    instance.settings(rules=[{**FREEZE, "then": then}])

    ours.add_note(link, "from us")

    ticket = instance.ticket(NUMBER)
    assert (ticket["priority"], ticket["sys_mod_count"], ticket["sys_updated_by"]) == ("1", "2", "system")
    assert instance.notes(NUMBER) == ["from us", "Assigned by rule"]
    assert ours.find(NUMBER)[0].link("ServiceNow") == link  # none of the fields that we compare
    assert note("from pysnow").one()["sys_mod_count"] == "4"


@pytest.mark.parametrize(
    "wrong", [{"name": "x"}, {"table": "incident"}, {"name": "x", "table": "y"}, {**FREEZE, "abort": "yes"},
              {**FREEZE, "on": ["delete"]}, {**FREEZE, "set": {}}],
)  # fmt: skip
def test_15_a_rule_that_makes_no_sense_is_refused(instance, wrong):
    answer = requests.post(f"{instance.url}/_control/settings", json={"rules": [wrong]}, timeout=5)
    assert answer.status_code == 400
    assert instance.control.get("settings")["rules"] == []


# 16: done, and answered otherwise


def test_16_a_post_that_commits_and_answers_403(bare, create, refused, instance):
    error = {"message": "Operation Failed", "detail": "ACL Exception Insert Failed due to security constraints"}
    body = {"error": error, "status": "failure"}
    instance.fault(do="status", status=403, body=body, method="POST", when="after", times=2)

    assert "403" in repr(bare().create({"number": "INC8888888"}))  # no exception
    assert refused(create, number="INC8888889") == ("forbidden.record", "unknown")
    for number in ("INC8888888", "INC8888889"):
        assert instance.ticket(number)["sys_created_by"] == "pmgitops"


HTML = {"body": "<h1>x</h1>", "contentType": "text/html"}
COMMITTED = {
    "500": ({"do": "status", "status": 500}, requests.HTTPError, "server"),
    "502": ({"do": "status", "status": 502, **HTML}, requests.HTTPError, "server"),
    "503": ({"do": "status", "status": 503, "body": ""}, requests.HTTPError, "server"),
    "202": ({"do": "empty"}, requests.JSONDecodeError, "accepted"),
    "reset": ({"do": "close"}, requests.ConnectionError, "broken"),
    "hang": ({"do": "delay", "seconds": 60}, requests.ReadTimeout, "timeout.read"),
}


@pytest.mark.parametrize("how", COMMITTED)
def test_16_a_patch_that_commits_and_then_fails(note, link, refused, instance, how):
    fault, theirs, ours_says = COMMITTED[how]
    instance.fault(**fault, method="PATCH", when="after", times=2)
    with pytest.raises(theirs):
        note("from pysnow", timeout=1.0).one()

    impatient = instance.ours(deadline=1.0 if how == "hang" else 5.0)
    assert refused(impatient.add_note, link, "from us") == (ours_says, "unknown")
    assert instance.notes(NUMBER) == ["from pysnow", "from us"]  # each once: neither repeats it
