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
from pmgitops.model.ticket import TicketRecord
from pmgitops.plan import Desired, Held, Plan, make
from pmgitops.source import Blob, Repository
from pmgitops.tickets import gate, inquiry, links
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
    return decide(sight, head, *desired(sight, applied, head, names))


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


def decide(sight: Sight, head: str, desired: Mapping[str, Desired], strays: Sequence[Held] = ()) -> Decision:
    """The plan for what is desired at `head`, with what policies and the ticket gate say of each change."""
    standing = sight.book.standings([*desired, *sight.book.load_open()])
    forsaken = links.forsaken(standing.values(), sight.desk.config)
    changes, unfit = make(desired, desired, standing, sight.desk.render, forsaken)
    held = (*unfit, *strays)
    files = {name: wanted for name, wanted in desired.items() if isinstance(wanted, RequestFile)}
    cases = _cases(sight, head, changes, files)
    judgements = _judge_all(sight, cases)
    read = {j.change.name: j.verdict.record.digest for j in judgements if j.verdict.record}
    told = [finding for judgement in judgements for finding in judgement.findings]
    wrong = [finding for one in held for finding in one.findings]
    findings = (*sight.desk.findings(), *wrong, *told)
    plan = Plan(tuple(judgement.change for judgement in judgements), findings, sight.desk.policies.digest, read)
    return Decision(plan, judgements, files, held)


@dataclass(frozen=True, slots=True)
class _Case:
    """A change, and where it brings new access its file, and what it claims of its ticket."""

    change: Change
    wanted: RequestFile | None = None
    claim: gate.Claim = field(default_factory=lambda: gate.Claim(None))


def _cases(sight: Sight, head: str, changes: Sequence[Change], files: Mapping[str, RequestFile]) -> list[_Case]:
    """What is to be judged. Ending access needs nobody's leave."""
    bringing = {change.path for change in changes if change.action in {"create", "replace"} and change.name in files}
    authors = sight.repository.authors(head, sight.repository.located(head, bringing).values())
    cases = []
    for change in changes:
        if change.path not in bringing:
            cases.append(_Case(change))
            continue
        wanted, author = files[change.name], authors.get(change.path, "")
        claim = gate.Claim.of(wanted, sight.desk.now, author)
        cases.append(_Case(replace(change, author=author), wanted, claim))
    return cases


def _judge_all(sight: Sight, cases: Sequence[_Case]) -> tuple[Judgement, ...]:
    """Each by policies and the ticket gate, with the facts of this moment."""
    unsafe = tuple(replace(finding, severity="approval") for finding in sight.desk.findings() if finding.blocks)
    if unsafe:  # rules that are broken themselves let nothing new pass
        return tuple(Judgement(case.change, deferred=unsafe if case.wanted else ()) for case in cases)
    config = sight.desk.config
    seen = inquiry.look_up([case.claim for case in cases], config, sight.tickets)
    carried = _carried(sight, seen.values())
    judgements = []
    for case in cases:
        tickets = seen.get(inquiry.key_of(case.claim), gate.Seen())
        sys_id = tickets.records[0].sys_id if tickets.records else ""
        verdict = gate.judge(case.claim, config, replace(tickets, carries=carried.get(sys_id, frozenset())))
        judgement = _judged(sight, case, verdict)
        judgements.append(judgement)
        if sys_id and judgement.passes:  # the next one of this run finds the ticket taken
            carried[sys_id] = carried.get(sys_id, frozenset()) | {case.change.name}
    return tuple(judgements)


def _carried(sight: Sight, seen: Iterable[gate.Seen]) -> dict[str, frozenset[str]]:
    """What the tickets that were found have carried so far, where one carries one request only."""
    if all(system.exclusive == "off" for system in sight.desk.config.tickets.values()):
        return {}
    return sight.book.carried({record.sys_id for one in seen for record in one.records})


def _judged(sight: Sight, case: _Case, verdict: gate.Verdict) -> Judgement:
    wanted = case.wanted
    if wanted is None:
        return Judgement(case.change)
    at = ("ticketInfo", "ticketNumber")
    held = links.held_by(sight.book[case.change.name], wanted.request.ticket_info, sight.desk.config)
    if held:
        return Judgement(case.change, deferred=(wanted.finding(at, "ticket", held, "approval"),))
    severity: Severity = "warning" if verdict.warns else "approval" if verdict.outcome == "deferred" else "error"
    found = [
        *sight.desk.judge(wanted, change=case.change, ticket=verdict.record),
        *(wanted.finding(at, "ticket", reason, severity) for reason in verdict.reasons),
    ]
    refused, deferred, noted = (
        tuple(finding for finding in found if finding.severity == severity)
        for severity in ("error", "approval", "warning")
    )
    return Judgement(case.change, refused, deferred, noted, verdict)


def since_judged(sight: Sight, judgements: Sequence[Judgement]) -> dict[str, tuple[Finding, ...]]:
    """By name, those whose ticket is not any more what it was when it was judged: they are not sent on it."""
    read: dict[str, dict[str, TicketRecord]] = {}
    for judgement in judgements:
        verdict = judgement.verdict
        if verdict.record and not verdict.warns:
            read.setdefault(verdict.system.casefold(), {})[judgement.change.name] = verdict.record
    paths = {judgement.change.name: judgement.change.path for judgement in judgements}
    return {
        name: (Finding(paths[name], 1, 1, "ticket", why, "approval"),)
        for system, records in read.items()
        for name, why in inquiry.changed(records, sight.desk.config, system, sight.tickets).items()
    }
