"""When a schedule opens and closes: a request's `scheduleInfo` as windows of time."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile

from pmgitops.sandbox.clock import instant, moment, read_instant
from pmgitops.sandbox.store import Json

DURATION = re.compile(r"(-)?P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INDEX = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
_LAST_YEAR = 9998


@dataclass(frozen=True)
class Window:
    """From when until when access is held; without an end it is held until somebody cancels."""

    start: int
    end: int | None


def duration_of(text: str) -> int:
    """An Edm.Duration in microseconds; ValueError where it is none."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign, days, hours, minutes, seconds = match.groups(default="0")
    length = timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    return (length // timedelta(microseconds=1)) * (-1 if sign == "-" else 1)


def next_window(schedule: Json | None, approved: int, after: int) -> Window | None:
    """The first window that is still open after an instant, without the part of it that has passed."""
    for window in _windows(schedule or {}, approved):
        if window.end is None or window.end > after:
            return Window(max(window.start, after), window.end)
    return None


def _windows(schedule: Json, approved: int) -> Iterator[Window]:
    start = read_instant(schedule["startDateTime"]) if schedule.get("startDateTime") else approved
    expiration = schedule.get("expiration") or {}
    if not schedule.get("recurrence"):
        # A start that has passed by the time of the approval costs nobody any of the time asked for.
        start = max(start, approved)
        yield Window(start, _end(expiration, start))
        return
    end = _end(expiration, start)
    for opening in _openings(schedule["recurrence"], start):
        yield Window(opening, None if end is None else opening + end - start)


def _end(expiration: Json, start: int) -> int | None:
    if expiration.get("duration"):
        return start + duration_of(expiration["duration"])
    if expiration.get("endDateTime"):
        return read_instant(expiration["endDateTime"])
    return None


def _openings(recurrence: Json, start: int) -> Iterator[int]:
    # recurrenceTimeZone is not honoured: nobody documents whose names it takes. The time of day is the start's, in UTC.
    reach = recurrence["range"]
    time_of_day = start - instant(_midnight(moment(start).date()))
    first = date.fromisoformat(reach["startDate"])
    days = (day for day in _days(recurrence["pattern"], first) if day >= first)
    if reach["type"] == "endDate":
        last = date.fromisoformat(reach["endDate"])
        days = takewhile(lambda day: day <= last, days)  # type: ignore[assignment]
    elif reach["type"] == "numbered":
        days = islice(days, reach["numberOfOccurrences"])  # type: ignore[assignment]
    openings = (instant(_midnight(day)) + time_of_day for day in days)
    return (opening for opening in openings if opening >= start)


def _days(pattern: Json, first: date) -> Iterator[date]:
    match pattern["type"]:
        case "daily":
            return _every(first, timedelta(days=pattern["interval"]))
        case "weekly":
            return _weekly(pattern, first)
        case kind:
            return _monthly(pattern, first, months=12 if kind.endswith("Yearly") else 1)


def _every(first: date, step: timedelta) -> Iterator[date]:
    day = first
    while day.year <= _LAST_YEAR:
        yield day
        day += step


def _weekly(pattern: Json, first: date) -> Iterator[date]:
    week_start = _DAYS.index(pattern["firstDayOfWeek"])
    monday_like = first - timedelta(days=(first.weekday() - week_start) % 7)
    wanted = sorted((_DAYS.index(day) - week_start) % 7 for day in pattern["daysOfWeek"])
    for week in _every(monday_like, timedelta(weeks=pattern["interval"])):
        yield from (week + timedelta(days=offset) for offset in wanted)


def _monthly(pattern: Json, first: date, months: int) -> Iterator[date]:
    month = (first.year * 12 + first.month - 1) if months == 1 else first.year * 12 + pattern["month"] - 1
    while month // 12 <= _LAST_YEAR:
        yield _day_in(pattern, month // 12, month % 12 + 1)
        month += months * pattern["interval"]


def _day_in(pattern: Json, year: int, month: int) -> date:
    length = calendar.monthrange(year, month)[1]
    if "dayOfMonth" in pattern:
        return date(year, month, min(pattern["dayOfMonth"], length))
    wanted = {_DAYS.index(day) for day in pattern["daysOfWeek"]}
    fitting = [day for day in (date(year, month, n) for n in range(1, length + 1)) if day.weekday() in wanted]
    # Several days mean the first (or last) that fits: one occurrence a month, not one a day.
    index = _INDEX[pattern.get("index") or "first"]
    return fitting[index * len(wanted)] if index > 0 else fitting[index]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
