"""Every pattern and range with its members, and with no other; what instants and durations survive."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pmgitops.model.scalars import Day, Duration, Instant, instant_text, parse_duration
from pmgitops.model.schedule import Expiration, Recurrence, Schedule

DAILY = {"type": "daily", "interval": "1"}
NO_END = {"type": "noEnd", "startDate": "2026-12-01"}

PATTERN_MEMBERS = {
    "interval": "2",
    "daysOfWeek": ["monday", "friday"],
    "firstDayOfWeek": "sunday",
    "dayOfMonth": "5",
    "month": "12",
    "index": "last",
}
PATTERNS = {  # type -> required members, members that may be left out
    "daily": ({"interval"}, set()),
    "weekly": ({"interval", "daysOfWeek", "firstDayOfWeek"}, set()),
    "absoluteMonthly": ({"interval", "dayOfMonth"}, set()),
    "relativeMonthly": ({"interval", "daysOfWeek"}, {"index"}),
    "absoluteYearly": ({"interval", "dayOfMonth", "month"}, set()),
    "relativeYearly": ({"interval", "daysOfWeek", "month"}, {"index"}),
}
RANGE_MEMBERS = {
    "startDate": "2026-12-01",
    "endDate": "2027-12-01",
    "numberOfOccurrences": "3",
    "recurrenceTimeZone": "UTC",
}
RANGES = {
    "endDate": ({"startDate", "endDate"}, {"recurrenceTimeZone"}),
    "noEnd": ({"startDate"}, {"recurrenceTimeZone"}),
    "numbered": ({"startDate", "numberOfOccurrences"}, {"recurrenceTimeZone"}),
}


def recurrence(pattern=DAILY, range_=NO_END):
    return Recurrence.model_validate({"pattern": pattern, "range": range_})


def cases(kinds, members):
    """For each type: its members, these with each other one added, and these without each of them."""
    for kind, (required, optional) in kinds.items():
        own = {"type": kind} | {name: members[name] for name in required}
        yield pytest.param(own, True, id=kind)
        for name, value in members.items():
            if name not in required:
                yield pytest.param(own | {name: value}, name in optional, id=f"{kind}+{name}")
            else:
                yield pytest.param({n: v for n, v in own.items() if n != name}, False, id=f"{kind}-{name}")


@pytest.mark.parametrize(("pattern", "fits"), list(cases(PATTERNS, PATTERN_MEMBERS)))
def test_a_pattern_takes_its_members_and_no_other(pattern, fits):
    if not fits:
        with pytest.raises(ValidationError):
            recurrence(pattern)
        return
    dumped = recurrence(pattern).pattern.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert {name: str(value) for name, value in dumped.items()} == {name: str(value) for name, value in pattern.items()}


@pytest.mark.parametrize(("range_", "fits"), list(cases(RANGES, RANGE_MEMBERS)))
def test_a_range_takes_its_members_and_no_other(range_, fits):
    if not fits:
        with pytest.raises(ValidationError):
            recurrence(range_=range_)
        return
    dumped = recurrence(range_=range_).range.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert {name: str(value) for name, value in dumped.items()} == range_
    assert recurrence(range_=range_).ends is (range_["type"] != "noEnd")


def test_the_expiration_says_its_type():
    assert Expiration.model_validate({"duration": "PT1H"}).type == "afterDuration"
    assert Expiration.model_validate({"endDateTime": "2026-12-01T09:00:00Z"}).type == "afterDateTime"
    assert Expiration.model_validate({"type": "noExpiration"}).length is None


@pytest.mark.parametrize(
    ("expiration", "start", "end"),
    [
        ({"duration": "PT1H"}, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z"),
        ({"duration": "P1DT12H"}, None, "2026-01-02T12:00:00Z"),
        ({"endDateTime": "2026-12-01T12:00:00+02:00"}, "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z"),
        ({"type": "noExpiration"}, None, None),
        ({"duration": "P99999D"}, "9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_when_an_occurrence_ends(expiration, start, end):
    schedule = Schedule.model_validate({"expiration": expiration} | ({"startDateTime": start} if start else {}))
    found = schedule.end(datetime(2026, 1, 1, tzinfo=UTC))
    assert (instant_text(found) if found else None) == end


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=offsets))  # noqa: DTZ001
def test_instants_survive_as_utc(moment):
    parsed = TypeAdapter(Instant).validate_python(moment.isoformat())
    assert parsed == moment
    text = TypeAdapter(Instant).dump_python(parsed, mode="json")
    assert text.endswith("Z")
    assert TypeAdapter(Instant).validate_python(text) == moment
    assert instant_text(parsed) == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01T00:30:00+02:00", "2026-11-30T22:30:00Z"),
        ("2026-12-01T09:00:00.250000Z", "2026-12-01T09:00:00.25Z"),
        ("0099-12-01T09:00:00Z", "0099-12-01T09:00:00Z"),
    ],
)
def test_instants_are_said_as_graph_says_them(written, said):
    assert instant_text(TypeAdapter(Instant).validate_python(written)) == said


def test_an_instant_out_of_the_calendar_is_refused():
    with pytest.raises(ValidationError, match="is not an instant"):
        TypeAdapter(Instant).validate_python("9999-12-31T23:59:59-10:00")


@given(st.dates())
def test_dates_survive(day):
    assert TypeAdapter(Day).validate_python(day.isoformat()) == day
    assert TypeAdapter(Day).dump_python(day, mode="json") == day.isoformat()


def test_a_date_is_not_a_moment():
    assert TypeAdapter(Day).validate_python(date(2026, 12, 1)) == date(2026, 12, 1)
    with pytest.raises(ValidationError, match="is not a date"):
        TypeAdapter(Day).validate_python(datetime(2026, 12, 1, tzinfo=UTC))


units = st.fixed_dictionaries(
    {"D": st.integers(0, 99999), "H": st.integers(0, 99999), "M": st.integers(0, 99999), "S": st.integers(0, 99999)}
).filter(lambda parts: any(parts.values()))


@given(units)
def test_durations_are_the_sum_of_their_parts(parts):
    time = "".join(f"{parts[unit]}{unit}" for unit in "HMS" if parts[unit])
    text = f"P{parts['D']}D" * bool(parts["D"]) + ("T" + time if time else "")
    text = text if text.startswith("P") else "P" + text
    expected = timedelta(days=parts["D"], hours=parts["H"], minutes=parts["M"], seconds=parts["S"])
    assert parse_duration(text) == expected
    assert TypeAdapter(Duration).validate_python(text) == text


@given(st.text(alphabet="PTDHMSYW0123456789.-+ ", max_size=12))
def test_what_is_no_duration_is_told_so(text):
    try:
        assert parse_duration(text) > timedelta()
    except ValueError:
        with pytest.raises(ValidationError, match="is not a positive duration"):
            TypeAdapter(Duration).validate_python(text)
