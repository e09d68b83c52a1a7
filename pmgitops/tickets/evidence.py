"""What a ticket is given to keep: a file when it is linked, and one when the access has ended.

Both are canonical JSON (RFC 8785) and a pure function of the ledger, so that whoever has the ledger can make them again
and hold them against what the ticket has. `format` is 1; times are UTC; digests are SHA-256 in hex.

| member | linked | closed-out |
|---|---|---|
| `request`, `revision`, `path`, `commit` | yes | yes |
| `ticket` | the record as it was pinned, with its snapshot's digest | yes |
| `target`, `payload`, `digest`, `correlation` | what was sent, and its digest | the digest |
| `access`, `identity`, `justification` | yes | yes |
| `verdict` | digest of the policies, rules that judged, what they warned of | |
| `tool` | the version that decided | |
| `history` | | its events with their times, up to the end |
| `transitions` | | what the ticket was told, with the notes' markers |
| `attachments` | | the other file's name and digest |
| `head` | | the digest of the history's last line: what the ledger's chain goes on from |
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from pmgitops.ledger.interface import Event
from pmgitops.ledger.standing import EVIDENCED, Standing, Transition
from pmgitops.model.ticket import TicketLink
from pmgitops.tickets.markers import marker_of

_INTENT = ("path", "commit", "target", "digest", "correlation", "access", "identity", "justification")
_TOLD = (
    "revision",
    "commit",
    "digest",
    "remoteId",
    "adopted",
    "state",
    "detail",
    "modified",
    "why",
    "code",
    "orphaned",
)
"""What of an event stands in the history of a closing file; owners and leases are nobody's business."""
_OURS = ("note-", "attachment-", "claimed")
"""Events about telling, not about the access: the markers of what was told stand by themselves."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a ticket is due."""

    name: str
    """The request's."""
    link: TicketLink
    transition: Transition
    content: bytes
    before: tuple[Attachment, ...] = ()
    """Those that it goes with: the ticket has them too, or is given them again."""

    @property
    def sha256(self) -> str:
        """What ServiceNow shows as its `hash`."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def file(self) -> str:
        """`pmgitops-<link>-<transition>-<16 hex of its SHA-256>.json`; the link in 12 hex digits."""
        return f"pmgitops-{_link(self)}-{self.transition.name}-{self.sha256[:16]}.json"

    @property
    def marker(self) -> str:
        """What the ledger calls it by."""
        return self.file


def attachment(stands: Standing, transition: Transition, history: Sequence[Event]) -> Attachment | None:
    """The file that goes with a transition; None for one without. `history` is the request's, whole."""
    if transition.name not in EVIDENCED or transition.ticket is None:
        return None
    if transition.name == "linked":
        content = rfc8785.dumps(_linked(stands, transition, history))
        return Attachment(stands.name, transition.ticket, transition, content)
    before = _of_this_link(stands, transition, history)
    content = rfc8785.dumps(_closed_out(stands, transition, history, before))
    return Attachment(stands.name, transition.ticket, transition, content, before)


def _of_this_link(stands: Standing, end: Transition, history: Sequence[Event]) -> tuple[Attachment, ...]:
    """What the ticket was given when this revision was linked to it: the last time before its end."""
    same = [
        told
        for told in stands.transitions
        if (told.name, told.revision) == ("linked", end.revision)
        and told.seq < end.seq
        and told.ticket
        and told.ticket.same(end.ticket)
    ]
    return tuple(file for told in same[-1:] if (file := attachment(stands, told, history)))


def _linked(stands: Standing, transition: Transition, history: Sequence[Event]) -> dict[str, Any]:
    intent = history[transition.seq - 1]
    told = {name: intent.data.get(name) for name in (*_INTENT, "payload", "verdict", "tool")}
    return _head(stands, transition) | {name: value for name, value in told.items() if value is not None}


def _closed_out(
    stands: Standing, transition: Transition, history: Sequence[Event], before: Sequence[Attachment]
) -> dict[str, Any]:
    over = history[: transition.seq - 1]
    intent = next((event for event in reversed(over) if event.event == "intended"), over[-1])
    earlier = [told for told in stands.transitions if told.seq < transition.seq and told.ticket]
    return _head(stands, transition) | {
        **{name: intent.data[name] for name in _INTENT if name in intent.data},
        "remoteId": transition.remote_id,
        "history": [_event(event) for event in over if not event.event.startswith(_OURS)],
        "transitions": [_transition(stands.name, told) for told in earlier],
        "attachments": [{"name": one.file, "sha256": one.sha256} for one in before],
        "head": history[transition.seq - 1].prev,
    }


def _head(stands: Standing, transition: Transition) -> dict[str, Any]:
    return {
        "format": 1,
        "what": transition.name,
        "at": transition.at,
        "request": stands.name,
        "revision": transition.revision,
        "ticket": transition.ticket.as_json() if transition.ticket else None,
    }


def _event(event: Event) -> dict[str, Any]:
    data = {name: event.data[name] for name in _TOLD if name in event.data}
    return {"seq": event.seq, "at": event.at, "event": event.event} | data


def _transition(name: str, told: Transition) -> dict[str, Any]:
    assert told.ticket, "only what a ticket was told is listed"
    return {
        "name": told.name,
        "at": told.at,
        "revision": told.revision,
        "remoteId": told.remote_id,
        "ticket": told.ticket.number,
        "marker": marker_of(name, told.ticket, told),
    }


def _link(one: Attachment) -> str:
    """The tie that the file is about, whatever happens under it."""
    link = one.link
    tie = [link.instance, link.table, link.sys_id, f"{one.name}@{one.transition.revision}"]
    return hashlib.sha256(rfc8785.dumps(tie)).hexdigest()[:12]
