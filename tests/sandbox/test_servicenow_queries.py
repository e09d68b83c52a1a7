from __future__ import annotations

import pysnow
import pytest
import requests

AUTH = ("pmgitops", "sandbox")


@pytest.fixture
def numbers(sandbox):
    """The numbers of the tasks that an encoded query finds, sorted unless it sorts them itself."""

    def ask(query, table="task"):
        answer = requests.get(
            f"{sandbox.url}/api/now/table/{table}",
            params={"sysparm_query": query, "sysparm_fields": "number"},
            auth=AUTH,
            timeout=10,
        )
        assert answer.status_code == 200
        found = [row["number"] for row in answer.json()["result"]]
        return found if "ORDERBY" in query else sorted(found)

    return ask


EVERYTHING = ["123456", "CHG0030001", "CHG0030002", "INC0000007", "INC1234567", "REQ0012345", "RITM0012345"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("number=INC1234567", ["INC1234567"]),
        ("number=INC1234567^active=false", []),
        ("number=INC1234567^ORnumber=123456", ["123456", "INC1234567"]),
        ("active=true^number=INC0000007^ORnumber=123456", ["123456"]),
        ("number=INC0000007^NQapproval=approved", ["CHG0030001", "INC0000007", "RITM0012345"]),
        ("number!=123456^numberSTARTSWITHINC", ["INC0000007", "INC1234567"]),
        ("numberINCHG0030001,CHG0030002,X", ["CHG0030001", "CHG0030002"]),
        ("numberNOT ININC0000007,INC1234567^numberLIKEINC", []),
        ("numberENDSWITH0001", ["CHG0030001"]),
        ("short_descriptionLIKEanalytics", ["RITM0012345"]),
        ("short_descriptionNOT LIKEneed^numberSTARTSWITHINC", ["INC0000007"]),
        ("short_descriptionISEMPTY", ["REQ0012345"]),
        ("approval_setISNOTEMPTY", ["CHG0030001", "RITM0012345"]),
        ("state<0", ["CHG0030001", "CHG0030002"]),
        ("state>=7", ["INC0000007"]),
        ("stateBETWEEN-2@0", ["CHG0030001"]),
        ("assigned_to.email=alexmanager@contoso.com^numberSTARTSWITHCHG", ["CHG0030001", "CHG0030002"]),
        ("active=false^EQ", ["INC0000007"]),
        ("numberSTARTSWITHCHG^ORDERBYDESCnumber", ["CHG0030002", "CHG0030001"]),
        ("numberANYTHING^ORDERBYnumber", EVERYTHING),
    ],
)
def test_encoded_queries_find(numbers, query, found):
    assert numbers(query) == found


def test_an_invalid_term_is_ignored_and_the_rest_runs(numbers, control):
    assert numbers("nmber=INC1234567") == EVERYTHING
    assert numbers("active=false^nmber=INC1234567") == ["INC0000007"]
    assert numbers("number~INC1234567") == EVERYTHING
    assert control.get("log")["log"][-1]["flags"] == ["invalid term: number~INC1234567"]

    control.post("settings", invalidQueryReturnsNoRows=True)
    assert numbers("active=false^nmber=INC1234567") == []


def test_a_doubled_caret_is_a_caret(control, numbers):
    control.post("tickets", number="X^Y", **{"class": "incident"})

    assert numbers("number=X^^Y") == ["X^Y"]
    # Undoubled, the rest is an invalid term, and what is left finds something else.
    assert numbers("number=X^Y") == []


def test_scripts_in_values_are_flagged_and_not_run(numbers, control):
    assert numbers("number=javascript:gs.getUserID()") == []
    assert control.get("log")["log"][-1]["flags"] == ["javascript: number=javascript:gs.getUserID()"]


def test_bare_fields_are_a_query_too(sandbox):
    answer = requests.get(
        f"{sandbox.url}/api/now/table/task", params={"number": "INC1234567"}, auth=AUTH, timeout=10
    ).json()

    assert len(answer["result"]) == 1


def test_what_pysnow_sends_with_everything_is_tolerated(sandbox, control):
    client = pysnow.Client(host=sandbox.servicenow_host, use_ssl=False, user=AUTH[0], password=AUTH[1])
    query = pysnow.QueryBuilder().field("number").starts_with("INC").AND().field("number").order_descending()

    found = list(client.resource(api_path="/table/incident").get(query).all())

    assert [row["number"] for row in found] == ["INC1234567", "INC0000007"]
    sent = control.get("log")["log"][-1]["query"]
    assert sent["sysparm_display_value"] == "False"
    assert sent["sysparm_view"] == ""
