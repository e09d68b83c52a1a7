"""Faults on demand: what a client may meet between itself and a service, or from it.

A fault is matched by method, path and query; it strikes `times` times (after letting `skip` pass), `before` the request
is handled or `after` it has been, when the service has done its work and only the answer is lost.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Deed = Literal[
    "status", "html", "hibernating", "wrong-json", "empty", "redirect", "quota-queued",
    "delay", "drip", "cut", "partial", "quota", "quota-broken", "gzip", "bomb", "chunked", "hang-up", "close",
]  # fmt: skip
"""What may be done, as `deeds.py` tells it."""
_DEEDS = get_args(Deed)
_LONGEST = 86400
_LARGEST = 1 << 30


@dataclass
class Fault:
    """One fault as `/_control/faults` takes it."""

    do: Deed
    method: str = ".*"
    """A regular expression for the whole method."""
    path: str = ".*"
    """A regular expression found anywhere in the path."""
    query: str = ""
    """A regular expression found anywhere in the query, percent-encoding undone."""
    times: int = 1
    """How often it strikes; 0 for always."""
    skip: int = 0
    """How many matching requests pass first."""
    when: Literal["before", "after"] = "before"
    """Whether the request is handled first."""
    status: int = 503
    """For `status` and `redirect`."""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    """Text as it is, anything else as JSON."""
    content_type: str = ""
    location: str = ""
    """For `redirect`."""
    seconds: float = 0.0
    """How long to wait before the answer, which is all that happens with `delay`; with `drip`, before each piece."""
    size: int = 0
    """For `drip` and `chunked`, the bytes of a piece (1 and 16 where nothing is said); for `bomb`, those of the decoded
    body (64 MiB).
    """
    id: int = 0
    struck: int = 0

    @classmethod
    def of(cls, wanted: dict[str, Any]) -> Fault:
        """From JSON; ValueError says what is wrong."""
        named = {re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), key): value for key, value in wanted.items()}
        fault = cls(**named)
        if fault.do not in _DEEDS:
            raise ValueError(f"'do' is one of {', '.join(_DEEDS)}")
        if fault.when not in ("before", "after"):
            raise ValueError("'when' is before or after")
        if not 0 <= fault.seconds <= _LONGEST or not 0 <= fault.size <= _LARGEST:
            raise ValueError(f"'seconds' goes up to {_LONGEST}, 'size' up to {_LARGEST}")
        for pattern in (fault.method, fault.path, fault.query):
            _compilable(pattern)
        if fault.do == "redirect" and not 300 <= fault.status < 400:
            fault.status = 302
        return fault

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether this request is meant."""
        return bool(
            re.fullmatch(self.method, method, re.IGNORECASE)
            and re.search(self.path, path)
            and re.search(self.query, query)
        )


def _compilable(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'{pattern}' is no regular expression: {error}") from None


class Faults:
    """Those that wait for their request, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Make ready to strike."""
        fault.id = next(self._ids)
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults."""
        self._waiting.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Those still waiting."""
        return [asdict(fault) for fault in self._waiting]

    def strike(self, method: str, path: str, query: str) -> Fault | None:
        """The first that means this request, counted as used."""
        for fault in self._waiting:
            if not fault.matches(method, path, query):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.struck += 1
            if fault.times and fault.struck >= fault.times:
                self._waiting.remove(fault)
            return fault
        return None
