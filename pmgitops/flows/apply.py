"""Bring the targets to what git wants, once, and tell the tickets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from pmgitops.crew import Stopped, unless_stopped
from pmgitops.errors import UnsafeError
from pmgitops.flows import REQUESTS
from pmgitops.flows.plan import Decision, Judgement, Sight, decide, desired, since_judged
from pmgitops.ledger.book import Book
from pmgitops.load import RequestFile, passed_over
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.plan import Held, Plan
from pmgitops.reconcile import Leave, Reconciler, Result
from pmgitops.source import Repository
from pmgitops.tickets import links, outbox

LATEST = 9.0
"""Seconds after which a run that was told to end is over."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What one run of `apply` came to."""

    commit: str
    digest: str = field(default_factory=lambda: Plan(()).digest)
    results: tuple[Result, ...] = ()
    findings: tuple[Finding, ...] = ()
    undelivered: tuple[outbox.Undelivered, ...] = ()
    interrupted: bool = False
    """Somebody asked the run to end; what it had begun is recorded, the rest is for the next one."""

    def of(self, outcome: str) -> list[Result]:
        """The results of one outcome."""
        return [result for result in self.results if result.outcome == outcome]

    def as_json(self) -> dict[str, Any]:
        """The result as `apply` prints it."""
        outcomes = ("applied", "followed", "failed", "deferred", "refused")
        groups = {outcome: [result.as_json() for result in self.of(outcome)] for outcome in outcomes}
        notes = [{"name": note.name, "ticket": note.ticket, "why": note.why} for note in self.undelivered]
        found = [finding.as_json() for finding in self.findings]
        return {"commit": self.commit, "digest": self.digest, **groups, "notes": notes, "findings": found}


@dataclass(frozen=True, slots=True)
class Hand:
    """What only `apply` holds: the writing halves."""

    reconciler: Reconciler
    counter: outbox.Counter = field(default_factory=lambda: outbox.Counter({}))


def at_rest(book: Book, head: str) -> bool:
    """Whether there is nothing to do: the tree is the one that was applied last, and no request is open."""
    return book.run().get("commit") == head and not book.load_open()


def apply(
    sight: Sight, hand: Hand, head: str, *, digest: str | None = None, allow: frozenset[str] = frozenset()
) -> Applied:
    """Bring the targets to what git wants at `head`, once, and tell the tickets.

    A run that is told to end finishes what it has begun; what still does not end by `LATEST` is left behind as if the
    run had been killed, which is safe at any moment.
    """
    stopping = hand.reconciler.stopping
    run = _Run(sight, hand, head)
    try:
        unless_stopped(lambda: run.carry_out(digest, allow), stopping=stopping, grace=LATEST)
    except Stopped:
        return replace(run.applied(), interrupted=True)
    return run.applied()


@dataclass(slots=True)
class _Run:
    """One run, and what it has come to so far."""

    sight: Sight
    hand: Hand
    head: str
    plan: Plan = field(default_factory=lambda: Plan(()))
    results: list[Result] = field(default_factory=list)
    undelivered: list[outbox.Undelivered] = field(default_factory=list)

    def applied(self) -> Applied:
        return Applied(self.head, self.plan.digest, tuple(self.results), self.plan.findings, tuple(self.undelivered))

    def carry_out(self, digest: str | None, allow: frozenset[str]) -> None:
        """Everything, in order. Raises Stopped between two things, or in the middle of one that only reads."""
        sight, reconciler, head = self.sight, self.hand.reconciler, self.head
        known = reconciler.clock()
        if at_rest(sight.book, head):
            return
        applied, names = sight.book.run().get("commit"), sight.book.load_open()
        _refuse_a_rewritten_branch(sight.repository, applied, head, allow)
        _refuse_an_emptied_tree(sight, head, names, allow)

        reconciler.take_over(names)
        self.results += reconciler.observe(names, known)
        links.close(names, sight.book)
        self._look_at_tickets(names)
        decision = self._decided(
            lambda: decide(sight, head, *desired(sight, _present(sight.repository, applied), head, names))
        )
        self.plan = decision.plan
        if "mass-cancel" not in allow:
            decision.plan.refuse_if_it_ends_too_much(sight.desk.config.limits.max_cancellations)
        decision.plan.refuse_if_other(digest)
        self._adopt(decision, known)
        self._carry_out(decision)
        self._succeed(decision, known)
        standing = sight.book.load_open()
        links.close(standing, sight.book)
        self.undelivered += outbox.deliver(
            standing,
            sight.book,
            self.hand.counter,
            turn=outbox.Turn(reconciler.owner, reconciler.lease, reconciler.clock, reconciler.stopping),
        )
        self._unless_stopping()
        if applied != head:
            sight.book.write_run("applied", commit=head)
            sight.book.push()

    def _adopt(self, decision: Decision, known: datetime) -> None:
        """Take over what was imported, and read at once what has become of it."""
        imported = [change for change in decision.plan.changes if change.adopts]
        if imported:
            reconciler = self.hand.reconciler
            self.results += reconciler.adopt(imported, decision.files, self.head)
            adopted = [one.name for one in self.results if one.action == "adopt" and one.outcome == "applied"]
            reconciler.observe(adopted, known)

    def _look_at_tickets(self, names: AbstractSet[str]) -> None:
        """Whether they still carry what was linked to them; what turned is recorded, and told."""
        sight = self.sight
        for turned in links.look(names, sight.book, sight.tickets, self.hand.reconciler.stopping):
            stands = sight.book[turned.name]
            where = (stands.state, stands.remote_id) if stands else ("", "")
            outcome: Literal["followed", "failed"] = "followed" if turned.read else "failed"
            self.results.append(Result(turned.name, "follow", where[0], outcome, where[1], turned.why))

    def _succeed(self, decision: Decision, known: datetime) -> None:
        """Send the successors of requests that were ended to be replaced: as soon as the end is seen, which is often at
        once.
        """
        sight = self.sight
        replaced = [name for name, stands in sight.book.standings(decision.files).items() if stands.replaced]
        self.results += self.hand.reconciler.observe(replaced, known)
        links.close(replaced, sight.book)
        ended = {name: decision.files[name] for name, stands in sight.book.standings(replaced).items() if stands.ended}
        self._carry_out(self._decided(lambda: decide(sight, self.head, ended)))

    def _carry_out(self, decision: Decision) -> None:
        self.results += _carry_out(self.sight, self.hand.reconciler, decision, self.head)
        self._unless_stopping()

    def _decided(self, deciding: Callable[[], Decision]) -> Decision:
        """Tickets are read, which may take long, and can be left at any moment."""
        return unless_stopped(deciding, stopping=self.hand.reconciler.stopping)

    def _unless_stopping(self) -> None:
        if self.hand.reconciler.stopping():
            raise Stopped


def _carry_out(sight: Sight, reconciler: Reconciler, decision: Decision, head: str) -> list[Result]:
    """Record what is held back, and carry out the rest."""

    def gone_by(changes: Sequence[Change]) -> dict[str, tuple[Finding, ...]]:
        """Those of a batch whose tickets are not what they were when they were judged."""
        names = {change.name for change in changes if change.action == "create"}
        return since_judged(sight, [one for one in passing if one.change.name in names])

    held = [_held(reconciler, one, head) for one in decision.held]
    withheld = [
        _withheld(reconciler, one, decision.files[one.change.name], head)
        for one in decision.judgements
        if not one.passes
    ]
    passing = [one for one in decision.judgements if one.passes and one.change.action != "none"]
    policies = sight.desk.policies
    told = {"policies": policies.digest, "rules": sorted(rule.policy.id for rule in policies.policies)}
    leave = {one.change.name: _leave(one, told) for one in passing}
    unsettled = reconciler.unsettled(decision.plan.changes)
    carried = reconciler.carry_out([one.change for one in passing], decision.files, leave, head, gone_by)
    return [*carried, *withheld, *held, *unsettled]


def _leave(judgement: Judgement, judged_by: Mapping[str, Any]) -> Leave:
    record = judgement.verdict.record
    warnings = [{"rule": finding.rule, "message": finding.message} for finding in judgement.noted]
    return Leave(record.link(judgement.verdict.system) if record else None, {**judged_by, "warnings": warnings})


def _held(reconciler: Reconciler, held: Held, head: str) -> Result:
    if held.name:  # a file without a name has no place in the ledger; it is told while it changes
        reconciler.withhold(held.name, held.path, "", "refused", held.findings, head)
    return Result(
        held.name or held.path, "none", "refused", "refused", "", _words(held.findings), _rules(held.findings)
    )


def _withheld(reconciler: Reconciler, judgement: Judgement, wanted: RequestFile, head: str) -> Result:
    event: Literal["refused", "deferred"] = "refused" if judgement.refused else "deferred"
    findings = judgement.refused or judgement.deferred
    reconciler.withhold(wanted.name, wanted.path, wanted.request.revision, event, findings, head)
    return Result(wanted.name, judgement.change.action, event, event, "", _words(findings), _rules(findings))


def _words(findings: Sequence[Finding]) -> str:
    return "; ".join(finding.message for finding in findings)


def _rules(findings: Sequence[Finding]) -> frozenset[str]:
    return frozenset(finding.rule for finding in findings)


# Guards


def _refuse_a_rewritten_branch(repository: Repository, applied: str | None, head: str, allow: frozenset[str]) -> None:
    if applied is None or "rewritten-branch" in allow:
        return
    if _present(repository, applied) is None or not repository.is_ancestor(applied, head):
        raise UnsafeError(
            f"the branch does not contain {applied[:12]}, the commit that was applied last",
            hint="somebody rewrote it; if that is meant, a person may run it with --allow rewritten-branch",
            guard="rewritten-branch",
        )


def _refuse_an_emptied_tree(sight: Sight, head: str, names: AbstractSet[str], allow: frozenset[str]) -> None:
    standing = [stands for stands in sight.book.standings(names).values() if stands.holds and not stands.removed]
    if not standing or "empty" in allow:
        return
    if all(passed_over(blob.path) for blob in sight.repository.blobs(head, REQUESTS)):
        raise UnsafeError(
            f"{REQUESTS}/ is empty: access that {len(standing)} requests hold would be ended",
            hint="if that is meant, a person may run it with --allow empty",
            guard="empty",
        )


def _present(repository: Repository, commit: str | None) -> str | None:
    """The commit, where this clone has it; a rewritten branch may have left it behind."""
    return commit if commit and repository.run("cat-file", "-e", f"{commit}^{{commit}}").succeeded else None
