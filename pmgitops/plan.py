"""Desired x standing -> Plan. Pure: what git wants, what the ledger knows, and the ordered value of what will be done.

The table of DESIGN section 4 is `_decide`. A plan has a digest, so that what is applied is what was shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import rfc8785

from pmgitops.errors import UnsafeError
from pmgitops.ledger.standing import UNSURE, Standing
from pmgitops.load import RequestFile
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.model.imported import is_name_of_grant
from pmgitops.model.request import AnyRequest

Rendered = tuple[str, dict[str, Any]]
"""The target that a request is routed to, and the body it is sent."""


class Undeliverable(NamedTuple):
    """Why no target takes a request."""

    rule: Literal["route", "retired"]
    why: str


Render = Callable[[AnyRequest], Rendered | Undeliverable]


@dataclass(frozen=True, slots=True)
class Held:
    """A file at the head that cannot be carried out: what stands is held as it is, nothing new is sent.

    `name` is empty where the file's own name is not a request's.
    """

    name: str
    path: str
    findings: tuple[Finding, ...]


Desired = RequestFile | Held | None
"""What git wants under a name; None where the file is gone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order of their names, what a person should know of them, and what they were decided under."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...] = ()
    policies: str = ""
    """Digest of the policies that judged."""
    tickets: Mapping[str, str] = field(default_factory=dict)
    """Digest of each ticket that was read, by request."""

    @property
    def digest(self) -> str:
        """Twelve hex digits of the SHA-256 over every change with its payload, the policies and the tickets."""
        body: dict[str, Any] = {
            "changes": [change.as_json() for change in self.changes if change.action != "none"],
            "policies": self.policies,
            "tickets": dict(self.tickets),
        }
        return hashlib.sha256(rfc8785.dumps(body)).hexdigest()[:12]

    @property
    def effective(self) -> tuple[Change, ...]:
        """The changes that do something."""
        return tuple(change for change in self.changes if change.action != "none")

    def refuse_if_other(self, digest: str | None) -> None:
        """UnsafeError unless this is the plan that a person has seen."""
        if digest is not None and digest != self.digest:
            raise UnsafeError(
                f"the plan is {self.digest}, not {digest}: something has changed since it was approved",
                hint="look at `pmgitops plan` again and approve that one",
                guard="other-plan",
            )

    def refuse_if_it_ends_too_much(self, limit: int) -> None:
        """UnsafeError where more requests would be canceled or revoked than `limits.maxCancellations`."""
        ending = sum(change.ends_access for change in self.changes)
        if ending > limit:
            raise UnsafeError(
                f"{ending} requests would be canceled or revoked; limits.maxCancellations is {limit}",
                hint=f"pmgitops plan shows them; if they are meant: apply --allow mass-cancel --digest {self.digest}",
                guard="mass-cancel",
            )


def make(
    names: Iterable[str],
    desired: Mapping[str, Desired],
    standing: Mapping[str, Standing],
    render: Render,
    forsaken: AbstractSet[str] = frozenset(),
) -> tuple[tuple[Change, ...], tuple[Held, ...]]:
    """What has to be done about each name. `render` says why where no target takes a request; the access of `forsaken`
    requests is ended, whatever their files say.
    """
    changes: list[Change] = []
    held: list[Held] = []
    holders = _holders(standing.values())
    for name in sorted(names):
        wanted, stands = desired.get(name), standing.get(name)
        if stands and stands.holds and wanted and (name in forsaken or stands.forsaken):
            decided: Change | Finding | None = _gone(name, stands, "its ticket does not carry it any more", "diverged")
        elif isinstance(wanted, Held):
            held.append(wanted)
            continue
        else:
            decided = (_adoption(wanted, stands) or _decide(wanted, stands)) if wanted else _gone(name, stands)
        if isinstance(decided, Change) and decided.ends_access and stands:
            decided = _shared(decided, stands, holders)
        rendered = isinstance(decided, Change) and (decided.action in {"create", "replace"} or decided.adopts)
        if isinstance(decided, Change) and rendered and isinstance(wanted, RequestFile):
            decided = _rendered(decided, wanted, render)
        if isinstance(decided, Finding):
            held.append(Held(name, decided.path, (decided,)))
        elif decided:
            changes.append(decided)
    return tuple(changes), tuple(held)


def _adoption(wanted: RequestFile, stands: Standing | None) -> Change | None:
    """What an imported request does first: it takes over the grant that its name was made from, or nothing."""
    if not is_name_of_grant(wanted.name) or (stands and (stands.stood or stands.state in UNSURE)):
        return None
    why = "adopts what stands at the target; nothing is sent"
    return Change("none", wanted.name, "", why, wanted.request.revision, wanted.path, adopts=True)


def _decide(wanted: RequestFile, stands: Standing | None) -> Change | Finding:
    revision = wanted.request.revision
    create = Change("create", wanted.name, "", "new file", revision, wanted.path)
    if stands is None or stands.withdrawn:
        return create
    same = stands.revision == revision
    if stands.ended and stands.replaced:
        return _because(create, "the former revision has ended")
    if stands.removed and (ending := _gone(wanted.name, stands)) and ending.action == "cancel":
        return _because(ending, "its file was removed, and is back too late: what was begun is ended")
    if stands.removed or (stands.ended and not same):
        return _never_again(wanted, stands)
    if stands.unsent:
        return _because(create, f"{stands.state} before, judged again")
    if stands.replaced:
        return _because(
            Change("replace", wanted.name, stands.target, "", revision, wanted.path),
            "the former revision is being ended",
        )
    if same:
        return Change("none", wanted.name, stands.target, f"{stands.state}, unchanged", revision, wanted.path)
    why = f"new content; what stands ({stands.state}) is {_ending(stands)} first"
    return Change("replace", wanted.name, stands.target, why, revision, wanted.path, ends_access=not stands.canceling)


def _gone(
    name: str,
    stands: Standing | None,
    why: str = "file gone",
    reason: Literal["removed", "diverged"] = "removed",
) -> Change | None:
    if stands is None or stands.withdrawn or (stands.ended and not stands.replaced):
        return None
    cancel = Change("cancel", name, stands.target, "", stands.revision, stands.path, reason=reason)
    if not stands.holds:
        return _because(cancel, f"{why}; nothing was sent")
    if stands.canceling == "sent":
        return Change("none", name, stands.target, f"{why}; it is being ended", stands.revision, stands.path)
    cancel = replace(cancel, ends_access=not stands.canceling)  # what is asked again was counted when first asked
    if stands.state in UNSURE:
        return _because(cancel, f"{why}, {stands.state}: read back, then canceled if it is there")
    return _because(cancel, f"{why}, {stands.state}: {_ending(stands)}")


def _holders(standing: Iterable[Standing]) -> dict[str, set[str]]:
    """Who holds each permission, and goes on holding it."""
    holders: dict[str, set[str]] = {}
    for stands in standing:
        if stands.holds and not stands.canceling:
            for grant in stands.grants:
                holders.setdefault(grant, set()).add(stands.name)
    return holders


def _shared(change: Change, stands: Standing, holders: Mapping[str, set[str]]) -> Change:
    """Say who else holds what is ended here: every request is a grant of its own at the target, so theirs goes on."""
    others = sorted({name for grant in stands.grants for name in holders.get(grant, ())} - {change.name})
    return _because(change, f"{change.why}; goes on through {', '.join(others)}") if others else change


def _ending(stands: Standing) -> str:
    return "revoked" if stands.state == "active" else "canceled"


def _because(change: Change, why: str) -> Change:
    return replace(change, why=why)


def _never_again(wanted: RequestFile, stands: Standing) -> Finding:
    happened = f"has ended ({stands.state})" if stands.ended else "is being ended, since its file was removed,"
    message = f"the request {wanted.name!r} {happened} and is not renewed; file it under another name"
    return wanted.finding((), "name-reused", message)


def _rendered(change: Change, wanted: RequestFile, render: Render) -> Change | Finding:
    rendered = render(wanted.request)
    if isinstance(rendered, Undeliverable):
        return wanted.finding(("kind",), rendered.rule, rendered.why)
    target, payload = rendered
    return replace(change, target=target, payload=None if change.adopts else payload)
