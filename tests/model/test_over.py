"""When access is over for good: not before the first instant, certainly after the second."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from pmgitops.model.occurrences import over
from pmgitops.model.schedule import Schedule

SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
BEGUN = datetime(2026, 1, 15, 9, tzinfo=UTC)
DAILY = {"type": "daily", "interval": 1}


def told(begun=BEGUN, **members):
    found = over(SCHEDULE.validate_python(members), begun)
    return found and tuple(at.strftime("%Y-%m-%dT%H:%M") for at in found)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"expiration": {"duration": "PT1H"}}, ("2026-01-15T10:00", "2026-01-15T10:00")),
        ({"expiration": {"endDateTime": "2026-02-01T00:00:00Z"}}, ("2026-02-01T00:00", "2026-02-01T00:00")),
        ({"expiration": {"type": "noExpiration"}}, None),
        (
            {"startDateTime": "2026-01-20T00:00:00Z", "expiration": {"duration": "PT1H"}},
            ("2026-01-20T01:00", "2026-01-20T01:00"),
        ),
        (
            {"startDateTime": "2026-01-10T00:00:00Z", "expiration": {"duration": "P1D"}},
            ("2026-01-11T00:00", "2026-01-16T09:00"),
        ),
        ({"expiration": {"duration": "P99999D"}}, ("2299-10-30T09:00", "2299-10-30T09:00")),
        (
            {
                "expiration": {"duration": "PT2H"},
                "recurrence": {
                    "pattern": DAILY,
                    "range": {"type": "numbered", "startDate": "2026-01-15", "numberOfOccurrences": 3},
                },
            },
            ("2026-01-16T02:00", "2026-01-19T02:00"),
        ),
        (
            {
                "expiration": {"duration": "PT2H"},
                "recurrence": {
                    "pattern": DAILY,
                    "range": {"type": "endDate", "startDate": "2026-01-15", "endDate": "2026-01-20"},
                },
            },
            ("2026-01-19T02:00", "2026-01-22T02:00"),
        ),
        (
            {
                "expiration": {"duration": "PT2H"},
                "recurrence": {"pattern": DAILY, "range": {"type": "noEnd", "startDate": "2026-01-15"}},
            },
            None,
        ),
    ],
)
def test_over(members, expected):
    assert told(**members) == expected


def test_what_has_not_begun_has_no_end_unless_it_is_given_as_one():
    assert told(None, expiration={"duration": "PT1H"}) is None
    assert told(None, startDateTime="2026-01-10T00:00:00Z", expiration={"duration": "PT1H"}) is None
    assert told(None, expiration={"endDateTime": "2026-02-01T00:00:00Z"}) is not None
