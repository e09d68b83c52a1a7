"""The flags of `pmgitops new`: one for each field of `pmgitops.drafting.fields`, and what they say as a draft."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import click

from pmgitops.drafting.fields import END, FIELDS, STATEMENTS

if TYPE_CHECKING:
    from datetime import date

    from pmgitops.drafting.draft import Draft

ENDS: Final = {"never": "noExpiration", "unspecified": "notSpecified"}

_REPEATING: Final = (
    ("--repeat", "WORDS", "Repeats: 'every 2 weeks on monday', 'monthly on 5', 'yearly on 24 december'."),
    ("--repeat-from", "DATE", "The first day.  [default: the start's, or today]"),
    ("--repeat-until", "DATE", "The last day; else it repeats for ever."),
    ("--repeat-times", "N", "How often in all, instead of a last day."),
    ("--time-zone", "ZONE", "The time zone of these days."),
    ("--week-starts", "DAY", "The day that weeks begin with, for every second week and so on.  [default: monday]"),
)


def fields(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every field's flag on a command."""
    given = [
        click.option(one.flag, one.name, metavar=one.metavar, multiple=one.many, help=_help(one.help, one.flag))
        for one in FIELDS
    ]
    repeating = [click.option(flag, metavar=metavar, help=text) for flag, metavar, text in _REPEATING]
    return reduce(lambda made, option: option(made), reversed([*given, *repeating]), command)


def _help(text: str, flag: str) -> str:
    return "Until when; `never` and `unspecified` say so." if flag == END.flag else text


def said(options: dict[str, Any], today: date) -> Draft:
    """What the flags say, as a draft. UsageError where a form of words is not understood."""
    from pmgitops.drafting import words  # noqa: PLC0415  # `--help` is quick
    from pmgitops.drafting.draft import put  # noqa: PLC0415

    draft: Draft = {}
    for field in FIELDS:
        value = options[field.name]
        put(draft, field.path, list(value) if field.many else value)
    if draft.get("statements"):
        draft["statements"] = words.statements(options[STATEMENTS.name])
    schedule = draft.get("scheduleInfo", {})
    end = schedule.get("expiration", {})
    if "duration" in end:
        end["duration"] = words.duration(end["duration"])
    if end.get("endDateTime") in ENDS:
        end["type"] = ENDS[end.pop("endDateTime")]
    if options["repeat"]:
        start = options["repeat_from"] or (schedule.get("startDateTime") or today.isoformat())[:10]
        ending = (options["repeat_until"], options["repeat_times"])
        put(
            draft,
            ("scheduleInfo", "recurrence"),
            {
                "pattern": words.pattern(options["repeat"], options["week_starts"] or "monday"),
                "range": words.span(start, *ending, options["time_zone"]),
            },
        )
    elif any(options[name] for name in ("repeat_from", "repeat_until", "repeat_times", "time_zone", "week_starts")):
        raise click.UsageError("--repeat is missing: these days say nothing without it")
    return draft
