"""The sandbox's time: the real clock, or one that was stopped, plus an offset.

An instant is a whole number of microseconds since 1970, UTC.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Runs with the real one, or stands where it was stopped; can be moved forward, never back."""

    def __init__(self, offset: int = 0, stopped: int | None = None) -> None:
        self.offset, self._stopped = offset, stopped

    def now(self) -> int:
        """The present instant."""
        return (_real() if self._stopped is None else self._stopped) + self.offset

    @property
    def runs(self) -> bool:
        """Whether it moves by itself."""
        return self._stopped is None

    def stop(self) -> None:
        """Stand still from now on."""
        self._stopped = _real() if self._stopped is None else self._stopped

    def start(self) -> None:
        """Go on from where it stands."""
        if self._stopped is not None:
            self.offset += self._stopped - _real()
            self._stopped = None

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self.offset += round(seconds * SECOND)


def _real() -> int:
    return time.time_ns() // 1000


def moment(instant: int) -> datetime:
    """An instant as an aware datetime."""
    return _EPOCH + timedelta(microseconds=instant)


def instant(when: datetime) -> int:
    """An aware datetime as an instant, exactly."""
    return (when - _EPOCH) // timedelta(microseconds=1)


def read_instant(text: str) -> int:
    """RFC 3339 text with an offset, as an instant."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(text)
    return instant(when)


def iso(at: int) -> str:
    """An instant as Graph writes it: UTC with a Z, sub-second digits only where there are any."""
    when = moment(at)
    fraction = f".{when.microsecond:06d}".rstrip("0") if when.microsecond else ""
    return f"{when:%Y-%m-%dT%H:%M:%S}{fraction}Z"
