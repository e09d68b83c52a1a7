"""`pmgitops ticket`: what pmgitops sees of a ticket, what the gate says of it, and what an instance lets it do."""

from __future__ import annotations

import hashlib
import json

import pytest
import requests

NUMBER = "INC1234567"


@pytest.fixture
def founded(world):
    world.request("a")
    other = world.control("POST", "tickets", {"class": "incident", "number": "INC0000099", "opened_by": "alex"})
    world.request("b", ticket=other["number"])
    world.push("asked")
    return world


def shown(world, *arguments, code=0):
    ran = world.run("ticket", "show", *arguments, "--format", "json")
    assert ran.code == code, ran
    return json.loads(ran.out)


# show


def test_a_ticket_with_what_the_gate_says_of_what_names_it(founded):
    ran = founded.run("ticket", "show", NUMBER)

    assert ran.code == 0, ran
    assert ran.out.startswith(f"{NUMBER} in ServiceNow: incident ")
    for words in ("In Progress (2)", "opened by", "alex@contoso.com", "the gate for requests/team/a.yaml: passes"):
        assert words in ran.out
    assert "b.yaml" not in ran.out

    told = shown(founded, NUMBER)
    assert (told["number"], told["system"], told["carries"]) == (NUMBER, "ServiceNow", [])
    assert (told["record"]["table"], told["record"]["state"], told["record"]["active"]) == ("incident", "2", True)
    assert told["gate"] == [
        {"name": "a", "path": "requests/team/a.yaml", "outcome": "passes", "warns": False, "reasons": []}
    ]


def test_what_it_carries(founded):
    assert founded.run("apply").code == 0
    (one,) = shown(founded, NUMBER)["carries"]
    assert (one["name"], one["state"]) == ("a", "submitted")
    assert "carries a: submitted" in founded.run("ticket", "show", NUMBER).out


def test_a_refusal_is_told_with_its_reasons_and_ends_with_5(founded):
    founded.control("PATCH", f"tickets/{NUMBER}", {"state": "7"})
    (one,) = shown(founded, NUMBER, code=5)["gate"]
    assert one["outcome"] == "refused"
    assert one["reasons"][0].startswith("You must name an active ticket")
    assert "\n  You must name an active ticket" in founded.run("ticket", "show", NUMBER).out


def test_a_request_that_is_not_merged_yet(founded):
    """By its path or its name, as if it named the ticket; it is read from disk, the rules from the merged branch."""
    founded.request("draft", ticket="INC0000007")
    founded.write("pmgitops.yaml", "apiVersion: pmgitops/v1\n")  # what a branch says of ticket systems is not asked
    for named in ("draft", "requests/team/draft.yaml"):
        (one,) = shown(founded, NUMBER, "--request", named)["gate"]
        assert (one["name"], one["outcome"]) == ("draft", "passes")


def test_a_ticket_that_nobody_names_is_judged_in_general(founded):
    made = founded.control("POST", "tickets", {"class": "change_request", "number": "CHG0000001", "state": "-5"})
    (one,) = shown(founded, made["number"], code=5)["gate"]
    assert (one["name"], one["path"]) == (None, None)
    assert any("approved first" in reason for reason in one["reasons"])


def test_a_ticket_that_is_not_there(founded):
    told = shown(founded, "INC7654321", code=5)
    assert told["record"] is None
    assert "is not there, or pmgitops may not read it" in told["gate"][0]["reasons"][0]


def test_a_request_that_is_broken(founded):
    founded.request("broken")
    founded.write("requests/team/broken.yaml", f"kind: x\nticketInfo: {{ticketNumber: {NUMBER}}}\n")
    told = shown(founded, NUMBER, code=1)
    assert [one["outcome"] for one in told["gate"]] == ["passes", "broken"]
    assert "requests/team/broken.yaml is broken" in founded.run("ticket", "show", NUMBER).out


def test_a_service_that_does_not_answer_ends_with_6(founded):
    founded.control("POST", "faults", {"do": "status", "status": 400, "path": "/table/", "times": 0})
    (one,) = shown(founded, NUMBER, code=6)["gate"]
    assert one["outcome"] == "deferred"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("INC^1",), "is not a ticket number"),
        (("inc 1",), "is not a ticket number"),
        ((NUMBER, "--system", "Jira"), "there is no ticket system 'Jira'"),
        ((NUMBER, "--request", "nothing"), "there is no request nothing"),
    ],
)
def test_what_cannot_be_meant(founded, arguments, says):
    ran = founded.run("ticket", "show", *arguments)
    assert (ran.code, says in ran.err) == (2, True)


def test_a_number_of_another_shape_is_refused_unasked(founded):
    told = shown(founded, "INC123", code=5)
    assert "matches" in told["gate"][0]["reasons"][0]
    assert not [entry for entry in founded.control("GET", "log")["log"] if "INC123" in json.dumps(entry["query"])]


def test_texts_of_a_ticket_stay_on_their_line(founded):
    founded.control("PATCH", f"tickets/{NUMBER}", {"short_description": "x\n\x1b[31mthe gate for y: passes"})
    lines = founded.run("ticket", "show", NUMBER).out.splitlines()
    assert [line for line in lines if line.startswith("the gate")] == ["the gate for requests/team/a.yaml: passes"]
    assert not any("\x1b" in line for line in lines)


def test_without_a_ticket_system(founded):
    founded.configure(tickets=False)
    founded.push("none")
    for verb in (("show", NUMBER), ("probe",)):
        ran = founded.run("ticket", *verb)
        assert (ran.code, "whose gate is not off" in ran.err) == (2, True)


# probe


def checks(world, *arguments, code=0):
    ran = world.run("ticket", "probe", *arguments, "--format", "json")
    assert ran.code == code, ran
    (probed,) = json.loads(ran.out)
    return {check["what"]: check for check in probed["checks"]}


@pytest.fixture
def stocked(founded):
    """A row in each table."""
    for table in ("sc_request", "sc_req_item", "sc_task", "change_task", "problem", "problem_task"):
        founded.control("POST", "tickets", {"class": table, "number": f"X{table}"})
    founded.control("PATCH", "tickets/INC0000007", {"work_notes": "called the customer"})
    return founded


def test_everything_is_granted(stocked):
    tried = checks(stocked, "--try", NUMBER)
    assert {check["outcome"] for check in tried.values()} == {"yes"}
    assert tried["log in"]["said"] == "as pmgitops"
    assert f"write work notes on {NUMBER}" in tried
    assert stocked.control("GET", f"tickets/{NUMBER}")["journal"] == []
    assert stocked.run("ticket", "probe").code == 0


def test_nothing_is_written(stocked):
    stocked.run("ticket", "probe")
    log = stocked.control("GET", "log")["log"]
    assert {entry["method"] for entry in log if entry["path"].startswith("/api/now")} == {"GET"}


MISSING = {
    "field": ({"unreadable": ["incident.active"]}, "read incident", "active not shown", "sn_incident_read"),
    "people": ({"unreadable": ["incident.caller_id"]}, "read incident", "caller_id not shown", "sn_incident_read"),
    "approvals": ({"apiClosed": ["sysapproval_approver"]}, "read sysapproval_approver", "403", "snc_platform_rest"),
    "api": ({"apiClosed": ["*"]}, "read task", "403", "snc_platform_rest_api_access"),
    "users": ({"unreadable": ["sys_user.email"]}, "read sys_user", "email not shown", "read ACL on sys_user"),
    "journal": ({"unreadable": ["sys_journal_field.value"]}, "see work notes", "value", "ACL on sys_journal_field"),
    "write": ({"locked": [NUMBER]}, f"write work notes on {NUMBER}", "security constraints", "sn_incident_write"),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_named_with_its_role(stocked, what):
    settings, name, said, remedy = MISSING[what]
    stocked.control("POST", "settings", settings)
    check = checks(stocked, "--try", NUMBER, code=2)[name]
    assert (check["outcome"], check["missing"]) == ("no", True)
    assert said in check["said"]
    assert remedy in check["remedy"]

    text = stocked.run("ticket", "probe", "--try", NUMBER).out
    assert f"MISSING  {name}: " in text
    assert f"needs: {check['remedy']}" in text


def test_rows_that_are_all_hidden(stocked):
    state = stocked.control("GET", "tickets")
    hidden = [ticket["number"] for ticket in state["tickets"]]
    stocked.control("POST", "settings", {"hidden": hidden})
    assert "none of the first of" in checks(stocked, code=2)["read incident"]["said"]


def test_a_blind_journal_cannot_be_told_from_an_empty_one(stocked):
    """No error says so; it is told, and is no reason to fail."""
    stocked.control("POST", "settings", {"journalReadable": False})
    check = checks(stocked)["see work notes"]
    assert (check["outcome"], check["missing"]) == ("unknown", False)
    assert "sys_journal_field" in check["remedy"]


def test_a_class_without_a_row_and_a_class_that_is_not_there(stocked):
    tickets = f"  ServiceNow:\n    host: http://{stocked.sandbox.servicenow_host}\n    states: {{u_toaster: [1]}}\n"
    endpoint = f"targets:\n  permissions-management: {{endpoint: {stocked.sandbox.graph_url}}}\n"
    stocked.write("pmgitops.yaml", f"apiVersion: pmgitops/v1\n{endpoint}tickets:\n{tickets}")
    stocked.push("toasters")
    check = checks(stocked, code=2)["read u_toaster"]
    assert (check["said"], check["missing"]) == ("there is no such table", True)


def test_nobody_is_let_in(stocked, monkeypatch):
    monkeypatch.setenv("PMGITOPS_SERVICENOW_PASSWORD", "wrong")
    tried = checks(stocked, code=2)
    assert list(tried) == ["log in"]
    assert "PMGITOPS_SERVICENOW_" in tried["log in"]["remedy"]


def test_an_instance_that_is_down_ends_with_6(stocked):
    stocked.control("POST", "faults", {"do": "close", "path": "/table/", "times": 0})
    assert stocked.run("ticket", "probe").code == 6


def test_a_ticket_that_cannot_be_tried(stocked):
    assert "not there" in checks(stocked, "--try", "INC7654321", code=2)["write work notes on INC7654321"]["said"]


# verify


def held(world, code=0):
    ran = world.run("ticket", "verify", "a", "--format", "json")
    assert ran.code == code, ran
    return json.loads(ran.out)["held"]


@pytest.fixture
def told(world):
    """A request that was granted, with all its notes."""
    world.request("a")
    world.push("asked")
    for step in (lambda: None, world.approve, lambda: world.control("POST", "advance", {"seconds": 5})):
        step()
        assert world.run("apply").code == 0
    return world


def journal(world):
    return world.control("GET", f"tickets/{NUMBER}")["journal"]


def test_the_ticket_has_what_the_ledger_says(told):
    found = held(told)
    assert {one["outcome"] for one in found} == {"same"}
    assert found[0]["what"] == "the record"
    assert sum(one["what"].startswith("the note") for one in found) == len(journal(told)) >= 4
    assert told.run("ticket", "verify", "a").code == 0


def test_a_ticket_that_was_changed_while_it_carries_access(told):
    told.control("PATCH", f"tickets/{NUMBER}", {"state": "8"})
    wrong = [one for one in held(told, code=1) if one["outcome"] != "same"]
    assert [one["what"] for one in wrong] == ["the record"]
    assert "is Canceled now" in wrong[0]["said"]
    assert wrong[0]["remedy"]
    assert "do: look at it" in told.run("ticket", "verify", "a").out


def test_a_ticket_that_is_closed_after_the_access_has_ended(told):
    told.control("POST", "advance", {"seconds": 3700})
    told.run("apply")
    told.control("PATCH", f"tickets/{NUMBER}", {"state": "7"})
    assert {one["outcome"] for one in held(told)} == {"same", "changed"}


def test_a_note_that_somebody_hid(told):
    entry = journal(told)[1]
    told.control("POST", "settings", {"hidden": [entry["sys_id"]]})
    (wrong,) = [one for one in held(told, code=1) if one["outcome"] != "same"]
    assert entry["value"].splitlines()[-1] in wrong["what"]
    assert "was delivered, and is not there" in wrong["said"]


def test_a_note_that_is_there_twice(told):
    told.control("PATCH", f"tickets/{NUMBER}", {"work_notes": journal(told)[0]["value"]})
    (wrong,) = [one for one in held(told, code=1) if one["outcome"] != "same"]
    assert "more than once" in wrong["said"]


def attached(world):
    return world.control("GET", f"tickets/{NUMBER}")["attachments"]


def files(found):
    return [one for one in found if one["what"].startswith("the file")]


def test_files_are_read_again_and_hashed(told):
    (evidence,) = attached(told)
    (file,) = files(held(told))
    assert (file["what"], file["outcome"]) == (f"the file {evidence['file_name']}", "same")


def test_a_file_that_was_removed(told):
    (evidence,) = attached(told)
    told.control("POST", "settings", {"hidden": [evidence["sys_id"]]})
    found = held(told, code=6)
    assert "no file of any ticket is shown" in files(found)[0]["said"]

    other = told.control("GET", "tickets/INC0000007")
    requests.post(
        f"{told.sandbox.url}/api/now/attachment/file",
        params={"table_name": "incident", "table_sys_id": other["sys_id"], "file_name": "x.txt"},
        headers={"Content-Type": "text/plain", "Accept": "application/json"},
        auth=("pmgitops", "sandbox"),
        data=b"x",
        timeout=10,
    ).raise_for_status()
    (wrong,) = [one for one in held(told, code=1) if one["outcome"] != "same"]
    assert "was attached, and is not there" in wrong["said"]


def test_a_file_whose_content_is_another(told):
    body = '{"forged": true}'
    told.control("POST", "faults", {"do": "status", "status": 200, "body": body, "path": "/file$", "times": 0})
    (wrong,) = [one for one in held(told, code=1) if one["outcome"] != "same"]
    assert hashlib.sha256(body.encode()).hexdigest() in wrong["said"]
    assert "administrator" in wrong["remedy"]


def test_a_note_that_is_due(world):
    world.control("PATCH", "tickets/INC0000007", {"work_notes": "called the customer"})
    world.request("a")
    world.push("asked")
    world.control("POST", "faults", {"do": "status", "status": 429, "method": "PATCH", "times": 0})
    assert world.run("apply").code == 6
    world.control("DELETE", "faults")
    assert {one["outcome"] for one in held(world)} == {"same", "due"}


def test_what_cannot_be_read_ends_with_6(told):
    told.control("POST", "settings", {"journalReadable": False, "notesReadable": False})
    (blind,) = [one for one in held(told, code=6) if one["outcome"] != "same"]
    assert (blind["what"], blind["outcome"]) == ("the work notes", "unreadable")
    assert "sys_journal_field" in blind["remedy"]

    told.control("POST", "settings", {"apiClosed": ["*"]})
    assert {one["outcome"] for one in held(told, code=6)} == {"unreadable"}


def test_a_ticket_that_has_gone(told):
    told.control("POST", "settings", {"hidden": [NUMBER]})
    assert "is not there any more" in held(told, code=1)[0]["said"]


def test_verifying_writes_nothing(told):
    before = len([one for one in told.control("GET", "log")["log"] if one["method"] == "PATCH"])
    told.run("ticket", "verify", "a")
    assert len([one for one in told.control("GET", "log")["log"] if one["method"] == "PATCH"]) == before


def test_a_request_that_the_ledger_does_not_know(told):
    ran = told.run("ticket", "verify", "nothing")
    assert (ran.code, "knows no request nothing" in ran.err) == (2, True)


def test_a_request_without_a_ticket(world):
    world.configure(tickets=False)
    world.request("a")
    world.push("asked")
    world.run("apply")
    ran = world.run("ticket", "verify", "a")
    assert (ran.code, ran.out) == (0, "a has no ticket\n")
