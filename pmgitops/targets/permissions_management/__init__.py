"""Microsoft Entra Permissions Management (Graph beta), retired by Microsoft on 2025-10-01.

Requests written for it go on being rendered and judged; they are delivered where its API is still served, such as the
sandbox. `render` is pure, `client` does the I/O and is imported only by `wiring`.
"""

from __future__ import annotations

from pmgitops.targets.permissions_management.render import TARGET

__all__ = ["TARGET"]
