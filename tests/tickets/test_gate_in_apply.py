"""The gate on the whole road: what `apply` sends, holds back and judges again."""

from __future__ import annotations

import pytest

from tests.world import git

SECOND = "INC0001111"


@pytest.fixture
def tickets(world):
    """More tickets of Alex's, like the first."""

    def make(*numbers):
        for number in numbers:
            world.control("POST", "tickets", {"number": number, "state": "2", "caller_id": "alex", "opened_by": "alex"})

    return make


def outcomes(ran):
    told = ran.json
    return {name: [one["name"] for one in told[name]] for name in ("applied", "deferred", "refused")}


def test_a_ticket_that_changes_between_gate_and_submission(world, tickets):
    """It is closed after it was judged: while the first read of the record is answered, the world goes on."""
    tickets(SECOND)
    world.request("a")
    world.request("b", ticket=SECOND)
    world.push("two")
    record = next(one for one in world.control("GET", "tickets")["tickets"] if one["number"] == SECOND)
    again = {name: {"value": value, "display_value": value} for name, value in record.items()} | {
        "state": {"value": "7", "display_value": "Closed"},
        "active": {"value": "false", "display_value": "false"},
    }
    fault = {"do": "status", "status": 200, "contentType": "application/json", "body": {"result": again}}
    world.control("POST", "faults", {**fault, "path": f"/table/incident/{record['sys_id']}", "skip": 1})

    ran = world.run("apply", "--format", "json")

    assert outcomes(ran) == {"applied": ["a"], "deferred": ["b"], "refused": []}
    (held,) = ran.json["deferred"]
    assert held["why"] == f"{SECOND} was changed after it was judged; it is judged again"
    assert ran.code == 6
    assert len(world.remote()) == 1
    assert world.states() == {"a": "submitted", "b": "deferred"}
    assert outcomes(world.run("apply", "--format", "json"))["applied"] == ["b"], "judged again, and as it was"


def test_the_next_run_refuses_what_has_changed_for_good(world):
    world.request("a")
    world.push("one")
    world.control("POST", "faults", {"do": "status", "status": 503, "path": "/table/incident/", "skip": 1, "times": 9})
    assert outcomes(world.run("apply", "--format", "json"))["deferred"] == ["a"]
    world.control("DELETE", "faults")
    world.control("PATCH", "tickets/INC1234567", {"state": "7"})
    ran = world.run("apply", "--format", "json")
    assert (ran.code, outcomes(ran)["refused"]) == (5, ["a"])
    assert "You must name an active ticket; INC1234567 is Closed" in ran.json["refused"][0]["why"]
    assert world.remote() == []


def test_where_the_gate_warns_nothing_is_read_again(world):
    world.configure(gate="warn")
    world.request("a", ticket="INC0000007")
    world.push("one")
    assert outcomes(world.run("apply", "--format", "json"))["applied"] == ["a"]


def test_a_kind_has_a_gate_of_its_own(world):
    world.configure(system=", kinds: {aws-policies: warn}")
    world.request("a", ticket="INC0000007")
    world.push("one")
    assert outcomes(world.run("apply", "--format", "json"))["applied"] == ["a"]
    world.configure(gate="'off'", system=", kinds: {aws-policies: required}")
    world.request("b", ticket="INC0000007")
    world.push("another")
    ran = world.run("apply", "--format", "json")
    assert (ran.code, outcomes(ran)["refused"]) == (5, ["b"])


def test_every_reason_at_once(world):
    world.control("PATCH", "tickets/CHG0030002", {"start_date": "", "requested_by": "megan", "opened_by": "megan"})
    world.request("a", ticket="CHG0030002")
    world.push("one")
    ran = world.run("apply", "--format", "json")
    assert ran.code == 5
    (refused,) = ran.json["refused"]
    for said in ("moved to a state", "approved first", "name as submitter", "no planned start"):
        assert said in refused["why"]


def carried(world):
    git("fetch", "-q", "origin", "pmgitops/ledger", at=world.clone)
    listing = git("ls-tree", "-r", "--name-only", "FETCH_HEAD", "ledger/tickets", at=world.clone)
    return [line.rsplit("/", 1)[1] for line in listing.splitlines()]


def test_a_ticket_of_ones_own(world, tickets):
    """The first of a run takes it, and keeps it when its access has ended."""
    world.configure(system=", exclusive: 'on'")
    tickets(SECOND)
    world.request("a")
    world.request("b")
    world.request("c", ticket=SECOND)
    world.push("three")
    ran = world.run("apply", "--format", "json")
    assert outcomes(ran) == {"applied": ["a", "c"], "deferred": [], "refused": ["b"]}
    assert ran.json["refused"][0]["why"] == "You must name a ticket of your own: INC1234567 carries a"
    assert carried(world) == ["a", "c"] or carried(world) == ["c", "a"]

    world.approve()
    world.advance(3 * 3600)
    world.run("apply")
    assert world.states()["a"] == "completed"
    ran = world.run("apply", "--format", "json")
    assert outcomes(ran)["refused"] == ["b"], "for ever"
    assert world.run("plan").code == 5


def test_tickets_are_remembered_before_anybody_asks(world):
    world.request("a")
    world.push("one")
    world.run("apply")
    assert carried(world) == ["a"]
    world.configure(system=", exclusive: 'on'")
    world.request("b")
    world.push("another")
    assert outcomes(world.run("apply", "--format", "json"))["refused"] == ["b"]


def test_what_is_refused_otherwise_does_not_take_the_ticket(world):
    world.configure(system=", exclusive: 'on'")
    world.request("a", duration="PT9H")
    world.request("b")
    world.push("two")
    assert outcomes(world.run("apply", "--format", "json")) == {"applied": ["b"], "deferred": [], "refused": ["a"]}


AUTHORED = """\
apiVersion: pmgitops/v1
id: authored
title: Somebody of ours changed the file
why: A stranger's change is looked at twice.
severity: error
require: change.author.endsWith('@contoso.com')
message: was changed by {{ change.author }}
at: justification
cases:
  - it: lets ours pass
    request: {kind: aws-policies}
    facts: {change: {author: megan@contoso.com}}
    expect: pass
  - it: refuses strangers
    request: {kind: aws-policies}
    facts: {change: {author: megan@elsewhere.example}}
    expect: fail
"""


def test_rules_know_who_changed_the_file(world, monkeypatch):
    world.write("policies/authored.yaml", AUTHORED)
    world.request("a")
    world.push("founded")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "mallory@elsewhere.example")
    world.request("b")
    world.push("another")
    ran = world.run("apply", "--format", "json")
    assert outcomes(ran) == {"applied": ["a"], "deferred": [], "refused": ["b"]}
    assert ran.json["refused"][0]["why"] == "was changed by mallory@elsewhere.example"


def test_the_author_is_somebody_else_than_the_submitter(world, monkeypatch):
    world.configure(system=", distinct: [submitter, approver, author, robot]")
    world.request("a")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "megan@contoso.com")
    world.push("one")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "alex@contoso.com")
    world.request("b")
    world.push("two")
    ran = world.run("apply", "--format", "json")
    assert outcomes(ran) == {"applied": ["a"], "deferred": [], "refused": ["b"]}
    assert "different people as submitter and author of INC1234567" in ran.json["refused"][0]["why"]
