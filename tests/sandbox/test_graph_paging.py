from __future__ import annotations

import pytest


@pytest.fixture
def seven(graph, control, body):
    """Seven change events, two to a page."""
    control.post("settings", pageSize=2)
    ids = [graph.created({**body, "ticketInfo": {"ticketNumber": f"INC{n:07}"}}) for n in range(7)]
    return ids, graph.get("permissionsRequestChanges", top=1).json()["value"][0]["modificationDateTime"]


def _walk(graph, answer):
    pages = [answer.json()]
    while link := pages[-1].get("@odata.nextLink"):
        answer = graph.session.get(link)
        assert answer.status_code == 200
        pages.append(answer.json())
    return pages


def test_pages_are_followed_by_absolute_links_until_there_is_none(graph, seven):
    pages = _walk(graph, graph.get("permissionsRequestChanges"))

    assert [len(page["value"]) for page in pages] == [2, 2, 2, 1]
    assert all(page["@odata.nextLink"].startswith(graph.root) for page in pages[:-1])
    assert [change["permissionsRequestId"] for page in pages for change in page["value"]] == seven[0]


def test_a_link_keeps_what_was_asked_for(graph, seven):
    ids, first = seven
    answer = graph.get(
        "permissionsRequestChanges",
        filter=f"modificationDateTime gt {first}",
        orderby="modificationDateTime desc",
        top=1,
    )

    pages = _walk(graph, answer)

    assert [len(page["value"]) for page in pages] == [1] * 6
    assert [page["value"][0]["permissionsRequestId"] for page in pages] == ids[:0:-1]


def test_a_link_may_hold_blanks_as_the_published_ones_do(graph, control, seven):
    control.post("settings", nextLinkBlanks=True)

    answer = graph.get("permissionsRequestChanges", filter=f"modificationDateTime ge {seven[1]}")

    assert "modificationDateTime ge 2" in answer.json()["@odata.nextLink"]
    assert sum(len(page["value"]) for page in _walk(graph, answer)) == 7


def test_events_that_arrive_while_paging_are_seen_once(graph, seven, body):
    first = graph.get("permissionsRequestChanges").json()
    late = graph.created(body)

    rest = _walk(graph, graph.session.get(first["@odata.nextLink"]))

    seen = [change["permissionsRequestId"] for page in [first, *rest] for change in page["value"]]
    assert seen == [*seven[0], late]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("ticketId eq 'INC0000003'", [3]),
        ("ticketId eq 'INC0000003' or ticketId eq 'INC0000005'", [3, 5]),
        ("permissionsRequestId eq '{2}'", [2]),
        ("permissionsRequestId eq '{2}' and ticketId eq 'INC0000003'", []),
        ("not (ticketId eq 'INC0000000') and contains(ticketId, '000002')", [2]),
        ("modificationDateTime le {first}", [0]),
        ("modificationDateTime lt {first}", []),
        ("modificationDateTime gt {first} and statusDetail eq 'submitted'", [1, 2, 3, 4, 5, 6]),
        ("modificationDateTime gt 2001-01-01T00:00:00+02:00", [0, 1, 2, 3, 4, 5, 6]),
        ("activeOccurrenceStatus ne null", []),
        ("ticketId eq 'O''Hara'", []),
    ],
)
def test_change_events_are_filtered(graph, control, seven, condition, found):
    control.post("settings", pageSize=100)
    ids, first = seven

    answer = graph.get("permissionsRequestChanges", filter=condition.format(*ids, first=first))

    assert answer.status_code == 200, answer.text
    assert [change["permissionsRequestId"] for change in answer.json()["value"]] == [ids[n] for n in found]


@pytest.mark.parametrize(
    "condition",
    [
        "nothing eq 'x'",
        "ticketId eq",
        "ticketId like 'x'",
        "ticketId eq 'x",
        "modificationDateTime gt '2023-02-06T12:15:00Z'",
        "modificationDateTime gt 2023-13-06T12:15:00Z",
        "ticketId eq 'x' and",
        "(ticketId eq 'x'",
        "p eq 'x' or '/'",
        "1=1; DROP TABLE changes",
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(graph, condition):
    answer = graph.get("permissionsRequestChanges", filter=condition)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadRequest"


@pytest.mark.parametrize(
    "query", [{"top": 0}, {"top": "x"}, {"skip": -1}, {"skiptoken": "%%%"}, {"orderby": "ticketId up"}]
)
def test_an_option_that_makes_no_sense_is_refused(graph, query):
    assert graph.get("permissionsRequestChanges", **query).status_code == 400


def test_requests_are_filtered_by_what_is_inside_them(graph, control, seven):
    control.post("settings", pageSize=100)

    answer = graph.get(
        "scheduledPermissionsRequests",
        filter="requestedPermissions/identityInfo/externalId eq 'rsn:alex@contoso.com'"
        " and ticketInfo/ticketNumber eq 'INC0000004'",
        count="true",
        select="id,statusDetail",
    ).json()

    assert answer["@odata.count"] == 1
    assert [set(one) - {"@odata.type"} for one in answer["value"]] == [{"id", "statusDetail"}]
    assert answer["value"][0]["id"] == seven[0][4]
