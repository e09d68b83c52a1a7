"""What the gate asks: how often, how many at once, of whom, and what stands in the way of an answer."""

from __future__ import annotations

import itertools
import threading

import pytest

from pmgitops.errors import PermanentRemoteError, RemoteError
from pmgitops.model.ticket import User
from pmgitops.tickets import gate, inquiry
from tests.tickets.test_gate import claimed, config, ticket

NUMBER = "INC1234567"
PEOPLE = {
    "ticket_submitter_identity_id": "alex@contoso.com",
    "ticket_approver_identity_id": "alexmanager@contoso.com",
}


def claims_for(numbers):
    return [gate.Claim(ticket(number, **PEOPLE), name=number) for number in numbers]


def changes(instance, count):
    """Approved changes, as their users know them."""
    numbers = [f"CHG{7000000 + place}" for place in range(count)]
    for number in numbers:
        made = instance.ticket(**{"class": "change_request", "number": number, "state": "-1", "requested_by": "alex"})
        instance.approval(made["sys_id"], "alexmanager")
    return numbers


def paths(instance):
    return [entry["path"].removeprefix("/api/now") for entry in instance.log()]


def test_a_request_costs_at_most_four_calls(ours, instance):
    """Find, read, read again; approvals and people share theirs."""
    numbers = changes(instance, 60)
    instance.control("DELETE", "log")

    claims, settings = claims_for(numbers), config(window="off")
    verdicts = inquiry.verdicts(claims, settings, {"servicenow": ours})
    assert {verdict.outcome for verdict in verdicts} == {"passes"}, verdicts[0].reasons
    judging = len(instance.log())
    records = {claim.name: verdict.record for claim, verdict in zip(claims, verdicts, strict=True)}
    assert inquiry.changed(records, settings, "servicenow", {"servicenow": ours}) == {}

    assert judging == 60 * 2 + 2 + 1
    assert len(instance.log()) - judging == 60 + 2
    assert len(instance.log()) / 60 <= 4


def test_one_ticket_of_many_requests_is_read_once(ours, instance):
    inquiry.verdicts(claims_for([NUMBER] * 30), config(), {"servicenow": ours})
    assert sorted(path.rpartition("/")[0] for path in paths(instance)) == ["/table", "/table", "/table/incident"]


def test_people_are_asked_for_once_a_run(ours, instance):
    first = ours.users(["alex@contoso.com", "megan", "nobody"])
    assert (first["alex@contoso.com"].user_name, first["megan"].email) == ("alex", "megan@contoso.com")
    assert first["nobody"] == "absent"
    asked = len(instance.log())
    again = ours.users(["megan", "alex@contoso.com"])
    assert again == {name: first[name] for name in ("megan", "alex@contoso.com")}
    assert len(instance.log()) == asked


@pytest.mark.parametrize(
    "identity", ["a^b", "a,b", "a b", "javascript:x", "a@b@c", "", "a\n", "ä@contoso.com", "x" * 400]
)
def test_who_is_no_identity_is_not_asked_for(ours, instance, identity):
    assert ours.users([identity]) == {identity: "malformed"}
    assert instance.log() == []


def test_many_people_share_calls_and_pages(ours, instance):
    for place in range(120):
        instance.user(f"user{place}", email="same@contoso.com" if place > 20 else f"user{place}@contoso.com")
    found = ours.users(["same@contoso.com", *(f"user{place}" for place in range(120))])
    assert found["same@contoso.com"] == "ambiguous"
    assert all(isinstance(found[f"user{place}"], User) for place in range(120))
    assert len(instance.log()) == 6


def test_who_we_are(ours, instance):
    assert ours.myself().user_name == "pmgitops"
    instance.settings(unreadable=["sys_user.sys_id"])
    with pytest.raises(RemoteError):
        ours.myself()


def test_an_answer_about_others_is_none(ours, instance):
    """A term that is not understood is ignored: then everybody is shown."""
    rows = [{name: {"value": "x", "display_value": "x"} for name in ("sys_id", "user_name", "name", "email")}]
    fault = {"do": "status", "status": 200, "contentType": "application/json", "times": 0}
    instance.fault(**fault, path="/table/sys_user", body={"result": rows})
    with pytest.raises(PermanentRemoteError) as raised:
        ours.users(["alex@contoso.com"])
    assert raised.value.code == "mismatch"
    values = {"approver": "x", "state": "x", "sys_updated_by": "x", "sysapproval": "b" * 32}
    row = {name: {"value": value} for name, value in values.items()}
    instance.fault(**fault, path="/sysapproval_approver", body={"result": [row]})
    with pytest.raises(PermanentRemoteError) as raised:
        ours.approvals(["a" * 32])
    assert raised.value.code == "mismatch"


# Systems that stop answering in the middle

BROKEN = [
    {"do": "html"},
    {"do": "redirect", "status": 302, "location": "https://elsewhere.example/login.do"},
    {"do": "status", "status": 503},
    {"do": "status", "status": 403},
    {"do": "partial", "when": "after"},
    {"do": "close"},
]
WHERE = ["/table/task", "/table/change_request/", "/table/sysapproval_approver", "/table/sys_user"]


@pytest.mark.parametrize("path", WHERE)
@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault["do"] + str(fault.get("status", "")))
def test_whatever_does_not_answer_defers(log_in, instance, fault, path):
    """At every one of its calls; and nobody is sent elsewhere with our login."""
    (number,) = changes(instance, 1)
    instance.fault(**fault, path=path, times=0)
    (claim,) = claims_for([number])

    verdict = claimed(claim, log_in(attempts=1), config(window="off"))

    assert (verdict.outcome, verdict.record) == ("deferred", None)
    assert not any("You must" in reason or number in reason for reason in verdict.reasons)


def test_a_record_that_hides_between_two_calls_is_not_there(ours, instance):
    instance.fault(do="status", status=404, path="/table/incident/", times=0)
    assert "is not there, or pmgitops may not read it" in claimed(gate.Claim(ticket()), ours, config()).reasons[0]


# Several at once


def test_every_worker_has_a_session_of_its_own(log_in, instance):
    """Calls of one session are served one after the other, so each connection keeps its own cookies."""
    numbers = [instance.ticket()["number"] for _ in range(40)]
    client = log_in(parallel=4)
    meeting = threading.Barrier(4, timeout=20)
    began = itertools.count()
    find = client.find

    def meet(number):
        if next(began) < 4:
            meeting.wait()  # the first four are under way at the same time
        return find(number)

    client.find = meet
    verdicts = inquiry.verdicts(claims_for(numbers), config(submitter="off"), {"servicenow": client})

    assert {verdict.record.number for verdict in verdicts} == set(numbers)
    sessions = [one.session for one in client._idle.queue if one]
    assert 1 <= len(sessions) <= 4
    assert len({session.cookies.get("JSESSIONID") for session in sessions}) == len(sessions)
    assert len({id(session._terms) for session in sessions}) == 1


def test_a_pause_is_everybodys(log_in, instance):
    """Who is told to wait for longer than a run does has all others wait too: the limit is the user's."""
    numbers = [instance.ticket()["number"] for _ in range(30)]
    instance.fault(do="status", status=429, headers={"Retry-After": "3000", "X-RateLimit-Limit": "10"}, skip=5, times=0)
    verdicts = inquiry.verdicts(claims_for(numbers), config(submitter="off"), {"servicenow": log_in(parallel=4)})

    assert {verdict.outcome for verdict in verdicts} <= {"deferred", "passes"}
    assert sum(verdict.outcome == "deferred" for verdict in verdicts) >= 25
    assert len(instance.log()) <= 5 + 4, "those under way, and nobody after them"


def test_a_refused_login_is_not_tried_by_the_others(log_in, instance):
    numbers = [instance.ticket()["number"] for _ in range(30)]
    instance.fault(do="status", status=401, times=0)
    verdicts = inquiry.verdicts(claims_for(numbers), config(submitter="off"), {"servicenow": log_in(parallel=4)})
    assert {verdict.outcome for verdict in verdicts} == {"deferred"}
    assert len(instance.log()) <= 4


# What is read again


def again(records, client, **system):
    return inquiry.changed(records, config(**system), "servicenow", {"servicenow": client})


def test_what_changed_is_told(ours, instance):
    numbers = changes(instance, 4)
    records = {claim.name: claimed(claim, ours, config(window="off")).record for claim in claims_for(numbers)}
    one, other, third, fourth = numbers
    instance.change(one, state="3")
    instance.change(other, short_description="nothing that is judged", priority="1")
    instance.approval(records[third].sys_id, "megan")
    instance.change(fourth, end_date="2026-01-15 17:00:00")

    told = again(records, ours)

    assert told.keys() == {one, third, fourth}
    assert told[one] == f"{one} was changed after it was judged; it is judged again"


def test_what_cannot_be_read_again_is_not_as_it_was(log_in, instance):
    client = log_in(attempts=1)
    records = {"a": claimed(gate.Claim(ticket()), client, config()).record}
    instance.settings(hidden=[NUMBER])
    assert again(records, client) == {
        "a": f"{NUMBER} was there when it was judged, and is not any more; it is judged again"
    }
    instance.settings(hidden=[])
    assert again(records, client) == {}
    instance.fault(do="status", status=503, path="/table/incident", times=0)
    assert "cannot be read again: ServiceNow answered 503" in again(records, client)["a"]
    assert inquiry.changed(records, config(), "servicenow", {}) == {"a": "servicenow is not read here"}


def test_the_record_has_what_rules_may_ask_for(ours):
    record = claimed(gate.Claim(ticket("CHG0030001")), ours, config()).record
    assert [str(user) for user in record.submitters] == ["alex@contoso.com"]
    assert str(record.opened_by) == "alex@contoso.com"
    assert record.window[0] < record.window[1]
    (row,) = record.approved
    assert (str(row.approver), row.decided_by) == ("alexmanager@contoso.com", "admin")
    assert (record.correlation_id, record.updated_by) == ("", "admin")
    assert record.modifications.isdecimal()
