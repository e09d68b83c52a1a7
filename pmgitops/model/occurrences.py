"""The days on which a recurrence falls, and when a schedule is over for good.

What a calendar leaves open is read so that no occurrence is missed.
"""

from __future__ import annotations

from calendar import monthrange
from collections import deque
from collections.abc import Callable, Iterator
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from itertools import count, islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pmgitops.model.schedule import (
    AbsoluteMonthly,
    AbsoluteYearly,
    Daily,
    EndDate,
    Numbered,
    Recurrence,
    RelativeMonthly,
    RelativeYearly,
    Schedule,
    Weekly,
)

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INDEX = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}

_ENOUGH = 64
"""Occurrences after which every pattern has shown its densest month: nine weeks of days, five years of months."""


def days(recurrence: Recurrence) -> Iterator[date]:
    """The days of a recurrence in order, from its first to its last; without an end, up to the end of the calendar."""
    found = _pattern_days(recurrence)
    match recurrence.range:
        case Numbered(number_of_occurrences=number):
            yield from islice(found, number)
        case EndDate(end_date=end):
            for day in found:
                if day > end:
                    return
                yield day
        case _:
            yield from found


def most_in(length: timedelta, recurrence: Recurrence) -> int:
    """The most occurrences that begin within any stretch of `length` (at most 31 days)."""
    found = list(islice(days(recurrence), _ENOUGH))
    most = first = 0
    for place, day in enumerate(found):
        while day - found[first] >= length:
            first += 1
        most = max(most, place - first + 1)
    return most


class Over(NamedTuple):
    """Access is over for good between these instants: not before the first, certainly after the second."""

    earliest: datetime
    latest: datetime


def over(schedule: Schedule, begun: datetime | None) -> Over | None:
    """When the access is over; None where it does not end by itself, or nobody can say yet.

    `begun` is when it was approved: what has no start begins then, and what should have started before may be given
    all of its time from then on. A recurrence's dates are days in a time zone that only the service knows.
    """
    start, length, until = schedule.start_date_time, schedule.expiration.length, schedule.expiration.end_date_time
    starts = [at for at in (start, begun) if at]
    if until and not schedule.recurrence:
        return Over(until, until)
    if length is None and until is None:
        return None
    if schedule.recurrence is None:
        assert length, "one of the two is given"
        return Over(_later(start or begun, length), _later(max(starts), length)) if begun else None
    if not schedule.recurrence.ends or not starts:
        return None
    lasts = length or (until - starts[0] if until else timedelta())
    last = _last(schedule.recurrence)
    first_end = _later(max(starts), lasts)
    return Over(_later(last, lasts - _DAY), max(first_end, _later(last, lasts + 2 * _DAY)))


_DAY = timedelta(days=1)


def _last(recurrence: Recurrence) -> datetime:
    """Midnight of the last day that an occurrence may begin on."""
    reach = recurrence.range
    last = [reach.end_date] if isinstance(reach, EndDate) else deque(days(recurrence), maxlen=1) or [reach.start_date]
    return datetime.combine(last[0], time(), UTC)


def _later(at: datetime, length: timedelta) -> datetime:
    try:
        return at + length
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def span(schedule: Schedule, now: datetime) -> tuple[datetime, datetime | None]:
    """From when to when access is wanted that is delivered at `now`: to the end of its last occurrence, None where it
    has no end. Where the time zone of a recurrence is not known here, a day later than it may be.
    """
    begins = max(schedule.start_date_time or now, now)
    try:
        length = schedule.expiration.length
        ends = begins + length if length else schedule.expiration.end_date_time
        recurrence = schedule.recurrence
        if ends is None or recurrence is None:
            return begins, ends
        if not recurrence.ends:
            return begins, None
        first = schedule.start_date_time or now
        last = deque([first.date(), *days(recurrence)], maxlen=1).pop()
        return begins, max(ends, _on(last, first, recurrence.range.recurrence_time_zone) + (ends - begins))
    except OverflowError:
        return begins, None


def _on(day: date, first: datetime, zone: str | None) -> datetime:
    """The time of day of `first` on another day of the recurrence's time zone."""
    try:
        there = ZoneInfo(zone) if zone else UTC
    except (KeyError, ValueError, OSError):  # Windows has names of its own
        return datetime.combine(day + timedelta(days=1), first.astimezone(UTC).time(), UTC)
    return datetime.combine(day, first.astimezone(there).time(), there).astimezone(UTC)


def _pattern_days(recurrence: Recurrence) -> Iterator[date]:
    start, pattern = recurrence.range.start_date, recurrence.pattern
    match pattern:
        case Daily():
            found = _steps(start, timedelta(days=pattern.interval))
        case Weekly():
            found = _weekly(start, pattern)
        case AbsoluteMonthly():
            found = _monthly(start, pattern.interval, lambda year, month: _day_of(year, month, pattern.day_of_month))
        case RelativeMonthly():
            found = _monthly(start, pattern.interval, lambda year, month: _nth(year, month, pattern))
        case AbsoluteYearly():
            found = _yearly(start, pattern, lambda year, month: _day_of(year, month, pattern.day_of_month))
        case RelativeYearly():
            found = _yearly(start, pattern, lambda year, month: _nth(year, month, pattern))
    return (day for day in found if day >= start)


def _steps(start: date, step: timedelta) -> Iterator[date]:
    day = start
    while True:
        yield day
        try:
            day += step
        except OverflowError:
            return


def _weekly(start: date, pattern: Weekly) -> Iterator[date]:
    begins = _WEEKDAYS.index(pattern.first_day_of_week)
    wanted = sorted((_WEEKDAYS.index(day) - begins) % 7 for day in pattern.days_of_week)
    lead = (start.weekday() - begins) % 7
    for week in _steps(start, timedelta(weeks=pattern.interval)):
        for place in wanted:
            try:
                yield week + timedelta(days=place - lead)
            except OverflowError:
                continue


def _monthly(start: date, interval: int, of_month: Callable[[int, int], date]) -> Iterator[date]:
    for month in count(start.year * 12 + start.month - 1, interval):
        if month // 12 > MAXYEAR:
            return
        yield of_month(month // 12, month % 12 + 1)


def _yearly(
    start: date, pattern: AbsoluteYearly | RelativeYearly, of_month: Callable[[int, int], date]
) -> Iterator[date]:
    for year in range(start.year, MAXYEAR + 1, pattern.interval):
        yield of_month(year, pattern.month)


def _day_of(year: int, month: int, day: int) -> date:
    # The 31st of a shorter month: services differ between skipping it and the last day; the last day misses nothing.
    return date(year, month, min(day, monthrange(year, month)[1]))


def _nth(year: int, month: int, pattern: RelativeMonthly | RelativeYearly) -> date:
    """The first, ..., last day of the month that is one of these weekdays."""
    wanted = {_WEEKDAYS.index(day) for day in pattern.days_of_week}
    every = (date(year, month, number) for number in range(1, monthrange(year, month)[1] + 1))
    fitting = [day for day in every if day.weekday() in wanted]
    return fitting[_INDEX[pattern.index or "first"]]
