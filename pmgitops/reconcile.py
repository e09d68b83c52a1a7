"""Carries out a plan through writers, event by event. Every write is preceded by a durable intent.

The protocol: intend and push; send; record and push. A send whose outcome is unknown is read back once its lease has
run out, never repeated blindly. Pushes are shared: the outcomes of one batch travel with the intents of the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import rfc8785

from pmgitops import __version__
from pmgitops.crew import Stopped, in_parallel, unless_stopped
from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.ledger.book import Book, Clock
from pmgitops.ledger.standing import UNSURE, Standing, instant
from pmgitops.load import RequestFile
from pmgitops.model.change import Change
from pmgitops.model.difference import differences
from pmgitops.model.finding import Finding, Severity
from pmgitops.model.grants import grants
from pmgitops.model.imported import may_name, name_of_grant
from pmgitops.model.scalars import instant_text
from pmgitops.model.summary import access
from pmgitops.model.ticket import TicketLink
from pmgitops.targets import TARGETS
from pmgitops.targets.interface import Grant, Inexpressible, Observation, Payload, Reader, Receipt, Writer

BATCH = 100
"""Requests that share the first push; how many share a later one follows from how fast they went."""
SMALLEST, LARGEST = 25, 400
WRITE_DEADLINE = timedelta(seconds=20)
"""No write takes longer (the transport sees to it), so nothing is in flight once a lease has run out."""
OVERLAP = timedelta(minutes=5)
"""How far before the watermark the changes are read again, for clocks that disagree."""
LONGEST_PAUSE = timedelta(days=1)

_ELSEWHERE = "another runner has it in hand"

Read = TypeVar("Read")
Routed = TypeVar("Routed", Standing, Change)
Outcome = Receipt | RemoteError | Literal["canceled", "withdrawn", "late", "under-way"]
"""What sending came to: the target has it, said no, took the cancellation; or nothing was sent; or nobody knows yet."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one request in this run."""

    name: str
    action: str
    state: str
    outcome: Literal["applied", "followed", "failed", "deferred", "refused"]
    remote_id: str = ""
    why: str = ""
    rules: frozenset[str] = frozenset()
    """The rules that refused or deferred it."""

    def as_json(self) -> dict[str, Any]:
        """The result as `apply` prints it."""
        shown = {"name": self.name, "action": self.action, "state": self.state, "remoteId": self.remote_id or None}
        return shown | ({"why": self.why} if self.why else {})


@dataclass(frozen=True, slots=True)
class Leave:
    """By what a request may be sent: the ticket that carries it, and what the rules said."""

    ticket: TicketLink | None
    verdict: Mapping[str, Any]
    """`policies`, the digest of the rules; `rules`, the ids of those that judged; `warnings`, findings as JSON."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """What carrying out needs: the ledger's book, the targets' two ports, and who we are."""

    book: Book
    readers: Mapping[str, Reader]
    writers: Mapping[str, Writer]
    owner: str
    lease: timedelta
    clock: Clock
    parallel: int = 8
    progress: Callable[[str, int, int], None] = field(default=lambda _what, _done, _all: None)
    stopping: Callable[[], bool] = field(default=lambda: False)
    """Whether somebody asked this run to end: what is under way is finished and recorded, nothing new is begun."""

    # Taking over

    def take_over(self, names: Iterable[str]) -> None:
        """Read back what an earlier run left unsure, once its lease has run out: adopt what is there, free the rest."""
        unsure = [
            stands
            for stands in self.book.standings(names).values()
            if stands.state in UNSURE and instant(stands.until) <= self.clock()
        ]
        if not unsure:
            return
        for stands in unsure:
            self.book.write(stands.name, "claimed", owner=self.owner, until=self._until())
        lost = self.book.push()
        ours = [stands for stands in unsure if stands.name not in lost]
        try:
            for target, group in _by_target(ours):
                self._read_back(target, group)
        except Stopped:
            for stands in ours:  # the next run need not wait for this one's claim
                self.book.write(stands.name, "claimed", owner=self.owner, until=instant_text(self.clock()))
            self.book.push()
            raise
        self.book.push()

    def _read_back(self, target: str, group: Sequence[Standing]) -> None:
        wanted = frozenset(stands.correlation for stands in group)
        try:
            found = self._read(partial(self._reader(target).find, wanted))
        except RemoteError as error:
            if error.code == "doubled" and len(group) > 1:  # somebody else's misfortune is not to hold up the rest
                half = len(group) // 2
                self._read_back(target, group[:half])
                self._read_back(target, group[half:])
                return
            for stands in group:
                self.book.write(stands.name, "unknown", why=f"cannot be read back: {error}")
            return
        for stands in group:
            receipt = found.get(stands.correlation)
            if receipt:
                self.book.write(stands.name, "submitted", remoteId=receipt.remote_id, adopted=True)
            else:
                why = "the send left nothing at the target"
                self.book.write(stands.name, "failed", why=why, code="absent", again=instant_text(self.clock()))

    # Following

    def observe(self, names: Iterable[str], known: datetime) -> list[Result]:
        """Record what the targets report of these requests since the last run, and tell what has moved.

        A target that does not answer fails its own requests and no others. `known` is when the run learned which
        requests are open: the watermark stays behind it, since of a request that opened later nothing is recorded here.
        """
        results: list[Result] = []
        marks: dict[str, str] = self.book.run().get("watermarks", {})
        followed = [stands for stands in self.book.standings(names).values() if stands.remote_id and not stands.ended]
        moved: list[Standing] = []
        for target, group in _by_target(followed):
            try:
                since = _since(marks.get(target), group)
                seen = self._read(partial(self._reader(target).changes, since))
            except RemoteError as error:
                results += [_follow(stands, "failed", _told(error)) for stands in group]
                continue
            moved += self._record(group, seen)
            mark = min(seen[-1].at, known) if seen else None
            if mark and (target not in marks or mark > instant(marks[target])):
                marks = {**marks, target: instant_text(mark)}
                self.book.write_run("followed", watermarks=marks)
        self.book.push()
        for before in moved:
            now = self.book[before.name] or before
            if now.state != before.state:
                results.append(_follow(now, "followed", "/".join(now.words)))
        return results

    def _record(self, group: Sequence[Standing], seen: Iterable[Observation]) -> list[Standing]:
        """Gather what is new of these requests; the ones that moved."""
        ours = {stands.remote_id: stands for stands in group}
        moved: dict[str, Standing] = {}
        for observation in seen:
            stands = ours.get(observation.remote_id)
            if stands and not stands.seen(observation.at, observation.id):
                moved[stands.name] = stands
                self.book.write(
                    stands.name,
                    "observed",
                    id=observation.id,
                    state=observation.state,
                    detail=observation.detail,
                    transitions=list(observation.transitions),
                    modified=instant_text(observation.at),
                )
        return list(moved.values())

    def _read(self, act: Callable[[], Read]) -> Read:
        """What a read brings. Stopped at once where the run is told to end: nothing is lost with it."""
        return unless_stopped(act, stopping=self.stopping)

    def _reader(self, target: str) -> Reader:
        """The target's reading half; a request may stand at a target that the configuration does not list any more."""
        if target not in self.readers:
            raise PermanentRemoteError(
                f"the target {target} is not configured any more",
                hint="list it under targets again until nothing stands there",
            )
        return self.readers[target]

    # Judgements

    def withhold(
        self,
        name: str,
        path: str,
        revision: str,
        event: Literal["refused", "deferred"],
        findings: Sequence[Finding],
        commit: str,
    ) -> None:
        """Record that a request is refused or deferred, so that every run judges it again.

        What stands at the target, or has ended, is not touched by what became of its file; what the ledger says
        exactly so already is not said twice.
        """
        stands = self.book[name]
        if stands and not stands.withdrawn and not stands.unsent:
            return
        told = [finding.as_json() for finding in findings]
        if stands is None or (stands.state, stands.revision, list(stands.findings)) != (event, revision, told):
            self.book.write(name, event, revision=revision, path=path, commit=commit, findings=told)

    # Adopting

    def adopt(self, changes: Sequence[Change], files: Mapping[str, RequestFile], commit: str) -> list[Result]:
        """Take over what imported requests were made from: one event each, and nothing is sent.

        The name of an imported request is made from its grant, so no two requests adopt one, and no request two.
        """
        results: list[Result] = []
        for target, group in _by_target(changes):
            try:
                grants = self._read(partial(_all_grants, self._reader(target)))
            except RemoteError as error:
                results += [self._not_adopted(files[change.name], "deferred", _told(error), commit) for change in group]
                continue
            results += [self._adopt(change, files[change.name], grants, commit) for change in group]
        lost = self.book.push()
        return [replace(one, outcome="deferred", why=_ELSEWHERE) if one.name in lost else one for one in results]

    def _adopt(self, change: Change, wanted: RequestFile, grants: Sequence[Grant], commit: str) -> Result:
        grant = _grant_of(wanted, change.target, grants)
        if isinstance(grant, str):
            return self._not_adopted(wanted, "refused", grant, commit)
        payload = TARGETS[change.target].render(wanted.request)
        self.book.write(
            change.name,
            "imported",
            **_told_of(change, wanted, payload, commit),
            remoteId=grant.remote_id,
            state=grant.state,
            since=instant_text(grant.created or self.clock()),
        )
        return Result(change.name, "adopt", grant.state, "applied", grant.remote_id)

    def _not_adopted(self, wanted: RequestFile, event: Literal["refused", "deferred"], why: str, commit: str) -> Result:
        severity: Severity = "error" if event == "refused" else "approval"
        finding = wanted.finding((), "import", why, severity)
        self.withhold(wanted.name, wanted.path, wanted.request.revision, event, [finding], commit)
        return Result(wanted.name, "adopt", event, event, "", why, frozenset({"import"}))

    # Carrying out

    def carry_out(
        self,
        changes: Sequence[Change],
        files: Mapping[str, RequestFile],
        leave: Mapping[str, Leave],
        commit: str,
        overtaken: Callable[[Sequence[Change]], Mapping[str, Sequence[Finding]]] = lambda _: {},
    ) -> list[Result]:
        """Intend, send and record every change, a batch at a time; `leave` is what each that begins goes by.

        `overtaken` tells of a batch, right before it is sent, which of its changes rest on what is not so any more, and
        what: those wait for the next run, which judges them again.
        """
        results: list[Result] = []
        done, size = 0, BATCH
        while done < len(changes) and not self.stopping():
            begun = self.clock()
            batch = [change for change in changes[done : done + size] if self._may_begin(change, results)]
            try:
                late = self._read(partial(overtaken, batch))
            except Stopped:
                break
            results += [self._overtaken(change, late[change.name], commit) for change in batch if change.name in late]
            batch = [change for change in batch if change.name not in late]
            for change in batch:
                self._intend(change, files, leave, commit)
            lost = self.book.push()
            results += [_elsewhere(change) for change in batch if change.name in lost]
            results += self._send_all([change for change in batch if change.name not in lost])
            done += size
            self.progress("submitting", min(done, len(changes)), len(changes))
            size = self._fitting((self.clock() - begun) / size)
        self.book.push()
        return results

    def _overtaken(self, change: Change, findings: Sequence[Finding], commit: str) -> Result:
        self.withhold(change.name, change.path, change.revision, "deferred", findings, commit)
        why, rules = "; ".join(found.message for found in findings), frozenset(found.rule for found in findings)
        return Result(change.name, change.action, "deferred", "deferred", "", why, rules)

    def _fitting(self, pace: timedelta) -> int:
        """How many changes of this pace fit well into a lease, so that none is late and pushes are few."""
        fits = self.lease / 6 / max(pace, timedelta(microseconds=1))
        return round(min(max(fits, SMALLEST), LARGEST))

    def unsettled(self, changes: Iterable[Change]) -> list[Result]:
        """Those among the requests that need nothing of which nobody knows yet whether they were sent."""
        results: list[Result] = []
        for change in changes:
            stands = self.book[change.name]
            if change.action == "none" and stands and stands.state in UNSURE:
                self._may_begin(change, results)
        return results

    def _may_begin(self, change: Change, results: list[Result]) -> bool:
        stands, now = self.book[change.name], self.clock()
        if stands and stands.state != "unknown" and self._is_anothers(stands, now):
            results.append(_elsewhere(change))
            return False
        if stands and stands.again and instant(stands.again) > now and _waits(change, stands):
            why = f"{stands.why}; tried again after {stands.again}"
            results.append(Result(change.name, change.action, stands.state, "failed", stands.remote_id, why))
            return False
        if stands and stands.state in UNSURE:
            why = stands.why or "its send is read back once its lease has run out"
            results.append(Result(change.name, change.action, stands.state, "failed", "", why))
            return False
        return not (change.action == "replace" and stands and stands.canceling == "sent")

    def _is_anothers(self, stands: Standing, now: datetime) -> bool:
        return bool(stands.owner) and stands.owner != self.owner and instant(stands.until) > now

    def _intend(
        self, change: Change, files: Mapping[str, RequestFile], leave: Mapping[str, Leave], commit: str
    ) -> None:
        stands = self.book[change.name]
        if change.action == "create":
            self._intend_to_submit(change, files[change.name], leave[change.name], commit)
        elif stands and stands.holds:
            why = "replaced" if change.action == "replace" else change.reason
            self.book.write(
                change.name, "cancel-intended", why=why, commit=commit, owner=self.owner, until=self._until()
            )
        else:
            self.book.write(change.name, "withdrawn", commit=commit)

    def _intend_to_submit(self, change: Change, wanted: RequestFile, leave: Leave, commit: str) -> None:
        assert change.payload is not None, "a create is rendered when it is planned"
        correlation = f"pmgitops:{change.name}@{change.revision[:12]}"
        stands = self.book[change.name]
        if stands and (before := stands.taken(change.revision)):
            correlation += f".{before + 1}"  # the former content is back: what it left at the target is not this
        payload = TARGETS[change.target].correlated(change.payload, correlation)
        self.book.write(
            change.name,
            "intended",
            **_told_of(change, wanted, payload, commit),
            correlation=correlation,
            owner=self.owner,
            until=self._until(),
            justification=wanted.request.justification or "",
            tool=f"pmgitops {__version__}",
            verdict=leave.verdict,
            **({"ticket": leave.ticket.as_json()} if leave.ticket else {}),
        )

    def _send_all(self, changes: Sequence[Change]) -> list[Result]:
        begun: set[str] = set()

        def send(change: Change) -> Outcome:
            if self.stopping():
                return "late"
            begun.add(change.name)
            return self._send(self.book[change.name])

        sent = in_parallel(send, changes, hands=self.parallel, stopping=self.stopping)
        # What was begun and did not end in time may have arrived: it stays intended, and is read back.
        outcomes = [
            outcome or ("under-way" if change.name in begun else "late")
            for change, outcome in zip(changes, sent, strict=True)
        ]
        return [self._outcome(change, outcome) for change, outcome in zip(changes, outcomes, strict=True)]

    def _send(self, stands: Standing | None) -> Outcome:
        """One write, in a thread of its own; only talks to the target."""
        if stands is None or stands.withdrawn:
            return "withdrawn"
        if self.clock() + WRITE_DEADLINE > instant(stands.until):
            return "late"
        writer = self.writers.get(stands.target)
        if writer is None:
            return PermanentRemoteError(f"nothing is sent to {stands.target}: it is retired or not configured")
        try:
            if not stands.canceling:
                return writer.submit(stands.payload)
            writer.cancel(stands.remote_id)
        except RemoteError as error:
            return error
        return "canceled"

    def _outcome(self, change: Change, outcome: Outcome) -> Result:
        """Gather the event that tells what a send came to."""
        match outcome:
            case Receipt():
                self.book.write(change.name, "submitted", remoteId=outcome.remote_id)
                return Result(change.name, change.action, "submitted", "applied", outcome.remote_id)
            case "canceled":
                self.book.write(change.name, "cancel-sent")
                return Result(change.name, change.action, "canceled", "applied", _remote_id(self.book[change.name]))
            case "withdrawn":
                return Result(change.name, change.action, "canceled", "applied")
            case RemoteError() if change.action == "create" and outcome.commit is not Commit.NO:
                self.book.write(change.name, "unknown", why=str(outcome))
                return Result(change.name, change.action, "unknown", "failed", "", _told(outcome))
            case RemoteError():
                event = "failed" if change.action == "create" else "cancel-failed"
                again = self._again(outcome, self.book[change.name])
                self.book.write(change.name, event, why=str(outcome), code=outcome.code, again=again)
                return Result(
                    change.name, change.action, "failed", "failed", _remote_id(self.book[change.name]), _told(outcome)
                )
            case "late":
                event = "failed" if change.action == "create" else "cancel-failed"
                why = "nothing was sent: the run ended, or the lease ran out, before its turn came"
                self.book.write(change.name, event, why=why, code="late", again=instant_text(self.clock()))
                return Result(change.name, change.action, "failed", "deferred", _remote_id(self.book[change.name]), why)
        return Result(change.name, change.action, "intended", "failed", "", "the run ended while it was being sent")

    def _again(self, error: RemoteError, stands: Standing | None) -> str:
        """When to try again: as the service asked, otherwise after pauses that double from a minute to a day."""
        wait = timedelta(minutes=2 ** min(stands.attempts if stands else 0, 11))
        if isinstance(error, TemporaryRemoteError):
            wait = timedelta(seconds=error.wait or 0)
        return instant_text(self.clock() + min(wait, LONGEST_PAUSE))

    def _until(self) -> str:
        return instant_text(self.clock() + self.lease)


def _told_of(change: Change, wanted: RequestFile, payload: Payload, commit: str) -> dict[str, Any]:
    """What the ledger keeps of a request that the target has, or is about to be sent."""
    return {
        "revision": change.revision,
        "path": change.path,
        "commit": commit,
        "target": change.target,
        "payload": payload,
        "digest": hashlib.sha256(rfc8785.dumps(payload)).hexdigest(),
        "access": access(wanted.request),
        "identity": wanted.request.identity.external_id,
        "grants": list(grants(wanted.request)),
    }


def _all_grants(reader: Reader) -> list[Grant]:
    return list(reader.grants())


def _grant_of(wanted: RequestFile, target: str, grants: Iterable[Grant]) -> Grant | str:
    """The grant that an imported request was made from, or why it is not adopted."""
    found = [grant for grant in grants if may_name(wanted.name, target, grant.remote_id)]
    standing = [grant for grant in found if grant.body is not None]
    if len(standing) != 1:
        ended = f"it has ended ({found[0].detail})" if found else f"there is none at {target}"
        return f"nothing is left to adopt, and nothing is sent: {ended}; remove the file, or ask under another name"
    grant = standing[0]
    assert grant.body is not None, "as it was chosen"
    parsed = TARGETS[target].parse(grant.body)
    if grant.mark or isinstance(parsed, Inexpressible) or name_of_grant(parsed, target, grant.remote_id) != wanted.name:
        return f"{grant.remote_id} is not what this name was made from; import it again"
    comparable = TARGETS[target].comparable
    different = differences(comparable(grant.body), comparable(TARGETS[target].render(wanted.request)))
    if different:
        told = "; ".join(f"{one.member} is {one.was} there, {one.now} here" for one in different)
        return f"is not what stands at the target: {told}. Adopt it as it is, and change it in a later pull request"
    return grant


def _follow(stands: Standing, outcome: Literal["followed", "failed"], why: str) -> Result:
    return Result(stands.name, "follow", stands.state, outcome, stands.remote_id, why)


def _by_target(group: Iterable[Routed]) -> Iterator[tuple[str, list[Routed]]]:
    targets: dict[str, list[Routed]] = {}
    for one in group:
        targets.setdefault(one.target, []).append(one)
    yield from sorted(targets.items())


def _since(mark: str | None, group: Sequence[Standing]) -> datetime | None:
    """From the watermark, but never after the send of a request of which nothing has been seen yet."""
    if mark is None:
        return None
    unseen = [instant(stands.since) for stands in group if stands.observed is None]
    return min([instant(mark), *unseen]) - OVERLAP


def _waits(change: Change, stands: Standing) -> bool:
    """Whether a pause after a failure holds for this change: not for another content, nor where nothing is sent."""
    return change.revision == stands.revision if change.action == "create" else stands.holds


def _elsewhere(change: Change) -> Result:
    return Result(change.name, change.action, "intended", "deferred", "", _ELSEWHERE)


def _remote_id(stands: Standing | None) -> str:
    return stands.remote_id if stands else ""


def _told(error: RemoteError) -> str:
    return f"{error}. {error.hint}" if error.hint else str(error)
