"""A change: what reconciling will do about one request. A value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["create", "cancel", "replace", "none"]


@dataclass(frozen=True, slots=True)
class Change:
    """One request's change; `payload` is the rendered body for create and replace, without the correlation."""

    action: Action
    name: str
    target: str
    why: str
    """In words for a person: `new file`, `file gone, active: revoke`."""
    revision: str = ""
    path: str = ""
    payload: Mapping[str, Any] | None = None
    author: str = ""
    """E-mail address of who wrote the commit that last changed the file, where that was looked up."""
    ends_access: bool = False
    """Whether something at the target is canceled or revoked; what the limit on cancellations counts."""
    adopts: bool = False
    """Whether the ledger takes over what stands at the target already; nothing is sent."""
    reason: Literal["removed", "diverged"] = "removed"
    """Why access is ended for good: its file is gone, or its ticket does not carry it any more."""

    def as_json(self) -> dict[str, Any]:
        """The change as `plan` prints it."""
        shown: dict[str, Any] = {"action": self.action, "name": self.name, "target": self.target, "why": self.why}
        return shown | ({"payload": self.payload} if self.payload is not None else {})
