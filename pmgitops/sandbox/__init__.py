"""A sandbox on loopback: Microsoft Graph (Permissions Management) and ServiceNow as one real HTTP server.

It imports nothing of pmgitops, so it cannot share its mistakes. Where to read on:

server      the socket, the thread, the signals        graph/       requests, their lifecycle, discovery
app, front  the application and its front door         servicenow/  tables, journals, approvals, attachments
world       everything one sandbox knows               control        `/_control`, for tests
store       SQLite: data, ids; clock: its own time     faults, deeds  what goes wrong on demand, and how
behaviour   what a tenant or an instance may change    page           the page for people
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .server import Sandbox, serve

__all__ = ["Sandbox", "serve"]


def __getattr__(name: str) -> Any:
    """The server and what it stands on are loaded when they are asked for: `pmgitops --help` does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import server  # noqa: PLC0415 - lazy on purpose

    return getattr(server, name)
