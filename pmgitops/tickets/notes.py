"""What a ticket is told: one work note for each transition, a pure function of the event, ending with a marker.

The marker makes a note findable again: after a write whose outcome is unknown the journal is read, not written twice.
Two transitions bring a file as well (see `evidence`), which is due before the note that names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from pmgitops.ledger.interface import Event
from pmgitops.ledger.standing import Standing, Transition, instant
from pmgitops.model.ticket import TicketLink
from pmgitops.policy import notes as templates
from pmgitops.tickets.evidence import Attachment, attachment
from pmgitops.tickets.markers import marker_of, unmarked

MOST = 4096
"""The longest note in characters, where nothing else is configured."""

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
    "diverged": "this ticket is not what it was when the request was judged",
    "inOrder": "this ticket is in order again",
    "closed-out": "this request is over; nothing more will follow",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """How notes are written: a repository's own templates, and how long a note may be, by ticket system."""

    templates: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)

    def body(self, transition: str, values: Mapping[str, str]) -> str:
        """What the repository's template of a transition's note, the one of all notes, or the built-in one says."""
        sources = (self.templates.get(transition), self.templates.get("note"), _built_in())
        texts = (templates.rendered(source, values) for source in sources if source is not None)
        return next(text for text in texts if text is not None)

    def limit(self, system: str) -> int:
        """The most characters of a note in this system."""
        return self.limits.get(system.casefold(), MOST)


@dataclass(frozen=True, slots=True)
class Note:
    """A work note that a ticket is due."""

    name: str
    link: TicketLink
    transition: Transition
    marker: str
    text: str


Post = Note | Attachment
"""What a ticket is due."""


def due(standing: Standing, history: Sequence[Event], wording: Wording | None = None) -> list[Post]:
    """What tickets have not certainly got, in the order in which things happened. `history` is the request's."""
    posts = _posts(standing, history, wording or Wording())
    return [post for post in posts if standing.notes.get(post.marker) != "delivered"]


def _posts(standing: Standing, history: Sequence[Event], wording: Wording) -> Iterator[Post]:
    for told in standing.transitions:
        if told.ticket:
            file = attachment(standing, told, history)
            if file:
                yield file
            yield _note(standing, told.ticket, told, _footer(told, file, history), wording)


def _footer(told: Transition, file: Attachment | None, history: Sequence[Event]) -> list[str]:
    """What the ticket holds against the ledger: each has the digest of the other's."""
    if file is None:
        return []
    lines = [f"Evidence: {file.file}", f"SHA-256: {file.sha256}"]
    return [*lines, f"Ledger: {history[told.seq - 1].prev}"] if told.name == "closed-out" else lines


def _note(
    standing: Standing, link: TicketLink, transition: Transition, footer: Sequence[str], wording: Wording
) -> Note:
    marker = marker_of(standing.name, link, transition)
    values = {
        "headline": _HEADLINES.get(transition.name, transition.name),
        "transition": transition.name,
        "name": standing.name,
        "revision": transition.revision,
        "access": standing.access,
        "identity": standing.identity,
        "justification": standing.justification,
        "target": standing.target,
        "remote_id": transition.remote_id,
        "detail": transition.detail,
        "at": f"{instant(transition.at):%Y-%m-%d %H:%M:%S} UTC",
        "ticket": link.number,
    }
    body = wording.body(transition.name, {name: _line(value) for name, value in values.items()})
    text = _bounded(unmarked(harmless(body)).rstrip(), [*footer, marker], wording.limit(link.system))
    return Note(standing.name, link, transition, marker, text)


def harmless(text: str) -> str:
    """Text that ServiceNow shows as text: `[code]` would render as HTML, control characters could hide something."""
    # In this order: what is taken out may have stood in the middle of a tag.
    text = "".join(char for char in text if char == "\n" or char.isprintable())
    return re.sub(r"\[(/?)code\]", r"[\1 code]", text, flags=re.IGNORECASE)


def _line(text: str) -> str:
    """What fills one line of a note and cannot begin another, such as a marker."""
    return " ".join(text.split())


def _bounded(body: str, last: Sequence[str], most: int) -> str:
    """The body as far as it fits before the last lines, which are whole whatever the body does."""
    end = "\n".join(["", *last])
    room = most - len(end)
    return (body if len(body) <= room else body[: room - 4] + "\n...") + end


@cache
def _built_in() -> str:
    return resources.files(__package__).joinpath("templates/note.txt.j2").read_text("utf-8")
