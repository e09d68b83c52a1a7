"""What a ticket is told: one work note for each transition, a pure function of the event, ending with a marker.

The marker makes a note findable again: after a write whose outcome is unknown the journal is read, not written twice.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import rfc8785

from pmgitops.ledger.standing import Standing, Transition, instant
from pmgitops.model.ticket import TicketLink

if TYPE_CHECKING:
    from jinja2 import Template

MOST = 4096
"""The longest note in characters."""

_HEADLINES = {
    "linked": "this ticket carries an access request",
    "submitted": "the request was submitted",
    "approved": "the request was approved",
    "rejected": "the request was rejected",
    "granting": "access is being granted",
    "granted": "access was granted",
    "grantingFailed": "granting the access failed",
    "revoking": "access is being taken away",
    "revoked": "access was taken away",
    "revokingFailed": "taking the access away failed; it may still be there",
    "completed": "the access has ended",
    "canceled": "the request was canceled",
}


@dataclass(frozen=True, slots=True)
class Note:
    """A work note that a ticket is due."""

    name: str
    link: TicketLink
    transition: Transition
    marker: str
    text: str


def due(standing: Standing) -> list[Note]:
    """The notes that tickets have not certainly got, in the order in which things happened."""
    notes = (_note(standing, told.ticket, told) for told in standing.transitions if told.ticket)
    return [note for note in notes if standing.notes.get(note.marker) != "delivered"]


def _note(standing: Standing, link: TicketLink, transition: Transition) -> Note:
    marker = marker_of(standing.name, link, transition)
    text = _template().render(
        headline=_HEADLINES.get(transition.name, transition.name),
        name=standing.name,
        revision=transition.revision,
        access=_line(standing.access),
        identity=_line(standing.identity),
        remote_id=_line(transition.remote_id),
        detail=_line(transition.detail),
        at=f"{instant(transition.at):%Y-%m-%d %H:%M:%S} UTC",
        marker=marker,
    )
    return Note(standing.name, link, transition, marker, _bounded(harmless(text), marker))


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


def harmless(text: str) -> str:
    """Text that ServiceNow shows as text: `[code]` would render as HTML, control characters could hide something."""
    # In this order: what is taken out may have stood in the middle of a tag.
    text = "".join(char for char in text if char == "\n" or char.isprintable())
    return re.sub(r"\[(/?)code\]", r"[\1 code]", text, flags=re.IGNORECASE)


def _line(text: str) -> str:
    """What fills one line of a note and cannot begin another, such as a marker."""
    return " ".join(text.split())


def _bounded(text: str, marker: str) -> str:
    if len(text) <= MOST:
        return text
    return text[: MOST - len(marker) - 6] + "\n...\n" + marker


@cache
def _template() -> Template:
    from jinja2 import StrictUndefined  # noqa: PLC0415  # 50 ms, and only where notes are written
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    # Plain text: what is escaped for HTML here would be shown escaped there.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )  # see above
    return environment.from_string(resources.files(__package__).joinpath("templates/note.txt.j2").read_text("utf-8"))
