"""What makes a note findable again: its last line, which no other event's note has."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import rfc8785

from pmgitops.ledger.standing import Transition
from pmgitops.model.ticket import TicketLink

MARKER = re.compile(r"pmgitops/1 [0-9a-f]{32}")


def marker_of(name: str, link: TicketLink, transition: Transition) -> str:
    """`pmgitops/1 ` and 32 hex digits of the event's digest: no path, commit, clock or run that would repeat a note."""
    event: dict[str, Any] = {
        "instance": link.instance,
        "table": link.table,
        "sys_id": link.sys_id,
        "request": f"{name}@{transition.revision}",
        "remote": transition.remote_id,
        "transition": transition.name,
        "occurrence": transition.occurrence,
    }
    return "pmgitops/1 " + hashlib.sha256(rfc8785.dumps(event)).hexdigest()[:32]


def unmarked(text: str) -> str:
    """Text in which nothing reads as a marker: what a request or a target says is not taken for a note of ours."""
    return re.sub(r"pmgitops/(?=\d)", "pmgitops /", text)
