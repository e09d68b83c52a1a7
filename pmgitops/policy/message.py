"""What a finding says: Jinja over the facts. A request's text in it is data: a bounded line, no control characters.

Jinja itself stands in `pmgitops.policy.wording`, and is imported when something is said: most runs say nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pmgitops.model.scalars import instant_text

if TYPE_CHECKING:
    from jinja2 import Template

MAX_LENGTH = 500
"""Characters of a message."""


def written(value: Any) -> Any:
    """A fact as people write it: `1h 30m`, `2026-12-01T09:00:00Z`, `a, b`."""
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def duration_text(length: timedelta) -> str:
    """A length of time in days, hours, minutes and seconds."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return " ".join(f"{number}{unit}" for number, unit in parts if number) or "no time"


def clean(text: str) -> str:
    """One line of at most `MAX_LENGTH` visible characters, whatever the facts brought."""
    visible = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in text[: 4 * MAX_LENGTH])
    line = re.sub(r"\s+", " ", visible).strip()
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 3] + "..."


_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Message:
    """A message, compiled when it is first said: most rules are kept, and most runs say nothing."""

    __slots__ = ("_template", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._template: Template | None = None

    def render(self, facts: Mapping[str, Any]) -> str:
        """The message about these facts. What it cannot say it says so: a finding is never lost to its wording."""
        from pmgitops.policy import wording  # noqa: PLC0415  # 20 ms

        try:
            if self._template is None:
                self._template = wording.ENVIRONMENT.from_string(self.source)
            return clean(self._template.render(facts))
        except (wording.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            return clean(f"(its message cannot be written: {error})")
