"""
Durations, recurrences and statements as people say them, as the mappings that a request has. Whatever is not understood
is left to the model to refuse, or raises UsageError with what would have been.

* duration      1h30m, 2d, 45m (PT1H stays PT1H)
* recurrence    daily; every 2 days; weekly on monday, friday; every 2 weeks on monday; monthly on 5;
                monthly on second tuesday; yearly on 24 december; yearly on last friday of november
* statement     [NAME:] allow|deny [not] ACTION,... on [not] RESOURCE,... [if OPERATOR KEY VALUE [and OPERATOR ...]]
                or one mapping in YAML: {effect: allow, actions: [...], resources: [...]}
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final

from pmgitops.document import read
from pmgitops.errors import UsageError

Mapping = dict[str, Any]

_LENGTH: Final = re.compile(r"(?=.)(?:(\d+) ?d)? ?(?:(\d+) ?h)? ?(?:(\d+) ?m(?:in)?)?", re.IGNORECASE)


def duration(text: str) -> str:
    """`1h30m` as `PT1H30M`; anything else as it is."""
    found = _LENGTH.fullmatch(text.strip())
    if not found:
        return text
    days, hours, minutes = found.groups()
    clock = "".join(f"{int(number)}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    return "P" + (f"{int(days)}D" if days else "") + (f"T{clock}" if clock else "")


# --- recurrence -------------------------------------------------------------------------------------------------------

_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_INDEXES: Final = ("first", "second", "third", "fourth", "last")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_OFTEN: Final = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
_REPEAT: Final = re.compile(r"(?:every (?:(\d+) )?(day|week|month|year)s?|(daily|weekly|monthly|yearly))(?: on (.+))?")
_REPEATS: Final = (
    "such as daily, 'every 2 weeks on monday,friday', 'monthly on 5', 'monthly on second tuesday', "
    "'yearly on 24 december' or 'yearly on last friday of november'"
)


def pattern(text: str, week_starts: str = "monday") -> Mapping:
    """What `--repeat` says, as Graph's recurrence pattern. UsageError where it says none."""
    found = _REPEAT.fullmatch(" ".join(text.lower().replace(",", " ").split()))
    if not found:
        raise _no_pattern(text)
    often = found[2] or _OFTEN[found[3]]
    words = (found[4] or "").split()
    every = {"interval": found[1] or "1"}
    if often == "day" and not words:
        return {"type": "daily", **every}
    if often == "week" and words:
        return {"type": "weekly", **every, "daysOfWeek": _weekdays(words, text), "firstDayOfWeek": week_starts}
    if often == "month" and words:
        return _on(words, "Monthly", every, text)
    if often == "year" and len(words) > 1:
        month = _MONTHS.index(words[-1]) + 1 if words[-1] in _MONTHS else 0
        if month:
            on = [word for word in words[:-1] if word != "of"]
            return {**_on(on, "Yearly", every, text), "month": str(month)}
    raise _no_pattern(text)


def _on(words: Sequence[str], unit: str, every: Mapping, text: str) -> Mapping:
    """`5`, `second tuesday`."""
    if len(words) == 1 and re.fullmatch(r"\d{1,2}", words[0], re.ASCII):
        return {"type": f"absolute{unit}", **every, "dayOfMonth": words[0]}
    if words and words[0] in _INDEXES:
        return {"type": f"relative{unit}", **every, "daysOfWeek": _weekdays(words[1:], text), "index": words[0]}
    raise _no_pattern(text)


def _weekdays(words: Sequence[str], text: str) -> list[str]:
    days = [next((day for day in _DAYS if len(word) > 2 and day.startswith(word)), "") for word in words]
    if not days or not all(days):
        raise _no_pattern(text)
    return days


def _no_pattern(text: str) -> UsageError:
    return UsageError(f"--repeat: {text!r} is not a recurrence", hint=_REPEATS)


def span(start: str, until: str | None, times: str | None, zone: str | None) -> Mapping:
    """From when on and until when something repeats, as Graph's recurrence range."""
    place = {"startDate": start, **({"recurrenceTimeZone": zone} if zone else {})}
    if until:
        return {"type": "endDate", **place, "endDate": until}
    return {"type": "numbered", **place, "numberOfOccurrences": times} if times else {"type": "noEnd", **place}


# --- statements -------------------------------------------------------------------------------------------------------


def statements(texts: Iterable[str]) -> list[Mapping]:
    """Every statement, each with a name of its own."""
    read_ones = [statement(text) for text in texts]
    taken = {one.get("statementId") for one in read_ones}
    names = (name for number in count(1) if (name := f"statement{number}") not in taken)
    return [one if "statementId" in one else {"statementId": next(names), **one} for one in read_ones]


def statement(text: str) -> Mapping:
    """One statement. UsageError where the words are no statement; what they name is the model's to judge."""
    return _mapping(text) if text.lstrip().startswith("{") else _spoken(text)


def _mapping(text: str) -> Mapping:
    document = read(f"statement: {text}".encode(), "--statement")
    if isinstance(document, list):
        raise UsageError(f"--statement: {document[0].message}", hint="quote text with commas, braces or a colon")
    value = document.value.get("statement")
    if not isinstance(value, dict) or len(document.value) != 1:
        raise UsageError("--statement: {...} is one mapping", hint="{effect: allow, actions: [...], resources: [...]}")
    return value


def _spoken(text: str) -> Mapping:
    try:
        words = shlex.split(text.replace("\n", " "))
    except ValueError:
        raise _no_statement(text, "a quotation mark without its partner") from None
    said: Mapping = {}
    if words and words[0].endswith(":"):
        said["statementId"] = words.pop(0)[:-1]
    if not words or words[0] not in {"allow", "deny"}:
        raise _no_statement(text, "begins with neither allow nor deny")
    said["effect"] = words.pop(0)
    actions, on, rest = _until(words, "on")
    if not on:
        raise _no_statement(text, "lacks `on RESOURCE`")
    resources, conditional, conditions = _until(rest, "if")
    said |= _listed(actions, "actions", "notActions") | _listed(resources, "resources", "notResources")
    if conditional:
        said["condition"] = _condition(conditions, text)
    return said


def _until(words: list[str], stop: str) -> tuple[list[str], bool, list[str]]:
    place = words.index(stop) if stop in words else len(words)
    return words[:place], place < len(words), words[place + 1 :]


def _listed(words: list[str], name: str, negated: str) -> Mapping:
    negative = words[:1] == ["not"]
    items = [item for word in words[negative:] for item in word.split(",") if item]
    return {negated if negative else name: items}


def _condition(words: list[str], text: str) -> Mapping:
    found: Mapping = {}
    while words:
        part, _, words = _until(words, "and")
        if len(part) != 3:
            raise _no_statement(text, "a condition is OPERATOR KEY VALUE, joined by `and`")
        operator, key, value = part
        values = [item for item in value.split(",") if item] if "," in value else value
        found.setdefault(operator, {})[key] = values
    return found


def _no_statement(text: str, why: str) -> UsageError:
    return UsageError(
        f"--statement: {text!r} is no statement: {why}",
        hint="[NAME:] allow|deny [not] ACTION,... on [not] RESOURCE,... [if OPERATOR KEY VALUE]",
    )
