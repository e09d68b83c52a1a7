"""The Table API, driven by pysnow as it is published."""

from __future__ import annotations

import re

import pysnow
import pytest
import requests

AUTH = ("pmgitops", "sandbox")


@pytest.fixture
def client(sandbox):
    session = requests.Session()
    session.trust_env = False
    session.auth = AUTH
    with session:
        yield pysnow.Client(host=sandbox.servicenow_host, use_ssl=False, session=session)


@pytest.fixture
def table(client):
    """A resource of a table, new for each call: pysnow's keep the parameters of the call before."""
    return lambda name: client.resource(api_path=f"/table/{name}")


@pytest.fixture
def rest(sandbox):
    """The API without pysnow in between."""
    session = requests.Session()
    session.trust_env = False
    session.auth = AUTH

    def call(method, path, **options):
        return session.request(method, f"{sandbox.url}/api/now{path}", timeout=10, **options)

    with session:
        yield call


@pytest.fixture
def incident(table):
    return table("task").get({"number": "INC1234567"}).one()["sys_id"]


def test_a_task_is_found_in_its_parent_with_its_class(table):
    found = table("task").get({"number": "CHG0030001"}, fields=["number", "sys_class_name", "sys_id"]).one()

    assert found["sys_class_name"] == "change_request"
    assert re.fullmatch("[0-9a-f]{32}", found["sys_id"])


def test_a_child_has_fields_that_its_parent_has_not(table):
    as_task = table("task").get({"number": "INC1234567"}).one()
    as_incident = table("incident").get({"number": "INC1234567"}).one()

    assert "caller_id" in as_incident
    assert "caller_id" not in as_task
    assert as_task["number"] == as_incident["number"]
    with pytest.raises(pysnow.exceptions.NoResults):
        table("problem").get({"number": "INC1234567"}).one()


def test_every_value_is_text(table):
    record = table("incident").get({"number": "INC1234567"}, exclude_reference_link=True).one()

    assert {type(value) for value in record.values()} == {str}
    assert (record["active"], record["state"], record["sys_mod_count"]) == ("true", "2", "0")
    assert record["close_notes"] == ""


def test_a_record_is_created_changed_and_deleted(table):
    made = table("incident").create({"short_description": "It is slow", "caller_id": "alex"}).one()
    assert re.fullmatch(r"INC\d{7}", made["number"])
    assert made["state"] == "1"
    assert made["sys_created_by"] == "pmgitops"

    changed = table("incident").update({"number": made["number"]}, {"state": "7", "sys_mod_count": "99"}).one()
    assert (changed["state"], changed["incident_state"], changed["active"]) == ("7", "7", "false")
    assert changed["sys_mod_count"] == "1"

    same = table("incident").update({"number": made["number"]}, {"state": "7"}).one()
    assert same["sys_mod_count"] == "1"

    table("incident").delete({"number": made["number"]})
    with pytest.raises(pysnow.exceptions.NoResults):
        table("incident").get({"number": made["number"]}).one()


def test_numbers_count_up(table):
    numbers = [table("problem").create({}).one()["number"] for _ in range(3)]

    assert numbers == sorted(set(numbers))
    assert all(number.startswith("PRB") for number in numbers)


@pytest.mark.parametrize(
    ("display", "links", "shape"),
    [
        ("false", "false", {"link", "value"}),
        ("true", "false", {"link", "display_value"}),
        ("all", "false", {"link", "value", "display_value"}),
        ("all", "true", {"value", "display_value"}),
    ],
)
def test_references_have_the_shape_of_the_display_mode(rest, incident, display, links, shape):
    query = {"sysparm_display_value": display, "sysparm_exclude_reference_link": links}

    caller = rest("GET", f"/table/incident/{incident}", params=query).json()["result"]["caller_id"]

    assert set(caller) == shape
    if "display_value" in shape:
        assert caller["display_value"] == "Alex Wilber"
    if "link" in shape:
        linked = requests.get(caller["link"], auth=AUTH, timeout=10).json()["result"]
        assert linked["email"] == "alex@contoso.com"


@pytest.mark.parametrize("display", ["false", "true"])
def test_without_links_a_reference_is_plain_text(rest, incident, display):
    query = {"sysparm_display_value": display, "sysparm_exclude_reference_link": "TRUE"}

    caller = rest("GET", f"/table/incident/{incident}", params=query).json()["result"]["caller_id"]

    assert caller == "Alex Wilber" if display == "true" else re.fullmatch("[0-9a-f]{32}", caller)


def test_times_are_shown_in_the_users_zone_and_format(rest, control, incident):
    control.post("settings", displayOffsetHours=2, displayFormat="%d.%m.%Y %H:%M:%S")
    query = {"sysparm_display_value": "all", "sysparm_fields": "sys_created_on,state"}

    shown = rest("GET", f"/table/incident/{incident}", params=query).json()["result"]

    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown["sys_created_on"]["value"])
    assert re.fullmatch(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d", shown["sys_created_on"]["display_value"])
    utc, local = shown["sys_created_on"]["value"][11:13], shown["sys_created_on"]["display_value"][11:13]
    assert (int(local) - int(utc)) % 24 == 2
    assert shown["state"] == {"value": "2", "display_value": "In Progress"}


def test_fields_walk_over_references_and_unknown_ones_are_ignored(table):
    fields = ["number", "caller_id.email", "caller_id.nothing", "parent.number", "nothing"]

    found = table("incident").get({"number": "INC1234567"}, fields=fields).one()

    assert found == {"number": "INC1234567", "caller_id.email": "alex@contoso.com", "parent.number": ""}


def test_an_ordered_item_has_its_answers(rest):
    """As ServiceNow keeps them: a row between the item and each answer, which refers to its question."""
    fields = {"sysparm_fields": "sys_id,cat_item", "sysparm_display_value": "all"}
    found = rest("GET", "/table/sc_req_item", params={"sysparm_query": "number=RITM0012345", **fields})
    (item,) = found.json()["result"]
    assert item["cat_item"]["display_value"] == "Access to a cloud subscription"
    name, value = "sc_item_option.item_option_new.name", "sc_item_option.value"
    query = {"sysparm_query": f"request_item={item['sys_id']['value']}", "sysparm_fields": f"{name},{value}"}
    answers = rest("GET", "/table/sc_item_option_mtom", params=query).json()["result"]
    assert {row[name] for row in answers} == {"subscription", "role", "hours", "reason", "remarks"}
    assert next(row[value] for row in answers if row[name] == "hours") == "2"


def test_a_list_is_paged_and_counted(rest):
    query = {"sysparm_query": "ORDERBYnumber", "sysparm_limit": "2", "sysparm_offset": "2", "sysparm_fields": "number"}

    answer = rest("GET", "/table/task", params=query)

    assert [row["number"] for row in answer.json()["result"]] == ["CHG0030002", "INC0000007"]
    assert answer.headers["X-Total-Count"] == "7"
    links = {name: link["url"] for name, link in answer.links.items()}
    assert set(links) == {"first", "prev", "next", "last"}
    following = requests.get(links["next"], auth=AUTH, timeout=10).json()["result"]
    assert [row["number"] for row in following] == ["INC1234567", "REQ0012345"]


def test_count_and_links_can_be_left_out(rest):
    query = {"sysparm_limit": "2", "sysparm_no_count": "true", "sysparm_suppress_pagination_header": "true"}

    answer = rest("GET", "/table/task", params=query)

    assert "X-Total-Count" not in answer.headers
    assert "Link" not in answer.headers


def test_the_page_is_cut_before_rows_are_hidden(rest, control):
    control.post("settings", hidden=["CHG0030001"])
    query = {"sysparm_query": "ORDERBYnumber", "sysparm_limit": "2", "sysparm_fields": "number,sys_id"}

    answer = rest("GET", "/table/task", params=query)

    assert [row["number"] for row in answer.json()["result"]] == ["123456"]
    assert answer.headers["X-Total-Count"] == "7"


def test_hidden_and_absent_look_the_same(rest, control, incident):
    control.post("settings", hidden=["INC1234567"])

    hidden = rest("GET", f"/table/incident/{incident}")
    absent = rest("GET", f"/table/incident/{'0' * 32}")

    assert hidden.status_code == absent.status_code == 404
    assert hidden.json() == absent.json() == {
        "error": {
            "message": "No Record found",
            "detail": "Record doesn't exist or ACL restricts the record retrieval",
        },
        "status": "failure",
    }  # fmt: skip


@pytest.mark.parametrize(("version", "status"), [("", 200), ("/v2", 200), ("/v1", 404)])
def test_an_empty_list_is_an_error_in_v1_only(rest, version, status):
    answer = rest("GET", f"{version}/table/incident", params={"sysparm_query": "number=INC9999999"})

    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"result": []}


def test_links_keep_the_version_of_the_call(rest, incident):
    caller = rest("GET", f"/v2/table/incident/{incident}").json()["result"]["caller_id"]

    assert "/api/now/v2/table/sys_user/" in caller["link"]


def test_an_unknown_table_is_a_bad_request(rest):
    answer = rest("GET", "/table/nothing")

    assert answer.status_code == 400
    assert answer.json() == {
        "error": {"message": "Invalid table nothing", "detail": "Table nothing does not exist"},
        "status": "failure",
    }


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_put_and_patch_change_only_what_is_sent(rest, incident, method):
    before = rest("GET", f"/table/incident/{incident}").json()["result"]

    after = rest(method, f"/table/incident/{incident}", json={"urgency": "1", "nothing": "x"}).json()["result"]

    changed = {name for name in before if before[name] != after[name]}
    assert changed - {"sys_updated_on"} == {"urgency", "sys_mod_count", "sys_updated_by"}
    assert after["sys_updated_by"] == "pmgitops"


def test_of_a_list_only_the_first_is_taken(rest):
    answer = rest("POST", "/table/incident", json=[{"short_description": "one"}, {"short_description": "two"}])

    assert answer.status_code == 201
    assert answer.json()["result"]["short_description"] == "one"
    assert answer.headers["Location"].endswith(answer.json()["result"]["sys_id"])
    total = rest("GET", "/table/incident", params={"sysparm_limit": "1"}).headers["X-Total-Count"]
    assert total == "4"


@pytest.mark.parametrize(
    ("headers", "data", "status"),
    [
        ({"Accept": None}, b"{}", 400),
        ({"Content-Type": None}, b"{}", 400),
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Accept": "text/html"}, b"{}", 406),
        ({}, b"{", 400),
        ({}, b'"text"', 400),
        ({}, b"[]", 400),
        ({}, b'{"description": "' + b"x" * (10 * 1024 * 1024) + b'"}', 400),
    ],
)
def test_a_call_without_manners_is_refused(rest, headers, data, status):
    manners = {"Accept": "application/json", "Content-Type": "application/json", **headers}

    answer = rest("POST", "/table/incident", data=data, headers=manners)

    assert answer.status_code == status
    assert set(answer.json()) == {"error", "status"}
    assert set(answer.json()["error"]) == {"message", "detail"}


def test_methods_that_there_are_not_are_refused_in_the_envelope(rest, incident):
    answer = rest("POST", f"/table/incident/{incident}", json={})

    assert answer.status_code == 405
    assert answer.json()["status"] == "failure"


def test_head_counts_without_a_body(rest):
    answer = rest("HEAD", "/table/incident")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["X-Total-Count"] == "3"


def test_a_write_can_be_answered_without_a_body(rest):
    answer = rest("POST", "/table/incident", json={}, headers={"X-no-response-body": "true"})

    assert (answer.status_code, answer.content) == (201, b"")


def test_the_number_is_not_unique_unless_it_is_made_so(rest, control):
    assert rest("POST", "/table/incident", json={"number": "INC1234567"}).status_code == 201
    found = rest("GET", "/table/task", params={"sysparm_query": "number=INC1234567"}).json()["result"]
    assert len(found) == 2

    control.post("settings", refuseDuplicateNumbers=True)
    refused = rest("POST", "/table/incident", json={"number": "INC1234567"})
    assert refused.status_code == 403
    assert re.search(r"aborted by Business Rule 'Unique number\^[0-9a-f]{32}'", refused.json()["error"]["message"])
