"""Who has come to the instance: tokens given out, calls counted, and those of one session that are still under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from pmgitops.sandbox.clock import SECOND

_HOUR = 3600 * SECOND
SESSION_COOKIE = "JSESSIONID"


@dataclass
class Visitors:
    """Kept in memory alone: whoever restarts the instance has everybody log in again."""

    access: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Access tokens: whose each is, and the instant at which it expires."""
    refresh: dict[str, str] = field(default_factory=dict)
    """Refresh tokens, which do not expire: whose each is."""
    _calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    _under_way: Counter[str] = field(default_factory=Counter)

    def user_of(self, token: str, now: int) -> str | None:
        """Whose access token this is, while it lives."""
        user, expires = self.access.get(token, (None, 0))
        return user if now < expires else None

    def count(self, user: str, now: int) -> tuple[int, int]:
        """One more call of a user: how many that makes in this hour, and the instant at which the hour ends."""
        hour = now // _HOUR
        self._calls[user, hour] += 1
        return self._calls[user, hour], (hour + 1) * _HOUR

    @contextmanager
    def under_way(self, cookies: str) -> Iterator[int]:
        """While a call is handled: how many of its session were already under way when it came."""
        session = _session(cookies)
        before = self._under_way[session] if session else 0
        self._under_way[session] += 1
        try:
            yield before
        finally:
            self._under_way[session] -= 1


def _session(cookies: str) -> str:
    try:
        session = SimpleCookie(cookies).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return session.value if session else ""
