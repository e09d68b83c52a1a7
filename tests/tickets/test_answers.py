"""The taxonomy: every way in which ServiceNow fails is one code, which says whether a write may have happened."""

from __future__ import annotations

from typing import get_args

import pytest

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.tickets.answers import FAULTS, Code, failed

NUMBER = "INC1234567"
NO, UNKNOWN = Commit.NO, Commit.UNKNOWN


@pytest.fixture
def link(ours):
    return ours.find(NUMBER)[0].link("ServiceNow")


def test_every_code_says_what_holds_for_it():
    assert set(FAULTS) == set(get_args(Code))
    for code, fault in FAULTS.items():
        error = failed(code, "x", commit=UNKNOWN)
        assert isinstance(error, TemporaryRemoteError if fault.again else PermanentRemoteError)
        assert (error.code, error.commit) == (code, UNKNOWN if fault.doubtful else NO)
        assert failed(code, "x").commit is NO


def status(number, message="", detail=None, **more):
    body = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return {"do": "status", "status": number, "body": body, **more}


LIMIT = {"X-RateLimit-Limit": "10", "Retry-After": "3600"}
ACL = "ACL Exception Update Failed due to security constraints"
ANSWERS = {
    "table": (status(400, "Invalid table x"), "config", NO),
    "method": (status(405), "config", NO),
    "accept": (status(406), "config", NO),
    "type": (status(415), "config", NO),
    "login": (status(401, "User Not Authenticated"), "auth", NO),
    "api": (status(403, "User Not Authorized", "Failed API level ACL Validation"), "forbidden.api", NO),
    "row": (status(403, "Operation Failed", ACL), "forbidden.record", UNKNOWN),
    "query": (status(403, "Insufficient rights to query records"), "forbidden.record", UNKNOWN),
    "wordless": (status(403), "forbidden.record", UNKNOWN),
    "page": (status(403, body="<h1>no</h1>", contentType="text/html"), "forbidden.record", UNKNOWN),
    "policy": (status(403, "Data Policy Exception: Close code is mandatory"), "refused.rule", NO),
    "absent": (status(404, "No Record found"), "absent-or-hidden", NO),
    "rule": (status(429, "Rate limit exceeded", headers=LIMIT), "throttled.rule", NO),
    "queue": (status(429), "throttled.queue", NO),
    "accepted": ({"do": "empty"}, "accepted", UNKNOWN),
    "gone": (status(499), "server", UNKNOWN),
    **{str(number): (status(number), "server", UNKNOWN) for number in (500, 502, 503, 504)},
    "hang": ({"do": "delay", "seconds": 3600}, "timeout.read", UNKNOWN),
    "reset": ({"do": "close"}, "broken", UNKNOWN),
    "html": ({"do": "html"}, "not-api", UNKNOWN),
    "redirect": ({"do": "redirect", "location": "/login.do"}, "not-api", UNKNOWN),
    "conflict": (status(409), "not-api", UNKNOWN),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_what_an_answer_means(log_in, link, instance, what):
    fault, code, commit = ANSWERS[what]
    instance.fault(**fault, times=0)
    acts = ((lambda client: client.find(NUMBER), NO), (lambda client: client.add_note(link, "x"), commit))

    for act, doubt in acts:
        with pytest.raises(RemoteError) as error:
            act(log_in(deadline=0.3, attempts=1))
        assert (error.value.code, error.value.commit) == (code, doubt)
        assert type(error.value) is (TemporaryRemoteError if FAULTS[code].again else PermanentRemoteError)
        assert NUMBER not in str(error.value)


RULES = {
    "message": {"name": "Freeze at year's end", "table": "incident", "abort": "message"},
    "detail": {"name": "Change freeze", "table": "task", "abort": "detail"},
}


@pytest.mark.parametrize("place", RULES)
def test_a_business_rule_refuses_by_its_name(ours, link, instance, place):
    """Certainly not written, so that nobody looks for it; and an administrator is told which rule it was."""
    rule = RULES[place] | {"name": RULES[place]["name"].replace("'", "")}
    instance.settings(rules=[{**rule, "writes": ["work_notes"]}])

    with pytest.raises(PermanentRemoteError) as error:
        ours.add_note(link, "x")

    assert (error.value.code, error.value.commit) == ("refused.rule", NO)
    assert f"business rule '{rule['name']}' refused PATCH /api/now/table/incident/" in str(error.value)
    assert "rule" in error.value.hint
    assert instance.notes(NUMBER) == []


def test_a_data_policy_refuses_by_what_it_wants(ours, link, instance):
    policy = {"name": "Closing", "table": "incident", "writes": ["work_notes"], "mandatory": ["close_code"]}
    instance.settings(rules=[policy])

    with pytest.raises(PermanentRemoteError, match=r"a data policy of ServiceNow refused .* Close code") as error:
        ours.add_note(link, "x")
    assert (error.value.code, error.value.commit) == ("refused.rule", NO)


def test_words_of_a_rule_stay_one_bounded_line(ours, link, instance):
    name = "x" * 5000
    text = f"Operation against file 'incident' was aborted by Business Rule '{name}^a'. alex@contoso.com\n\n\x1b[31m"
    instance.fault(**status(403, text), times=0)

    with pytest.raises(RemoteError) as error:
        ours.add_note(link, "x")

    assert len(str(error.value)) < 600
    assert "contoso" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_read_is_tried_again_once_where_the_api_is_closed_for_a_moment(ours, link, instance):
    """As a node switch does (KB2466644); a write is not, and nothing is where it stays closed."""
    closed = status(403, "User Not Authorized", "Failed API level ACL Validation")
    instance.fault(**closed, times=1)
    assert ours.find(NUMBER)

    instance.fault(**closed, times=0)
    asked = len(instance.log())
    with pytest.raises(RemoteError):
        ours.find(NUMBER)
    assert len(instance.log()) - asked == 2
    with pytest.raises(RemoteError):
        ours.add_note(link, "x")
    assert len(instance.log("PATCH")) == 1
