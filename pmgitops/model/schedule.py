"""
When access is wanted: Graph's `requestSchedule`, with only the members that each pattern and range takes.

Shapes: Microsoft Graph beta, requestSchedule, expirationPattern, recurrencePattern, recurrenceRange.

* expiration      no end, two ends, or another one than the type says
* schedule        an end before the start
* range           a last day before the first
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pmgitops.model.scalars import (
    Count,
    Day,
    DayOfMonth,
    Duration,
    Id,
    Instant,
    Month,
    Value,
    distinct,
    parse_duration,
    refuse,
)

ExpirationType = Literal["notSpecified", "noExpiration", "afterDateTime", "afterDuration"]
Weekday = Literal["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
Weekdays = Annotated[tuple[Weekday, ...], Field(min_length=1), distinct("day")]
WeekIndex = Literal["first", "second", "third", "fourth", "last"]


class Expiration(Value):
    """When the access ends: after a `duration`, at an `endDateTime`, or (saying so by `type`) never."""

    type: ExpirationType = "notSpecified"
    """Follows from `duration` or `endDateTime`; written alone it is `noExpiration` or `notSpecified`."""
    duration: Duration | None = None
    """Edm.Duration in days, hours, minutes and seconds, such as PT1H."""
    end_date_time: Instant | None = None
    """The instant at which the access ends."""

    @model_validator(mode="before")
    @classmethod
    def _type_follows(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "type" in value:
            return value
        if "duration" in value:
            return {**value, "type": "afterDuration"}
        if "endDateTime" in value:
            return {**value, "type": "afterDateTime"}
        if not value:
            raise refuse("expiration", "says nothing about the end; give duration, endDateTime or type")
        return value

    @model_validator(mode="after")
    def _one_end(self) -> Expiration:
        if self.duration and self.end_date_time:
            raise refuse("expiration", "has both duration and endDateTime; give one of them", at="endDateTime")
        wanted = "afterDuration" if self.duration else "afterDateTime" if self.end_date_time else None
        if wanted and self.type != wanted:
            raise refuse(
                "expiration", f"type {self.type!r} does not go with what is given; it is {wanted!r}", at="type"
            )
        if not wanted and self.type in {"afterDuration", "afterDateTime"}:
            missing = "duration" if self.type == "afterDuration" else "endDateTime"
            raise refuse("expiration", f"type {self.type!r} needs {missing}", at="type")
        return self

    @property
    def length(self) -> timedelta | None:
        """The duration as a length of time, where it was given as one."""
        return parse_duration(self.duration) if self.duration else None


class _Pattern(Value):
    interval: Count
    """Units between occurrences: 1 is every day, week, month or year."""


class Daily(_Pattern):
    """Every `interval` days."""

    type: Literal["daily"]


class Weekly(_Pattern):
    """On these days of the week, every `interval` weeks."""

    type: Literal["weekly"]
    days_of_week: Weekdays
    """The days of the week."""
    first_day_of_week: Weekday
    """The day that a week begins with."""


class AbsoluteMonthly(_Pattern):
    """On one day of the month, every `interval` months."""

    type: Literal["absoluteMonthly"]
    day_of_month: DayOfMonth
    """The day of the month."""


class RelativeMonthly(_Pattern):
    """On the first, ..., last of these weekdays of the month, every `interval` months."""

    type: Literal["relativeMonthly"]
    days_of_week: Weekdays
    """The days of the week."""
    index: WeekIndex | None = None
    """Which of these weekdays in the month; the first where left out."""


class AbsoluteYearly(_Pattern):
    """On one day of one month, every `interval` years."""

    type: Literal["absoluteYearly"]
    day_of_month: DayOfMonth
    """The day of the month."""
    month: Month
    """The month, 1 for January."""


class RelativeYearly(_Pattern):
    """On the first, ..., last of these weekdays of one month, every `interval` years."""

    type: Literal["relativeYearly"]
    days_of_week: Weekdays
    """The days of the week."""
    month: Month
    """The month, 1 for January."""
    index: WeekIndex | None = None
    """Which of these weekdays in the month; the first where left out."""


class _Range(Value):
    start_date: Day
    """The date of the schedule's start."""
    recurrence_time_zone: Id | None = None
    """The time zone of the dates; the service's default where left out."""


class EndDate(_Range):
    """Repeats until a date."""

    type: Literal["endDate"]
    end_date: Day
    """The last date that an occurrence may start on."""

    @model_validator(mode="after")
    def _forwards(self) -> EndDate:
        if self.end_date < self.start_date:
            raise refuse("range", f"endDate {self.end_date} is before startDate {self.start_date}", at="endDate")
        return self


class NoEnd(_Range):
    """Repeats for ever."""

    type: Literal["noEnd"]


class Numbered(_Range):
    """Repeats this many times."""

    type: Literal["numbered"]
    number_of_occurrences: Count
    """How often in all."""


Pattern = Annotated[
    Daily | Weekly | AbsoluteMonthly | RelativeMonthly | AbsoluteYearly | RelativeYearly, Field(discriminator="type")
]
Range = Annotated[EndDate | NoEnd | Numbered, Field(discriminator="type")]


class Recurrence(Value):
    """Which days the access repeats on, and until when."""

    pattern: Pattern
    """Which days."""
    range: Range
    """From when on, and until when."""

    @property
    def ends(self) -> bool:
        """Whether the last occurrence is known."""
        return not isinstance(self.range, NoEnd)


class Schedule(Value):
    """When access starts, ends and repeats."""

    start_date_time: Instant | None = None
    """When the access starts; at once where left out."""
    expiration: Expiration
    """When the access ends."""
    recurrence: Recurrence | None = None
    """Where the access repeats."""

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Schedule:
        end = self.expiration.end_date_time
        if end and self.start_date_time and end <= self.start_date_time:
            raise refuse("schedule", "ends before it starts", at="expiration.endDateTime")
        return self

    def end(self, now: datetime) -> datetime | None:
        """When a single occurrence that starts at `startDateTime` (or `now`) ends; None where it does not."""
        start = self.start_date_time or now
        length = self.expiration.length
        try:
            return start + length if length else self.expiration.end_date_time
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)
