"""Where a request stands: its events folded into a value. Pure, so the ledger can always be rebuilt by reading.

Events of a request, in the order in which they may come:

| event | what it needs | what it means |
|---|---|---|
| `refused`, `deferred` | revision, path, findings | judged; nothing was sent; judged again by every run |
| `withdrawn` | | the file went away before anything was sent |
| `intended` | revision, path, commit, target, payload, digest, correlation, ... | about to be sent |
| `claimed` | owner, until | another runner took over; it reads back before it does anything else |
| `submitted` | remoteId, adopted? | the target has it |
| `imported` | as `intended` but for the lease; remoteId, state, since | the target had it already; nothing was sent |
| `unknown` | why | the outcome of the send is not known; read back by every run, never sent again by itself |
| `failed` | why, code, again | the target certainly did not take it; tried again after `again` |
| `cancel-intended` | why (`removed`, `replaced`, `diverged`), owner, until | about to be ended |
| `cancel-sent` | | the target took the cancellation |
| `cancel-failed` | why, again | it did not, or may not have; asked again after `again` |
| `observed` | id, state, detail, transitions, modified | what the target reported |
| `note-pending` | marker, transition, owner?, until? | the ticket is about to be told, by its owner alone until then |
| `note-released` | marker | it was not told after all |
| `note-delivered`, `note-unknown` | marker, transition | it was told; nobody can say |
| `attachment-pending`, ... | as with notes, and sha256 | the same of a file; its marker is the file's name |
| `diverged` | why, orphaned | the ticket is not what it was when it was pinned, or not there any more |
| `in-order` | | it is again what it was |
| `closing` | | the access has ended: the ticket gets the evidence, and is told so last |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from pmgitops.ledger.interface import Event, LedgerBrokenError
from pmgitops.model.ticket import TicketLink

State = Literal[
    "intended",
    "submitted",
    "approved",
    "active",
    "completed",
    "rejected",
    "canceled",
    "refused",
    "deferred",
    "unknown",
    "failed",
]
NoteStatus = Literal["pending", "delivered", "unknown"]
Link = Literal["linked", "annotated", "closing", "closed-out", "diverged", "orphaned", "unknown"]

ENDED: frozenset[State] = frozenset({"completed", "rejected", "canceled"})
EVIDENCED = frozenset({"linked", "closed-out"})
"""The transitions with which the ticket gets a file."""
UNSURE: frozenset[State] = frozenset({"intended", "unknown"})
"""Something of the request may be at the target: read back before anything else."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that happened to the access and that the ticket is told."""

    name: str
    revision: str
    remote_id: str
    occurrence: int
    """1 for the first of its name, 2 for the second (recurring access is granted more than once)."""
    at: str
    detail: str = ""
    ticket: TicketLink | None = None
    """The ticket that carried the access when it happened; a later revision may name another."""
    seq: int = 0
    """The event that told of it, in the request's history."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One request as its ledger tells it."""

    name: str
    seq: int = 0
    state: State = "intended"
    revision: str = ""
    path: str = ""
    commit: str = ""
    target: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    correlation: str = ""
    access: str = ""
    grants: tuple[str, ...] = ()
    """The single permissions; another request may hold some of them too."""
    identity: str = ""
    justification: str = ""
    owner: str = ""
    until: str = ""
    """Until then (UTC) the request belongs to `owner`."""
    remote_id: str = ""
    why: str = ""
    again: str = ""
    """Not to be tried before this instant (UTC)."""
    attempts: int = 0
    findings: tuple[Mapping[str, Any], ...] = ()
    canceling: Literal["", "intended", "sent", "failed"] = ""
    replaced: bool = False
    """Ended, or being ended, to make room for a newer revision of the file."""
    removed: bool = False
    """Ended, or being ended, because the file is gone."""
    withdrawn: bool = False
    ticket: TicketLink | None = None
    transitions: tuple[Transition, ...] = ()
    notes: Mapping[str, NoteStatus] = field(default_factory=dict)
    teller: str = ""
    telling_until: str = ""
    """Until then (UTC) only `teller` writes notes for this request."""
    divergence: tuple[str, ...] = ()
    """How the ticket differs from what was pinned, in words; empty where it is in order."""
    orphaned: bool = False
    """The ticket is not there any more, or not for us."""
    closing: Literal["", "closing", "closed-out"] = ""
    """How far the ticket's link has come since the access ended."""
    since: str = ""
    """When the revision was intended (UTC)."""
    observed: datetime | None = None
    """When the last observed change happened at the target."""
    observed_ids: tuple[str, ...] = ()
    """The changes of that very instant."""
    words: tuple[str, ...] = ()
    """The target's own words in the last observation."""

    @property
    def ended(self) -> bool:
        """Whether the access is over, or never came to be."""
        return self.state in ENDED

    @property
    def unsent(self) -> bool:
        """Whether certainly nothing of the request is at the target. One that failed there (granting, revoking) is."""
        return self.state in {"refused", "deferred"} or (self.state == "failed" and not self.remote_id)

    @property
    def holds(self) -> bool:
        """Whether something at the target may have to be canceled or revoked."""
        return not self.ended and not self.unsent and not self.withdrawn

    @property
    def notes_due(self) -> bool:
        """Whether the ticket has not been told, or given, everything yet."""
        told = sum(status == "delivered" for status in self.notes.values())
        owed = sum(1 + (happened.name in EVIDENCED) for happened in self.transitions if happened.ticket)
        return told < owed

    @property
    def forsaken(self) -> bool:
        """Ended, or being ended, because its ticket does not carry it any more."""
        return bool(self.canceling) and not self.removed and not self.replaced

    @property
    def tied(self) -> bool:
        """Whether there is a ticket to keep an eye on."""
        return self.ticket is not None and self.closing != "closed-out"

    @property
    def over(self) -> bool:
        """Whether a ticket has nothing to carry any more."""
        return self.ended or self.withdrawn

    @property
    def to_close(self) -> bool:
        """Whether the access is over and its ticket's link is not being closed out yet."""
        return self.ticket is not None and not self.closing and self.over

    @property
    def open(self) -> bool:
        """Whether a run has to look at this request even though its file did not change."""
        return self.notes_due or self.to_close or (not self.withdrawn and (not self.ended or self.replaced))

    @property
    def link(self) -> Link | None:
        """Where the link to the ticket stands; None where there is none."""
        if self.ticket is None:
            return None
        if self.closing == "closed-out":
            return "closed-out"
        if self.divergence:
            return "orphaned" if self.orphaned else "diverged"
        if "unknown" in self.notes.values():
            return "unknown"
        if self.closing or self.to_close:
            return "closing"
        told = [happened for happened in self.transitions if happened.ticket and happened.revision == self.revision]
        return "annotated" if len(told) > 1 else "linked"

    @property
    def stood(self) -> bool:
        """Whether the target ever had a request of this name."""
        return bool(self.remote_id) or any(told.remote_id for told in self.transitions)

    def taken(self, revision: str) -> int:
        """How many requests of this revision the target has taken so far; a file's former content may come back."""
        told = {told.remote_id for told in self.transitions if (told.name, told.revision) == ("submitted", revision)}
        return len(told)

    def seen(self, modified: datetime, change_id: str) -> bool:
        """Whether a change at the target is in the ledger already (reading overlaps, so most are)."""
        if self.observed is None or modified > self.observed:
            return False
        return modified < self.observed or change_id in self.observed_ids


def standing(name: str, events: Iterable[Event]) -> Standing | None:
    """The request of this name; None where the ledger has nothing of it."""
    current: Standing | None = None
    for event in events:
        current = after(current or Standing(name), event)
    return current


def after(before: Standing, event: Event) -> Standing:
    """The standing after one more event; unknown events change nothing but the count (a newer pmgitops wrote them).

    Raises:
        LedgerBrokenError: The event lacks what it needs.
    """
    step = _STEPS.get(event.event)
    try:
        return replace(step(before, event) if step else before, seq=event.seq)
    except (KeyError, TypeError, ValueError) as error:
        problem = f"the event {event.event!r} is not whole ({error})"
        raise LedgerBrokenError(f"the history of {before.name}", event.seq, problem) from error


def _judged(before: Standing, event: Event) -> Standing:
    state: State = "refused" if event.event == "refused" else "deferred"
    fresh = Standing(before.name, transitions=before.transitions, notes=before.notes)
    if before.ticket and not before.withdrawn:
        fresh = replace(fresh, ticket=before.ticket, divergence=before.divergence, orphaned=before.orphaned)
    return replace(
        fresh,
        state=state,
        revision=event.data["revision"],
        path=event.data["path"],
        commit=event.data.get("commit", ""),
        findings=tuple(event.data["findings"]),
    )


def _withdrawn(before: Standing, _: Event) -> Standing:
    return replace(before, state="canceled", withdrawn=True, removed=True, canceling="")


def _intended(before: Standing, event: Event) -> Standing:
    data = event.data
    ticket = TicketLink.of(data["ticket"]) if data.get("ticket") else None
    same = before.revision == data["revision"]
    fresh = Standing(
        before.name,
        state="intended",
        revision=data["revision"],
        path=data["path"],
        commit=data["commit"],
        target=data["target"],
        payload=data["payload"],
        correlation=data["correlation"],
        access=data["access"],
        grants=tuple(data.get("grants", ())),
        identity=data["identity"],
        justification=data.get("justification", ""),
        owner=data["owner"],
        until=data["until"],
        attempts=before.attempts if same else 0,
        ticket=ticket or before.ticket,
        transitions=before.transitions,
        notes=before.notes,
        since=event.at,
    )
    if ticket is None or before.ticket is None:
        return _told(fresh, "linked", event) if ticket else fresh
    # Each revision is a link of its own; sent once more after it failed, it is the same one.
    goes_on = ticket.sys_id == before.ticket.sys_id and same and not before.closing
    if not goes_on:
        return _told(fresh, "linked", event)
    return replace(fresh, divergence=before.divergence, orphaned=before.orphaned)


def _claimed(before: Standing, event: Event) -> Standing:
    return replace(before, owner=event.data["owner"], until=event.data["until"])


def _submitted(before: Standing, event: Event) -> Standing:
    now = replace(before, state="submitted", remote_id=event.data["remoteId"], owner="", until="", attempts=0, why="")
    return _told(now, "submitted", event)


def _imported(before: Standing, event: Event) -> Standing:
    data = event.data
    now = Standing(
        before.name,
        state=data["state"],
        revision=data["revision"],
        path=data["path"],
        commit=data["commit"],
        target=data["target"],
        payload=data["payload"],
        access=data["access"],
        grants=tuple(data.get("grants", ())),
        identity=data["identity"],
        remote_id=data["remoteId"],
        transitions=before.transitions,
        notes=before.notes,
        since=data["since"],  # its changes are read from then on
    )
    return _told(now, "submitted", event)


def _unknown(before: Standing, event: Event) -> Standing:
    # The lease stays: until it has run out, the send may still be under way, and reading back would prove nothing.
    return replace(before, state="unknown", why=event.data["why"])


def _failed(before: Standing, event: Event) -> Standing:
    return replace(
        before,
        state="failed",
        why=event.data["why"],
        again=event.data["again"],
        attempts=before.attempts + 1,
        owner="",
        until="",
    )


def _cancel_intended(before: Standing, event: Event) -> Standing:
    why = event.data["why"]
    return replace(
        before,
        canceling="intended",
        removed=why == "removed",
        replaced=why == "replaced",
        owner=event.data["owner"],
        until=event.data["until"],
    )


def _cancel_sent(before: Standing, _: Event) -> Standing:
    return replace(before, canceling="sent", owner="", until="", why="", again="", attempts=0)


def _cancel_failed(before: Standing, event: Event) -> Standing:
    return replace(
        before,
        canceling="failed",
        why=event.data["why"],
        again=event.data["again"],
        attempts=before.attempts + 1,
        owner="",
        until="",
    )


def _observed(before: Standing, event: Event) -> Standing:
    words = tuple(event.data["transitions"])
    modified = instant(event.data["modified"])
    ids = (*before.observed_ids, event.data["id"]) if modified == before.observed else (event.data["id"],)
    now = replace(before, state=event.data["state"], observed=modified, observed_ids=ids, words=words)
    for word in words:
        # The first `submitted` was told when the target took the request.
        if word not in before.words and word != "submitted":
            now = _told(now, word, event, event.data["modified"], "/".join(words))
    return now


def _note(before: Standing, event: Event) -> Standing:
    status = _NOTES[event.event.partition("-")[2]]
    last = event.event == "note-delivered" and event.data["transition"] == "closed-out"
    return replace(
        before,
        notes={**before.notes, event.data["marker"]: status},
        teller=event.data.get("owner", ""),
        telling_until=event.data.get("until", ""),
        closing="closed-out" if last and before.closing else before.closing,
    )


def _note_released(before: Standing, event: Event) -> Standing:
    notes = {marker: status for marker, status in before.notes.items() if marker != event.data["marker"]}
    return replace(before, notes=notes, teller="", telling_until="")


_NOTES: dict[str, NoteStatus] = {"pending": "pending", "delivered": "delivered", "unknown": "unknown"}


def _diverged(before: Standing, event: Event) -> Standing:
    orphaned = bool(event.data["orphaned"])
    now = replace(before, divergence=tuple(event.data["why"]), orphaned=orphaned)
    return now if orphaned else _told(now, "diverged", event, detail="; ".join(now.divergence))


def _in_order(before: Standing, event: Event) -> Standing:
    return _told(replace(before, divergence=(), orphaned=False), "inOrder", event)


def _closing(before: Standing, event: Event) -> Standing:
    return _told(replace(before, closing="closing"), "closed-out", event)


def _told(now: Standing, name: str, event: Event, at: str = "", detail: str = "") -> Standing:
    occurrence = 1 + sum(
        told.name == name and told.revision == now.revision and told.remote_id == now.remote_id
        for told in now.transitions
    )
    told = Transition(name, now.revision, now.remote_id, occurrence, at or event.at, detail, now.ticket, event.seq)
    return replace(now, transitions=(*now.transitions, told))


_STEPS = {
    "refused": _judged,
    "deferred": _judged,
    "withdrawn": _withdrawn,
    "intended": _intended,
    "claimed": _claimed,
    "submitted": _submitted,
    "imported": _imported,
    "unknown": _unknown,
    "failed": _failed,
    "cancel-intended": _cancel_intended,
    "cancel-sent": _cancel_sent,
    "cancel-failed": _cancel_failed,
    "observed": _observed,
    "note-pending": _note,
    "note-released": _note_released,
    "note-delivered": _note,
    "note-unknown": _note,
    "attachment-pending": _note,
    "attachment-released": _note_released,
    "attachment-delivered": _note,
    "attachment-unknown": _note,
    "diverged": _diverged,
    "in-order": _in_order,
    "closing": _closing,
}


def instant(text: str) -> datetime:
    """An instant as the ledger writes it."""
    return datetime.fromisoformat(text)
