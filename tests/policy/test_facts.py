"""What rules see of a request, and of its schedule: held against a calendar that is walked day by day."""

from bisect import bisect_left
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made import at, judge, load, policy, request
from pydantic import TypeAdapter

from pmgitops.model.occurrences import days, most_in
from pmgitops.model.request import KINDS, REQUEST
from pmgitops.model.scalars import instant_text
from pmgitops.model.schedule import Recurrence, Schedule
from pmgitops.policy import facts
from pmgitops.policy.declared import fields, is_kind, plain
from pmgitops.policy.examples import NOW, REQUESTS, laid_over

SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
RECURRENCE: TypeAdapter[Recurrence] = TypeAdapter(Recurrence)


def of(kind, **changes):
    return facts.request_facts("a-request", request(kind, **changes).request, NOW)


def schedule(**written):
    return facts.schedule_facts(SCHEDULE.validate_python(written), NOW)


# --- the request ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_an_example_and_facts(kind):
    seen = of(kind)
    assert (seen.kind, seen.provider, seen.name) == (kind, kind.split("-")[0], "a-request")
    assert seen.authorization_system_id == REQUESTS[kind]["authorizationSystemId"]
    assert seen.ticket.approver == "alexmanager@contoso.com"


STATEMENTS = [
    {"statementId": "a", "effect": "allow", "actions": ["S3:Del*", "s3:GetObject"], "resources": ["*"]},
    {"statementId": "b", "effect": "deny", "actions": ["s3:DeleteBucket"], "resources": ["*"]},
]


def test_only_what_is_allowed_is_asked_for():
    seen = of("aws-actions", statements=STATEMENTS)
    assert seen.actions == ("S3:Del*", "s3:GetObject")
    assert "s3:deletebucketpolicy" in seen.expanded_actions
    assert {name.split("t")[0] for name in seen.expanded_actions} == {"s3:dele", "s3:ge"}
    assert "s3:deletebucket" not in seen.expanded_actions, "a deny that holds everywhere and always takes it away"
    assert [statement.effect for statement in seen.statements] == ["allow", "deny"]


def test_everything_but_is_everything():
    but = [{"statementId": "a", "effect": "allow", "notActions": ["iam:PassRole"], "notResources": ["arn:aws:s3:::b"]}]
    seen = of("aws-actions", statements=but)
    assert (seen.actions, seen.not_actions) == ((), ("iam:PassRole",))
    assert {"iam:createaccesskey", "s3:deletebucket"} < set(seen.expanded_actions)
    assert "iam:passrole" not in seen.expanded_actions
    assert (seen.resources, seen.not_resources) == ((), ("arn:aws:s3:::b",))
    forbidden = [{**but[0], "effect": "deny"}]
    assert of("aws-actions", statements=forbidden).expanded_actions == ()


def test_conditions_are_seen_line_by_line():
    condition = {"StringEquals": {"aws:x": ["a", "b"], "aws:y": "c"}}
    (statement, _) = of("aws-actions", statements=[{**STATEMENTS[0], "condition": condition}, STATEMENTS[1]]).statements
    assert [(line.operator, line.key, line.operands) for line in statement.conditions] == [
        ("StringEquals", "aws:x", ("a", "b")),
        ("StringEquals", "aws:y", ("c",)),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_sees_what_the_models_say(kind):
    """Every declared text, list and flag of the facts comes out of CEL as it went in."""
    fact = of(kind)
    seen = plain(fact)
    texts = [f"request.{name} == {value!r}" for name, value in seen.items() if isinstance(value, str)]
    lists = [
        f"request.{name} == {list(value)!r}"
        for name, value in seen.items()
        if isinstance(value, tuple) and name != "statements"
    ]
    assert len(texts) == 8
    assert len(lists) == 7
    loaded = load(policy())
    situation = loaded.engine.situation({"request": fact, "now": NOW})
    for expression in [*texts, *lists, f"request.schedule.immediate == {str(seen['schedule']['immediate']).lower()}"]:
        assert situation.judge(loaded.engine.compile(expression)) is True, expression


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2026-02-03T04:05:06.7Z"])
@pytest.mark.parametrize("end", ["1970-01-01T00:00:00Z", "2026-02-03T04:05:06.789Z", "9999-12-31T23:59:59.999999Z"])
def test_the_engine_sees_times_to_the_microsecond(start, end):
    seen = schedule(startDateTime=start, expiration={"endDateTime": end}) if start < end else None
    if seen is None:
        return
    loaded = load(policy())
    situation = loaded.engine.situation({"request": of("gcp-roles")._replace(schedule=seen), "now": NOW})
    seconds, rest = divmod(seen.duration // timedelta(microseconds=1), 1_000_000)
    for expression in (
        f"request.schedule.start == timestamp('{start}')",
        f"request.schedule.end == timestamp('{instant_text(seen.end)}')",
        f"request.schedule.duration == duration('{seconds}.{rest:06}s')",
    ):
        assert situation.judge(loaded.engine.compile(expression)) is True, expression


def test_no_fact_is_called_like_a_mapping_s_method():
    """A message reaches a fact by its name, and would find the method of the mapping instead."""

    def names(kind):
        for name, annotation in fields(kind).items():
            yield name
            for inner in (annotation, *getattr(annotation, "__args__", ())):
                if is_kind(inner):
                    yield from names(inner)

    for kind in facts.VARIABLES.values():
        if is_kind(kind):
            assert not set(names(kind)) & set(dir(dict))


# --- one occurrence ---------------------------------------------------------------------------------------------------


def test_a_schedule_without_a_start_starts_now():
    seen = schedule(expiration={"duration": "PT2H"})
    assert (seen.immediate, seen.start, seen.end, seen.duration) == (
        True,
        NOW,
        NOW + timedelta(hours=2),
        timedelta(hours=2),
    )
    assert (seen.ends, seen.recurring, seen.recurrence_ends, seen.until) == (True, False, True, seen.end)
    assert (seen.occurrences_per_month, seen.per_month) == (1, timedelta(hours=2))


def test_an_end_is_a_duration_too():
    seen = schedule(startDateTime="2026-02-01T00:00:00Z", expiration={"endDateTime": "2026-02-03T12:00:00+02:00"})
    assert (seen.immediate, seen.duration) == (False, timedelta(days=2, hours=10))


def test_an_end_that_has_passed_grants_nothing():
    seen = schedule(expiration={"endDateTime": "2020-01-01T00:00:00Z"})
    assert (seen.duration, seen.end, seen.ends) == (timedelta(), NOW, True)


@pytest.mark.parametrize("kind", ["noExpiration", "notSpecified"])
def test_access_without_an_end_is_longer_than_any_limit(kind):
    seen = schedule(expiration={"type": kind})
    assert (seen.ends, seen.duration, seen.per_month) == (False, facts.FOREVER, facts.MONTH)


@pytest.mark.parametrize(
    "expiration", [{"type": "noExpiration"}, {"duration": "P99999D"}, {"endDateTime": "9999-12-31T23:59:59Z"}]
)
@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"])
def test_no_schedule_is_too_long_for_the_engine(expiration, start):
    """CEL counts durations in nanoseconds, 292 years at most; a rule about such a schedule is judged, not in error."""
    info = {"startDateTime": start, "expiration": expiration}
    content = laid_over(REQUESTS["gcp-roles"], {})
    file = REQUEST.validate_python({**content, "scheduleInfo": info})
    seen = facts.request_facts("a", file, NOW)
    assert seen.schedule.duration <= facts.FOREVER
    loaded = load(policy())
    situation = loaded.engine.situation({"request": seen, "now": NOW})
    for expression in ("request.schedule.duration >= duration('8h')", "request.schedule.until >= request.schedule.end"):
        assert situation.judge(loaded.engine.compile(expression)) is True


# --- recurrences ------------------------------------------------------------------------------------------------------

WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
NTH = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}

intervals = st.integers(1, 13)
some_days = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7, unique=True)
indices = st.sampled_from([None, *NTH])
patterns = st.one_of(
    st.fixed_dictionaries({"type": st.just("daily"), "interval": st.integers(1, 40)}),
    st.fixed_dictionaries(
        {"type": st.just("weekly"), "interval": intervals, "daysOfWeek": some_days}
        | {"firstDayOfWeek": st.sampled_from(WEEKDAYS)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("absoluteMonthly"), "interval": intervals, "dayOfMonth": st.integers(1, 31)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("relativeMonthly"), "interval": intervals, "daysOfWeek": some_days, "index": indices}
    ),
    st.fixed_dictionaries(
        {"type": st.just("absoluteYearly"), "interval": st.integers(1, 3)}
        | {"dayOfMonth": st.integers(1, 31), "month": st.integers(1, 12)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("relativeYearly"), "interval": st.integers(1, 3), "daysOfWeek": some_days, "index": indices}
        | {"month": st.integers(1, 12)}
    ),
)
starts = st.dates(date(2023, 1, 1), date(2028, 12, 31))
HORIZON = 5 * 366
walking = settings(max_examples=60, deadline=None)  # thousands of days each


def falls_on(day, start, pattern):
    """Whether a day is one of the pattern's, asked of the day alone."""
    kind, interval = pattern["type"], pattern["interval"]
    weekday = WEEKDAYS[day.weekday()]
    if kind == "daily":
        return (day - start).days % interval == 0
    if kind == "weekly":
        begins = WEEKDAYS.index(pattern["firstDayOfWeek"])
        week_of = lambda some: (some.toordinal() - 1 - begins) // 7  # noqa: E731  # day 1 of the calendar was a Monday
        return weekday in pattern["daysOfWeek"] and (week_of(day) - week_of(start)) % interval == 0
    months = 12 * (day.year - start.year) + day.month - start.month
    if "month" in pattern:
        if day.month != pattern["month"] or (day.year - start.year) % interval:
            return False
    elif months % interval:
        return False
    last = monthrange(day.year, day.month)[1]
    if "dayOfMonth" in pattern:
        return day.day == min(pattern["dayOfMonth"], last)
    if weekday not in pattern["daysOfWeek"]:
        return False
    fitting = [
        number for number in range(1, last + 1) if WEEKDAYS[day.replace(day=number).weekday()] in pattern["daysOfWeek"]
    ]
    return day.day == fitting[NTH[pattern["index"] or "first"]]


def walked(start, pattern, length=HORIZON):
    every = (start + timedelta(days=number) for number in range(length))
    return [day for day in every if falls_on(day, start, pattern)]


def most_by_walking(found):
    """The most of the days within any 31, counted from every day on which a count could begin."""
    return max((bisect_left(found, day + timedelta(days=31)) - place for place, day in enumerate(found)), default=0)


def recurrence(start, pattern, **ends):
    kept = {key: value for key, value in pattern.items() if value is not None}
    limits = ends or {"type": "noEnd"}
    return RECURRENCE.validate_python({"pattern": kept, "range": {"startDate": start.isoformat(), **limits}})


@walking
@given(starts, patterns)
@example(date(2027, 1, 31), {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31})
@example(
    date(2026, 1, 15), {"type": "weekly", "interval": 5, "daysOfWeek": ["monday", "sunday"], "firstDayOfWeek": "monday"}
)
def test_a_recurrence_falls_on_the_days_that_a_walk_finds(start, pattern):
    found = walked(start, pattern)
    horizon = start + timedelta(days=HORIZON)
    assert [day for day in islice(days(recurrence(start, pattern)), len(found) + 1) if day < horizon] == found


@walking
@given(starts, patterns)
def test_the_densest_month_is_the_one_that_a_walk_finds(start, pattern):
    found = walked(start, pattern)
    unbounded = max(most_by_walking(found), 1 if "month" in pattern else 0)  # a year's day may lie beyond the walk
    assert most_in(facts.MONTH, recurrence(start, pattern)) == unbounded


@walking
@given(starts, patterns, st.integers(0, 120), st.integers(1, 90 * 24))
def test_time_per_month_is_what_a_walk_adds_up_and_not_less(start, pattern, length, hours):
    end = start + timedelta(days=length)
    seen = schedule(
        startDateTime=f"{start}T06:00:00Z",
        expiration={"duration": f"PT{hours}H"},
        recurrence=TypeAdapter(dict).validate_python(
            {
                "pattern": {key: value for key, value in pattern.items() if value is not None},
                "range": {"type": "endDate", "startDate": str(start), "endDate": str(end)},
            }
        ),
    )
    most = most_by_walking(walked(start, pattern, length + 1))
    assert seen.occurrences_per_month == most
    assert seen.per_month == min(timedelta(hours=hours) * most, timedelta(days=31))
    assert seen.per_month >= granted_in_any_month(walked(start, pattern, length + 1), timedelta(hours=hours))


def granted_in_any_month(found, length):
    """The most time within 31 days, from windows that begin where an occurrence begins or end where one ends."""
    spans = [(datetime(day.year, day.month, day.day, 6, tzinfo=UTC),) for day in found]
    spans = [(start, start + length) for (start,) in spans]
    windows = [start for start, _ in spans] + [end - facts.MONTH for _, end in spans]
    return max((covered(spans, window, window + facts.MONTH) for window in windows), default=timedelta())


def covered(spans, start, end):
    """How much of start..end lies within any of the spans."""
    total, upto = timedelta(), start
    for begins, ends in sorted(spans):
        begins, ends = max(begins, upto), min(ends, end)  # noqa: PLW2901
        if ends > begins:
            total, upto = total + (ends - begins), ends
    return total


@walking
@given(starts, patterns, st.integers(1, 40))
def test_a_number_of_occurrences_is_kept(start, pattern, number):
    numbered = recurrence(start, pattern, type="numbered", numberOfOccurrences=number)
    assert list(days(numbered)) == list(islice(days(recurrence(start, pattern)), number))


@walking
@given(starts, patterns, st.integers(1, 40))
def test_nothing_is_left_after_until(start, pattern, number):
    numbered = recurrence(start, pattern, type="numbered", numberOfOccurrences=number)
    info = SCHEDULE.validate_python({"expiration": {"duration": "PT30H"}}).model_copy(update={"recurrence": numbered})
    seen = facts.schedule_facts(info, NOW)
    last = list(days(numbered))[-1]
    assert seen.until >= datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(hours=24 + 30)
    assert seen.until >= seen.end


def test_a_recurrence_at_the_end_of_the_calendar_ends_with_it():
    """The service would refuse the date; we only have to survive it."""
    last = date(9999, 12, 30)
    for pattern in (
        {"type": "daily", "interval": 1},
        {"type": "weekly", "interval": 1, "daysOfWeek": WEEKDAYS, "firstDayOfWeek": "monday"},
        {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
        {"type": "relativeYearly", "interval": 9999, "daysOfWeek": ["friday"], "month": 12, "index": "last"},
    ):
        assert last <= list(days(recurrence(last, pattern)))[-1] <= date.max
    schedule(
        startDateTime="9999-12-30T00:00:00Z",
        expiration={"type": "noExpiration"},
        recurrence={"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "9999-12-30"}},
    )


def test_rules_see_the_sums():
    recurring = {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
        "range": {"type": "numbered", "startDate": "2026-01-19", "numberOfOccurrences": 10},
    }
    file = request(scheduleInfo={"expiration": {"duration": "PT8H"}, "recurrence": recurring})
    kept = policy("request.schedule.perMonth == duration('40h') && request.schedule.occurrencesPerMonth == 5")
    assert judge(kept, file, now=at("2026-01-15T09:00:00Z")) == []
