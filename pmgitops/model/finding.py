"""A finding: something a person should mend, at its place. A value, not an exception."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "approval", "warning"]

GUARDS = frozenset(
    {
        *("retired", "route", "ticket", "ticket-info", "mixed-change", "name-reused", "duplicate-name"),
        *("unknown-system", "unknown-identity", "unknown-role", "unknown-policy", "unknown-action", "unknown-resource"),
        *("undecided", "system-offline", "system-read-only", "narrower-role"),
    }
)
"""Rules that no policy can switch off, or take the name of: some decide the exit code."""

BLOCKING: frozenset[Severity] = frozenset({"error"})
"""What stops a pull request. `approval` awaits somebody: it lets the pull request pass and holds delivery back."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`path:line:column: severity [rule] message`; line and column count from 1, and are 1:1 for a file as a whole."""

    path: str
    line: int
    column: int
    rule: str
    message: str
    severity: Severity = "error"

    @property
    def blocks(self) -> bool:
        """Whether this finding stops a pull request."""
        return self.severity in BLOCKING

    def as_json(self) -> dict[str, Any]:
        """The finding as the command line prints it."""
        return asdict(self)
