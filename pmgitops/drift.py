"""Standings x grants x now -> what is different. Pure: what git and the ledger hold, against what targets report.

| class | means |
|---|---|
| `managed` | git, the ledger and the target agree, or the next `apply` sees to it |
| `expired` | its time is over, or git or the ledger ended it, and it is still there |
| `removed-early` | the target has ended it before its time, and nobody here asked for that |
| `changed-outside` | what stands at the target is not what was sent |
| `unmanaged` | it is there, and nothing here knows of it |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, get_args

from pmgitops.ledger.standing import UNSURE, Standing, instant
from pmgitops.model.difference import Difference, differences
from pmgitops.model.imported import name_of_grant
from pmgitops.model.occurrences import Over, over
from pmgitops.model.summary import access
from pmgitops.targets import TARGETS
from pmgitops.targets.interface import Grant, Inexpressible

Class = Literal["managed", "expired", "removed-early", "changed-outside", "unmanaged"]
CLASSES: tuple[Class, ...] = get_args(Class)

GRACE = timedelta(minutes=5)
"""How long a target may take to end what is over, and how far clocks may differ."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one target reported."""

    target: str
    begun: datetime
    grants: tuple[Grant, ...] = ()
    failure: str = ""
    """Why not all of it could be read: what was not seen may then be there all the same."""


@dataclass(frozen=True, slots=True)
class Held:
    """A request as git and the ledger hold it."""

    stands: Standing
    wanted: str | None
    """The revision that git wants, empty where its file is broken; None where the file is gone."""


@dataclass(frozen=True, slots=True)
class Found:
    """One grant, or a request without one: its class, the reason in words, and the command to run next."""

    kind: Class
    target: str
    remote_id: str
    name: str
    state: str
    """The target's own words; empty where it knows nothing of it."""
    access: str
    identity: str
    why: str
    next: str = ""
    differences: tuple[Difference, ...] = ()
    imported_as: str = ""
    """The name that `import` gives it; empty where nothing is to be imported."""

    def as_json(self) -> dict[str, Any]:
        """The grant as `drift` prints it."""
        return {
            "class": self.kind,
            "name": self.name or None,
            "target": self.target,
            "remoteId": self.remote_id or None,
            "state": self.state or None,
            "access": self.access,
            "identity": self.identity,
            "why": self.why,
            "next": self.next or None,
            "differences": [{"member": one.member, "was": one.was, "is": one.now} for one in self.differences],
        }


@dataclass(frozen=True, slots=True)
class Drift:
    """Everything that was found, the most telling class first, and what could not be read."""

    found: tuple[Found, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Target -> why."""

    @property
    def different(self) -> tuple[Found, ...]:
        """What is not managed."""
        return tuple(one for one in self.found if one.kind != "managed")

    @property
    def counts(self) -> dict[str, int]:
        """Class -> how many."""
        counted = Counter(one.kind for one in self.found)
        return {kind: counted[kind] for kind in CLASSES}

    def as_json(self) -> dict[str, Any]:
        """The result as `drift` prints it."""
        return {
            "counts": self.counts,
            "grants": [one.as_json() for one in self.found],
            "unreadable": [{"target": target, "why": why} for target, why in sorted(self.unreadable.items())],
        }


def compare(
    readings: Iterable[Reading], held: Sequence[Held], now: datetime, merged: AbstractSet[str] = frozenset()
) -> Drift:
    """Class every grant, and every request that should have one; `merged` are the names that git has files of."""
    readings = tuple(readings)
    found = [_awaited(one, merged) for reading in readings for one in _of_target(reading, held, now)]
    order = {kind: place for place, kind in enumerate((*CLASSES[1:], CLASSES[0]))}
    found.sort(key=lambda one: (order[one.kind], one.target, one.name, one.remote_id))
    unreadable = {reading.target: reading.failure for reading in readings if reading.failure}
    return Drift(tuple(found), unreadable)


def _of_target(reading: Reading, held: Sequence[Held], now: datetime) -> Iterator[Found]:
    here = [one for one in held if one.stands.target == reading.target]
    by_id = {remote_id: one for one in here for remote_id in known_ids(one.stands)}
    by_mark = {one.stands.correlation: one for one in here if one.stands.correlation}
    seen: set[str] = set()
    for grant in reading.grants:
        one = by_id.get(grant.remote_id)
        if one is None and grant.mark in by_mark and not by_mark[grant.mark].stands.remote_id:
            one = by_mark[grant.mark]  # sent, and not recorded yet
        if one and one.stands.remote_id in {"", grant.remote_id}:
            seen.add(one.stands.name)
            yield from [_present(one, grant, now)] if not grant.ended else _gone(one, grant, now)
        elif grant.ended:
            continue
        elif one:
            why = "it is a former revision that the ledger has as ended, and it is still there"
            yield replace(_found("expired", one.stands, grant, why), next=_by_hand(grant))
        elif grant.body is not None or not reading.failure:
            yield _unmanaged(reading.target, grant, by_mark)
    if not reading.failure:
        for one in here:  # what was sent meanwhile is passed over
            sent_before = one.stands.remote_id and instant(one.stands.since) < reading.begun - GRACE
            if sent_before and one.stands.name not in seen:
                yield from _gone(one, None, now)


def known_ids(stands: Standing) -> set[str]:
    """Every id that the target has given to a request of this name."""
    return {stands.remote_id, *(told.remote_id for told in stands.transitions)} - {""}


def ended_elsewhere(stands: Standing) -> bool:
    """Whether the ledger saw an end that nobody here asked for; an approver's no is none."""
    asked = stands.canceling or stands.removed or stands.replaced or stands.withdrawn
    return stands.state in {"canceled", "completed"} and not asked


# What is there


def _present(one: Held, grant: Grant, now: datetime) -> Found:
    stands = one.stands
    as_found = partial(_found, stands=stands, grant=grant)
    settling = grant.changed is not None and grant.changed > now - GRACE
    if stands.state in UNSURE:
        return as_found("managed", why="was sent, which the ledger does not know yet", next_="pmgitops apply")
    if stands.canceling == "sent" and settling:
        return as_found("managed", why="is being ended")
    changed = _changes(stands, grant)
    overdue = _overdue(one, grant, None if settling else now)
    if overdue:
        return as_found("expired", why=f"{overdue[0]}, and it is still there", next_=overdue[1], changed=changed)
    if changed:
        why = "; ".join(map(str, changed))
        return as_found("changed-outside", why=why, next_=f"git rm {stands.path}", changed=changed)
    if one.wanted not in {"", stands.revision}:
        return as_found("managed", why="its file has new content, which was not applied yet", next_="pmgitops apply")
    return as_found("managed", why="as it was sent")


def _overdue(one: Held, grant: Grant, now: datetime | None) -> tuple[str, str] | None:
    """Why a grant should not be there any more, and what to do; None where it may."""
    stands = one.stands
    if stands.canceling == "sent":
        return "it was told to end, and has not", _by_hand(grant)
    if stands.canceling:
        return "ending it has not succeeded yet", "pmgitops apply"
    if stands.ended:
        return f"the ledger has it as {stands.state}", _by_hand(grant)
    if one.wanted is None:
        return "its file is gone", "pmgitops apply"
    ends = _over(stands, grant)
    if ends and now and now > ends.latest + GRACE:
        return f"its time was over at {ends.latest:%Y-%m-%d %H:%M} UTC", f"git rm {stands.path}"
    return None


def _changes(stands: Standing, grant: Grant) -> tuple[Difference, ...]:
    if grant.body is None or not stands.payload:
        return ()
    comparable = TARGETS[stands.target].comparable
    return differences(comparable(stands.payload), comparable(grant.body))


# What is not


def _gone(one: Held, grant: Grant | None, now: datetime) -> Iterator[Found]:
    """A request whose grant has ended, or of which the target knows nothing; nothing where everybody knows so."""
    stands = one.stands
    ends = _over(stands, grant)
    if stands.ended:
        if ended_elsewhere(stands) and one.wanted is not None and not (ends and now > ends.latest):
            yield from _removed_early(one, grant, ends, stands.observed)
    elif stands.canceling or one.wanted is None:
        yield _found("managed", stands, grant, "has ended, as it was meant to", "pmgitops apply")
    elif grant and grant.state == "rejected":
        yield _found("managed", stands, grant, "an approver has rejected it", "pmgitops apply")
    else:
        early = [*_removed_early(one, grant, ends, (grant and grant.changed) or now)]
        yield from early or [_found("managed", stands, grant, "has ended in its time", "pmgitops apply")]


def _removed_early(one: Held, grant: Grant | None, ends: Over | None, at: datetime | None) -> Iterator[Found]:
    stands = one.stands
    if ends and at and at >= ends.earliest - GRACE:
        return
    how = f"the target has it as {grant.state}" if grant else "the target knows nothing of it any more"
    due = f", before {ends.earliest:%Y-%m-%d %H:%M} UTC" if ends else ""
    why = f"{how}{due}; nobody here ended it. To have it again, give its file another name; otherwise remove it"
    yield _found("removed-early", stands, grant, why, f"git mv {stands.path} {_renamed(stands.path)}")


def _over(stands: Standing, grant: Grant | None) -> Over | None:
    if stands.target not in TARGETS:
        return None
    request = TARGETS[stands.target].parse(stands.payload)
    if isinstance(request, Inexpressible):
        return None
    told = [instant(told.at) for told in stands.transitions if told.name == "approved"]
    return over(request.schedule_info, (grant and grant.approved) or (told[-1] if told else None))


def _renamed(path: str) -> str:
    return f"{path.removesuffix('.yaml')}-again.yaml"


# What is nobody's


def _unmanaged(target: str, grant: Grant, by_mark: Mapping[str, Held]) -> Found:
    request = TARGETS[target].parse(grant.body) if grant.body is not None else None
    what, whom = "", ""
    if request is not None and not isinstance(request, Inexpressible):
        what, whom = access(request), request.identity.external_id
    found = Found("unmanaged", target, grant.remote_id, "", grant.detail, what, whom, "")
    if grant.mark in by_mark:
        name = by_mark[grant.mark].stands.name
        why = f"carries the mark of {name}, which stands as {by_mark[grant.mark].stands.remote_id}: it was sent twice"
        return replace(found, why=why, next=_by_hand(grant))
    if grant.mark:
        why = f"carries {grant.mark}, which this ledger does not know: another repository's, or from a lost ledger"
        return replace(found, why=why, next=_by_hand(grant))
    if grant.body is None:
        why = "only its changes can be read, so nobody knows what it grants"
        return replace(found, why=why, next=_by_hand(grant))
    if isinstance(request, Inexpressible):
        why = f"nothing here knows of it, and no request can say it: {request.member}: {request.why}"
        return replace(found, why=why, next=_by_hand(grant))
    assert request is not None, "there is a body, and it was parsed"
    name = name_of_grant(request, target, grant.remote_id)
    why = "nothing here knows of it"
    return replace(found, why=why, next=f"pmgitops import {grant.remote_id}", imported_as=name)


def _awaited(one: Found, merged: AbstractSet[str]) -> Found:
    """What was imported and merged, and no run has adopted yet."""
    if not one.imported_as or one.imported_as not in merged:
        return one
    why = "its imported file is merged, and was not applied yet"
    return replace(one, kind="managed", name=one.imported_as, why=why, next="pmgitops apply")


def _by_hand(grant: Grant) -> str:
    return f"cancel {grant.remote_id} at the target"


def _found(
    kind: Class,
    stands: Standing,
    grant: Grant | None,
    why: str,
    next_: str = "",
    changed: tuple[Difference, ...] = (),
) -> Found:
    remote_id, state = (grant.remote_id, grant.detail) if grant else (stands.remote_id, "")
    return Found(
        kind, stands.target, remote_id, stands.name, state, stands.access, stands.identity, why, next_, changed
    )
