"""The flows: check, render, plan, apply, status. Each reads like a table of contents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from pmgitops import judging
from pmgitops.errors import UnsafeError, UsageError
from pmgitops.judging import Desk, Judged
from pmgitops.ledger.book import Book
from pmgitops.ledger.standing import Standing
from pmgitops.load import RequestFile, name_of, passed_over, unique
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.plan import Desired, Held, Plan, make
from pmgitops.reconcile import Reconciler, Result
from pmgitops.settings import Config
from pmgitops.source import Blob, Repository, WorkTree
from pmgitops.targets import TARGETS
from pmgitops.tickets import gate, outbox
from pmgitops.tickets.interface import TicketReader, TicketWriter

REQUESTS = "requests"
POLICED = ("policies", "pmgitops.yaml", ".github", "locks")
"""What a pull request may not change together with requests: nobody changes the rules for their own request."""


# Check


@dataclass(frozen=True, slots=True)
class Checked:
    """How many requests were judged, and what was found."""

    requests: int
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as `check` prints it."""
        return {"requests": self.requests, "findings": [finding.as_json() for finding in self.findings]}


def check(tree: WorkTree, paths: Sequence[str], desk: Desk, *, workers: int = 1) -> Checked:
    """Judge the requests in a folder on disk, by the rules beside them."""
    blobs = sorted({blob for path in paths for blob in tree.blobs(path)})
    judged = judging.judge_all(tree, blobs, desk, workers=workers)
    return _checked(judged, desk, unique(blob.path for blob in blobs))


def check_change(repository: Repository, base: str, head: str, desk: Desk, *, workers: int = 1) -> Checked:
    """Judge what a pull request brings, by the rules of its base. The cost follows what changed."""
    fork = repository.merge_base(base, head) or base
    blobs = [change.new for change in repository.changes(fork, head, REQUESTS) if change.new]
    judged = judging.judge_all(repository, blobs, desk, workers=workers)
    added = [change.path for change in repository.changes(fork, head, REQUESTS) if change.status == "A"]
    return _checked(judged, desk, [*_namesakes(repository, head, added), *_mixed(repository, fork, head)])


def _checked(judged: Judged, desk: Desk, more: Iterable[Finding]) -> Checked:
    return Checked(judged.requests, tuple(sorted({*desk.findings(), *judged.findings, *more})))


def _namesakes(repository: Repository, head: str, paths: Sequence[str]) -> list[Finding]:
    """Findings on added files whose name another file at `head` has already."""
    added = {path for path in paths if not passed_over(path)}
    same = repository.namesakes(head, {PurePosixPath(path).name for path in added}, REQUESTS)
    return [found for found in unique(path for group in same.values() for path in group) if found.path in added]


def _mixed(repository: Repository, fork: str, head: str) -> list[Finding]:
    touched = repository.touched(fork, head)
    policed = sorted(touched & set(POLICED))
    if REQUESTS not in touched or not policed:
        return []
    message = (
        f"changes {', '.join(policed)} together with {REQUESTS}; rules and requests go into pull requests of their own"
    )
    return [Finding(policed[0], 1, 1, "mixed-change", message)]


# Render


def render(tree: WorkTree, paths: Sequence[str], config: Config) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The body of each request, for the target that its route names, and what is wrong with the files that are none."""
    rendered: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for _, loaded in judging.load_all(tree, sorted({blob for path in paths for blob in tree.blobs(path)})):
        if isinstance(loaded, list):
            findings += loaded
            continue
        target = config.target_of(loaded.request.kind)
        if target is None:
            findings.append(_at(loaded, ("kind",), "target", f"no route takes {loaded.request.kind}", "error"))
        else:
            rendered.append({"name": loaded.name, "target": target, "payload": TARGETS[target].render(loaded.request)})
    return rendered, findings


# Plan


@dataclass(frozen=True, slots=True)
class Judgement:
    """A change together with what policies and the ticket gate say of it."""

    change: Change
    refused: tuple[Finding, ...] = ()
    deferred: tuple[Finding, ...] = ()
    noted: tuple[Finding, ...] = ()
    verdict: gate.Verdict = field(default_factory=lambda: gate.Verdict("off"))

    @property
    def passes(self) -> bool:
        """Whether the change may be carried out now."""
        return not self.refused and not self.deferred

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found, what stops it first."""
        return (*self.refused, *self.deferred, *self.noted)


@dataclass(frozen=True, slots=True)
class Sight:
    """What deciding may look at: git, the ledger as last fetched, the rules, and tickets where they may be read."""

    repository: Repository
    book: Book
    desk: Desk
    tickets: Mapping[str, TicketReader] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan, with the judgement and the file behind each of its changes."""

    plan: Plan
    judgements: tuple[Judgement, ...]
    files: Mapping[str, RequestFile]
    held: tuple[Held, ...] = ()


def plan(sight: Sight, base: str | None, head: str) -> Decision:
    """What merging `head` into `base` will do; without a base, what `apply` would do at `head` now. Reads only."""
    if base is None:
        applied, names = sight.book.run().get("commit"), sight.book.load_open()
    else:
        applied, names = sight.repository.merge_base(base, head) or base, frozenset()
    return _decide(sight, *_desired(sight, applied, head, names))


def _desired(
    sight: Sight, applied: str | None, head: str, names: Iterable[str]
) -> tuple[dict[str, Desired], list[Held]]:
    """What git wants at `head` under `names` and whatever changed since `applied`; and the files that have no name."""
    changes = sight.repository.changes(applied, head, REQUESTS)
    gone = {name for change in changes if change.status == "D" and (name := name_of(change.path))}
    blobs = {change.new for change in changes if change.new} | _standing_blobs(sight, head, names)
    clashes = _namesakes(sight.repository, head, [change.path for change in changes if change.status == "A"])
    desired: dict[str, Desired] = dict.fromkeys([*gone, *names])
    strays: list[Held] = []
    for blob, loaded in judging.load_all(sight.repository, sorted(blobs)):
        found = [clash for clash in clashes if clash.path == blob.path] or loaded
        name = name_of(blob.path)
        if isinstance(found, RequestFile):
            desired[found.name] = found
        elif name:
            desired[name] = Held(name, blob.path, tuple(found))
        elif found:
            strays.append(Held("", blob.path, tuple(found)))
    return desired, strays


def _standing_blobs(sight: Sight, head: str, names: Iterable[str]) -> set[Blob]:
    """The files of open requests. Where one is not at its path any more, it may have moved before this run."""
    paths = {name: stands.path for name, stands in sight.book.standings(names).items()}
    found = sight.repository.located(head, paths.values())
    missing = {f"{name}.yaml" for name, path in paths.items() if path not in found}
    moved = [path for same in sight.repository.namesakes(head, missing, REQUESTS).values() for path in same]
    return {*found.values(), *sight.repository.located(head, moved).values()}


def _decide(sight: Sight, desired: Mapping[str, Desired], strays: Sequence[Held] = ()) -> Decision:
    standing = sight.book.standings([*desired, *sight.book.load_open()])
    changes, unfit = make(desired, desired, standing, sight.desk.render)
    held = (*unfit, *strays)
    files = {name: wanted for name, wanted in desired.items() if isinstance(wanted, RequestFile)}
    judgements = tuple(_judge(sight, change, files.get(change.name)) for change in changes)
    read = {j.change.name: j.verdict.record.digest for j in judgements if j.verdict.record}
    told = [finding for judgement in judgements for finding in judgement.findings]
    wrong = [finding for one in held for finding in one.findings]
    findings = (*sight.desk.findings(), *wrong, *told)
    return Decision(Plan(changes, findings, sight.desk.policies.digest, read), judgements, files, held)


def _judge(sight: Sight, change: Change, wanted: RequestFile | None) -> Judgement:
    """Policies and the ticket gate, with the facts of this moment. Ending access needs nobody's leave."""
    if change.action not in {"create", "replace"} or wanted is None:
        return Judgement(change)
    unsafe = tuple(replace(finding, severity="approval") for finding in sight.desk.findings() if finding.blocks)
    if unsafe:  # rules that are broken themselves let nothing new pass
        return Judgement(change, deferred=unsafe)
    verdict = gate.judge(wanted.request.ticket_info, sight.desk.config, sight.tickets)
    found = sight.desk.judge(wanted, change=change, ticket=verdict.record)
    at_ticket = partial(_at, wanted, ("ticketInfo", "ticketNumber"))
    reasons = tuple(at_ticket("ticket", reason, "warning" if verdict.warns else "error") for reason in verdict.reasons)
    refused = [finding for finding in found if finding.severity == "error"]
    deferred = [finding for finding in found if finding.severity == "approval"]
    noted = [finding for finding in found if finding.severity == "warning"]
    if verdict.warns:
        noted += reasons
    elif verdict.outcome == "refused":
        refused += reasons
    elif verdict.outcome == "deferred":
        deferred += [replace(reason, severity="approval") for reason in reasons]
    return Judgement(change, tuple(refused), tuple(deferred), tuple(noted), verdict)


def _at(wanted: RequestFile, place: tuple[str, ...], rule: str, message: str, severity: Any) -> Finding:
    return Finding(wanted.path, *wanted.at(place), rule, message, severity)


# Apply


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
    decision = _decide(sight, *_desired(sight, _present(sight.repository, applied), head, names))
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
    return [*followed, *_carry_out(hand.reconciler, _decide(sight, ended), head)]


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


# Status


def status(book: Book, names: Sequence[str], everything: Iterable[str]) -> list[Standing]:
    """Where requests stand: those named, or all of them."""
    chosen = names or sorted(everything)
    unknown = [name for name in names if book[name] is None]
    if unknown:
        raise UsageError(f"the ledger knows no request {', '.join(unknown)}", hint="pmgitops status lists them all")
    return list(book.standings(chosen).values())
