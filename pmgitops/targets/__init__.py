"""Systems that grant access, one folder each; this table lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgitops.targets import permissions_management

if TYPE_CHECKING:
    from pmgitops.targets.interface import Target

TARGETS: dict[str, Target] = {"permissions-management": permissions_management.TARGET}
