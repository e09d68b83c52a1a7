from __future__ import annotations

import pytest

HOUR = 3600
DAY = 24 * HOUR


def test_an_approved_request_runs_through_its_hour(graph, control, body):
    request_id = graph.created(body)
    assert graph.changes(request_id) == [("submitted", None)]

    control.approve(request_id)
    assert graph.changes(request_id)[1:] == [("approved", None), ("approved", "granting")]

    control.advance(2)
    assert graph.changes(request_id)[-1] == ("approved", "granted")

    control.advance(HOUR)
    assert graph.changes(request_id)[4:] == [("approved", "revoking"), ("approved", "revoked"), ("completed", None)]

    control.advance(10 * DAY)
    assert len(graph.changes(request_id)) == 7


def test_change_events_have_ids_and_times_of_their_own(graph, control, body):
    for _ in range(3):
        control.approve(graph.created(body))
    control.advance(2 * HOUR)

    changes = graph.get("permissionsRequestChanges").json()["value"]

    assert len({change["id"] for change in changes}) == len(changes) == 21
    assert len({change["modificationDateTime"] for change in changes}) == 21
    one = graph.get(f"permissionsRequestChanges/{changes[4]['id']}").json()
    assert {key: one[key] for key in changes[4]} == changes[4]
    assert changes[0]["ticketId"] == "INC1234567"
    assert graph.get(f"permissionsRequestChanges/{changes[0]['permissionsRequestId']}").status_code == 404


def test_a_rejected_request_stays_rejected(graph, control, body):
    request_id = graph.created(body)
    control.post(f"requests/{request_id}/reject")
    control.advance(DAY)

    assert graph.changes(request_id) == [("submitted", None), ("rejected", None)]
    with pytest.raises(AssertionError, match="not pending"):
        control.approve(request_id)


def test_a_later_start_waits_for_its_time(graph, control, body):
    body["scheduleInfo"]["startDateTime"] = "2099-01-01T00:00:00Z"
    request_id = graph.created(body)
    control.approve(request_id)
    assert graph.changes(request_id)[-1] == ("approved", None)

    control.advance(80 * 365 * DAY)
    assert graph.changes(request_id)[-1] == ("completed", None)


def test_without_an_expiration_access_never_ends_by_itself(graph, control, body):
    del body["scheduleInfo"]
    request_id = graph.created(body)
    control.approve(request_id)
    control.advance(10 * 365 * DAY)

    assert graph.changes(request_id)[-1] == ("approved", "granted")


def test_an_end_that_has_passed_grants_nothing(graph, control, body):
    body["scheduleInfo"] = {"expiration": {"type": "afterDateTime", "endDateTime": "2001-01-01T00:00:00Z"}}
    request_id = graph.created(body)
    control.approve(request_id)

    assert graph.changes(request_id) == [("submitted", None), ("approved", None), ("completed", None)]


def _recurring(body, pattern, reach, start="2090-03-01"):
    body["scheduleInfo"] |= {
        "startDateTime": f"{start}T08:00:00Z",
        "recurrence": {"pattern": pattern, "range": {"startDate": start, **reach}},
    }
    return body


@pytest.mark.parametrize(
    ("recurrence", "starts"),
    [
        (({"type": "daily", "interval": 2}, {"type": "numbered", "numberOfOccurrences": 2}), ["03-01", "03-03"]),
        (({"type": "daily", "interval": 1}, {"type": "endDate", "endDate": "2090-03-02"}), ["03-01", "03-02"]),
        (  # the 1st of March 2090 is a Wednesday
            (
                {"type": "weekly", "interval": 1, "daysOfWeek": ["friday", "wednesday"], "firstDayOfWeek": "monday"},
                {"type": "numbered", "numberOfOccurrences": 3},
            ),
            ["03-01", "03-03", "03-08"],
        ),
        (
            (
                {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
                {"type": "numbered", "numberOfOccurrences": 3},
            ),
            ["03-31", "04-30", "05-31"],
        ),
        (
            (
                {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "index": "last"},
                {"type": "numbered", "numberOfOccurrences": 2},
            ),
            ["03-27", "04-24"],
        ),
        (
            (
                {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "index": "second"},
                {"type": "numbered", "numberOfOccurrences": 2},
            ),
            ["03-13", "04-10"],
        ),
        (
            (
                {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 29, "month": 2},
                {"type": "numbered", "numberOfOccurrences": 2},
            ),
            ["02-28", "02-29"],  # of 2091 and 2092
        ),
    ],
)
def test_a_recurring_request_opens_and_closes_by_its_pattern(graph, control, body, recurrence, starts):
    request_id = graph.created(_recurring(body, *recurrence))
    control.approve(request_id)
    control.advance(75 * 365 * DAY)

    events = graph.get("permissionsRequestChanges").json()["value"]

    granting = [one["modificationDateTime"] for one in events if one.get("activeOccurrenceStatus") == "granting"]
    assert [when[5:10] for when in granting] == starts
    assert all(when[11:16] == "08:00" for when in granting)
    assert graph.changes(request_id)[-1] == ("completed", None)


def test_a_recurrence_without_an_end_never_completes(graph, control, body):
    request_id = graph.created(_recurring(body, {"type": "daily", "interval": 1}, {"type": "noEnd"}, "2023-02-08"))
    control.approve(request_id)
    control.advance(20 * DAY)

    changes = graph.changes(request_id)

    assert changes.count(("approved", "granted")) in (20, 21)
    assert ("completed", None) not in changes


def test_a_pending_request_is_canceled_by_its_requestor_alone(graph, body):
    request_id = graph.created(body)
    for stranger in ("megan@contoso.com", "admin@contoso.com"):
        graph.session.headers["Authorization"] = f"Bearer {stranger}"
        assert graph.cancel(request_id).status_code == 403
    graph.session.headers["Authorization"] = "Bearer alex@contoso.com"

    answer = graph.cancel(request_id)

    assert (answer.status_code, answer.content) == (204, b"")
    assert graph.changes(request_id) == [("submitted", None), ("canceled", None)]
    assert graph.cancel(request_id).status_code == 400
    assert graph.cancel("nothing").status_code == 404


@pytest.mark.parametrize("caller", ["alex@contoso.com", "admin@contoso.com"])
def test_canceling_what_is_granted_takes_it_back(graph, control, body, caller):
    request_id = graph.created(body)
    control.approve(request_id)
    control.advance(2)
    graph.session.headers["Authorization"] = f"Bearer {caller}"

    assert graph.cancel(request_id).status_code == 204
    control.advance(DAY)

    assert graph.changes(request_id)[4:] == [("canceled", "revoking"), ("canceled", "revoked")]


def test_an_approved_request_is_not_canceled_by_a_stranger(graph, control, body):
    request_id = graph.created(body)
    control.approve(request_id)
    graph.session.headers["Authorization"] = "Bearer megan@contoso.com"

    assert graph.cancel(request_id).status_code == 403


@pytest.mark.parametrize("failing", ["granting", "revoking"])
def test_granting_and_revoking_may_fail(graph, control, body, failing):
    control.post("settings", failing=[failing])
    request_id = graph.created(body)
    control.approve(request_id)
    control.advance(2 * HOUR)

    changes = graph.changes(request_id)

    assert ("approved", f"{failing}Failed") in changes
    assert ("approved", "granted" if failing == "granting" else "revoked") not in changes
    assert changes[-1] == ("completed", None)
