"""Bring the targets to what git wants, once, and tell the tickets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Literal

from pmgitops.errors import UnsafeError
from pmgitops.flows import REQUESTS
from pmgitops.flows.plan import Decision, Judgement, Sight, decide, desired
from pmgitops.load import RequestFile, passed_over
from pmgitops.model.finding import Finding
from pmgitops.plan import Held, Plan
from pmgitops.reconcile import Reconciler, Result
from pmgitops.source import Repository
from pmgitops.tickets import outbox
from pmgitops.tickets.interface import TicketWriter


@dataclass(frozen=True, slots=True)
class Applied:
    """What one run of `apply` came to."""

    commit: str
    digest: str
    results: tuple[Result, ...]
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
    tickets: Mapping[str, TicketWriter] = field(default_factory=dict)


def apply(
    sight: Sight, hand: Hand, head: str, *, digest: str | None = None, allow: frozenset[str] = frozenset()
) -> Applied:
    """Bring the targets to what git wants at `head`, once, and tell the tickets."""
    book, reconciler = sight.book, hand.reconciler
    applied = book.run().get("commit")
    names = book.load_open()
    if applied == head and not names:
        return Applied(head, Plan(()).digest, ())
    _refuse_a_rewritten_branch(sight.repository, applied, head, allow)
    _refuse_an_emptied_tree(sight, head, names, allow)

    reconciler.take_over(names)
    followed = reconciler.observe(names)
    decision = decide(sight, *desired(sight, _present(sight.repository, applied), head, names))
    if "mass-cancel" not in allow:
        decision.plan.refuse_if_it_ends_too_much(sight.desk.config.limits.max_cancellations)
    decision.plan.refuse_if_other(digest)
    results = [*followed, *_carry_out(hand.reconciler, decision, head)]

    results += _succeed(sight, hand, decision, head)
    if reconciler.stopping():
        return Applied(head, decision.plan.digest, tuple(results), decision.plan.findings, interrupted=True)
    undelivered = outbox.deliver(book.load_open(), book, hand.tickets)
    if applied != head:
        book.write_run("applied", commit=head)
        book.push()
    return Applied(head, decision.plan.digest, tuple(results), decision.plan.findings, tuple(undelivered))


def _succeed(sight: Sight, hand: Hand, decision: Decision, head: str) -> list[Result]:
    """Send the successors of requests that were ended to be replaced: as soon as the end is seen, which is often at
    once.
    """
    replaced = [name for name, stands in sight.book.standings(decision.files).items() if stands.replaced]
    followed = hand.reconciler.observe(replaced)
    ended = {name: decision.files[name] for name, stands in sight.book.standings(replaced).items() if stands.ended}
    return [*followed, *_carry_out(hand.reconciler, decide(sight, ended), head)]


def _carry_out(reconciler: Reconciler, decision: Decision, head: str) -> list[Result]:
    """Record what is held back, and carry out the rest."""
    held = [_held(reconciler, one, head) for one in decision.held]
    withheld = [
        _withheld(reconciler, one, decision.files[one.change.name], head)
        for one in decision.judgements
        if not one.passes
    ]
    passing = [one for one in decision.judgements if one.passes and one.change.action != "none"]
    links = {one.change.name: one.verdict.record.link(one.verdict.system) for one in passing if one.verdict.record}
    carried = reconciler.carry_out([one.change for one in passing], decision.files, links, head)
    return [*carried, *withheld, *held]


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
