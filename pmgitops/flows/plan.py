"""What merging will do, or what `apply` would do now: the plan, with what policies and the ticket gate say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pmgitops import judging
from pmgitops.flows import REQUESTS
from pmgitops.judging import Desk
from pmgitops.ledger.book import Book
from pmgitops.load import RequestFile, name_of
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding, Severity
from pmgitops.plan import Desired, Held, Plan, make
from pmgitops.source import Blob, Repository
from pmgitops.tickets import gate
from pmgitops.tickets.interface import TicketReader


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
    return decide(sight, *desired(sight, applied, head, names))


def desired(
    sight: Sight, applied: str | None, head: str, names: Iterable[str]
) -> tuple[dict[str, Desired], list[Held]]:
    """What git wants at `head` under `names` and whatever changed since `applied`; and the files that have no name."""
    changes = sight.repository.changes(applied, head, REQUESTS)
    gone = {name for change in changes if change.status == "D" and (name := name_of(change.path))}
    blobs = {change.new for change in changes if change.new} | _standing_blobs(sight, head, names)
    clashes = judging.namesakes(sight.repository, head, REQUESTS, changes)
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


def decide(sight: Sight, desired: Mapping[str, Desired], strays: Sequence[Held] = ()) -> Decision:
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
    severity: Severity = "warning" if verdict.warns else "approval" if verdict.outcome == "deferred" else "error"
    at = ("ticketInfo", "ticketNumber")
    found = [
        *sight.desk.judge(wanted, change=change, ticket=verdict.record),
        *(wanted.finding(at, "ticket", reason, severity) for reason in verdict.reasons),
    ]
    refused, deferred, noted = (
        tuple(finding for finding in found if finding.severity == severity)
        for severity in ("error", "approval", "warning")
    )
    return Judgement(change, refused, deferred, noted, verdict)
