"""Tickets as pmgitops sees them: with what the gate says, against the ledger, and what an instance lets it do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from pmgitops import judging
from pmgitops.document import MAX_SIZE
from pmgitops.errors import UsageError
from pmgitops.flows import REQUESTS
from pmgitops.flows.plan import Sight
from pmgitops.ledger.book import Book
from pmgitops.ledger.standing import Standing
from pmgitops.load import RequestFile, name_of
from pmgitops.model.finding import Finding
from pmgitops.model.request import Ticket
from pmgitops.model.ticket import TicketRecord
from pmgitops.settings import Config, TicketSystem
from pmgitops.source import WorkTree
from pmgitops.tickets import gate, inquiry
from pmgitops.tickets.probe import Check, Probed
from pmgitops.tickets.probe import probe as probe_one
from pmgitops.tickets.verify import Held, Verifier
from pmgitops.tickets.verify import verify as verify_one

# show


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate says of one request; without `name` and `path`, of any that says no more than the number."""

    name: str
    path: str
    verdict: gate.Verdict
    findings: tuple[Finding, ...] = ()
    """What is wrong with the file: then there is no verdict on it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A ticket as pmgitops sees it."""

    number: str
    system: str
    record: TicketRecord | None
    judged: tuple[Judged, ...]
    carries: tuple[Standing, ...] = ()
    """Every request that it has carried, as the ledger has it."""


def show(sight: Sight, tree: WorkTree, number: str, *, system: str = "", request: str = "") -> Shown:
    """Look a ticket up and judge the requests on disk that name it, or one that is chosen as if it did.

    UsageError where the number, the system or the request is none.
    """
    name = _system(sight.desk.config, system)
    ticket = _ticket(number, name)
    files, broken = _files(tree, number, request)
    meant = [file for file in files if request or _names(file, ticket)]
    claims = _claims(sight, meant, ticket) or {"": gate.Claim(ticket)}
    seen = inquiry.look_up([gate.Claim(ticket), *claims.values()], sight.desk.config, sight.tickets)
    found = seen.get(inquiry.key_of(gate.Claim(ticket)), gate.Seen())
    record = found.records[0] if len(found.records) == 1 else None
    carries = _carries(sight, record)
    found = replace(found, carries=carries)
    judged = [_judged(sight.desk.config, path, claim, found) for path, claim in claims.items()]
    standings = sight.book.standings(sorted(carries)).values()
    return Shown(number, name, record, (*judged, *broken), tuple(standings))


def _carries(sight: Sight, record: TicketRecord | None) -> frozenset[str]:
    """The requests that a ticket has carried."""
    if record is None or not record.sys_id:
        return frozenset()
    return sight.book.carried([record.sys_id]).get(record.sys_id, frozenset())


def _system(config: Config, wanted: str) -> str:
    """The ticket system that is meant: the one that is named, or the only one."""
    names = [name for name, system in config.tickets.items() if system.contacted]
    chosen = [name for name in names if name.casefold() == wanted.casefold()] if wanted else names
    if len(chosen) == 1:
        return chosen[0]
    hint = f"--system is one of {', '.join(names)}" if names else "pmgitops.yaml has none whose gate is not off"
    raise UsageError(f"there is no ticket system {wanted!r}" if wanted else "which ticket system?", hint=hint)


def _ticket(number: str, system: str) -> Ticket:
    try:
        return Ticket(ticket_number=number, ticket_system=system)
    except ValidationError:
        raise UsageError(f"{number!r} is not a ticket number", hint="it looks like INC1234567") from None


def _files(tree: WorkTree, number: str, request: str) -> tuple[list[RequestFile], list[Judged]]:
    """The request that is meant, by its name or path, or all that may name the ticket; and those that are broken."""
    blobs = list(tree.blobs(REQUESTS))
    if request:
        blobs = [blob for blob in blobs if request in {blob.path, name_of(blob.path)}]
        if not blobs:
            raise UsageError(f"there is no request {request}", hint=f"give its name, or its path under {REQUESTS}/")
    else:
        blobs = [blob for blob, data in tree.contents(blobs, MAX_SIZE) if number.encode() in (data or b"")]
    files: list[RequestFile] = []
    broken: list[Judged] = []
    for blob, loaded in judging.load_all(tree, blobs):
        if isinstance(loaded, RequestFile):
            files.append(loaded)
        elif loaded:
            broken.append(Judged(name_of(blob.path) or "", blob.path, gate.Verdict("off"), tuple(loaded)))
    return files, broken


def _names(file: RequestFile, ticket: Ticket) -> bool:
    """Whether a request names this ticket."""
    named = file.request.ticket_info
    return named is not None and (named.ticket_number, named.ticket_system.casefold()) == (
        ticket.ticket_number,
        ticket.ticket_system.casefold(),
    )


def _claims(sight: Sight, files: Sequence[RequestFile], ticket: Ticket) -> dict[str, gate.Claim]:
    """By path, what the requests claim, as if they named this ticket; who wrote what is not committed is not known."""
    head = sight.repository.commit("HEAD")
    committed = sight.repository.located(head, [file.path for file in files])
    authors = sight.repository.authors(head, committed.values())
    claims = {file.path: gate.Claim.of(file, sight.desk.now, authors.get(file.path, "")) for file in files}
    named = {"ticket_number": ticket.ticket_number, "ticket_system": ticket.ticket_system}
    return {
        path: replace(claim, ticket=(claim.ticket or ticket).model_copy(update=named)) for path, claim in claims.items()
    }


def _judged(config: Config, path: str, claim: gate.Claim, seen: gate.Seen) -> Judged:
    verdict = gate.judge(claim, config, seen)
    problem = gate.offline(claim.ticket, config, claim.kind)
    if problem and not verdict.reasons:
        verdict = replace(verdict, reasons=(problem.message,))
    return Judged(claim.name, path, verdict)


# verify


@dataclass(frozen=True, slots=True)
class Verified:
    """The ledger held against the tickets of one request."""

    name: str
    held: tuple[Held, ...]


def verify(config: Config, book: Book, instances: Mapping[str, Verifier], name: str) -> Verified:
    """Hold everything that the ledger says of a request's tickets against them. UsageError where it knows none."""
    stands = book[name]
    if stands is None:
        raise UsageError(f"the ledger knows no request {name}", hint="pmgitops status lists them all")
    approved = {system: settings.approval for system, settings in _folded(config).items()}
    return Verified(name, tuple(verify_one(stands, book.histories([name])[name], instances, approved)))


def _folded(config: Config) -> dict[str, TicketSystem]:
    return {name.casefold(): system for name, system in config.tickets.items()}


# probe


@dataclass(frozen=True, slots=True)
class Probing:
    """What was tried at one instance."""

    system: str
    instance: str
    checks: tuple[Check, ...]


def probe(config: Config, instances: Mapping[str, Probed], system: str = "", ticket: str = "") -> list[Probing]:
    """Try everything that pmgitops needs, at every instance or at one. UsageError where there is none."""
    probed = []
    for name in [_system(config, system)] if system or ticket else _contacted(config):
        instance = instances[name.casefold()]
        probed.append(Probing(name, instance.instance, tuple(probe_one(config.tickets[name], instance, ticket))))
    return probed


def _contacted(config: Config) -> Iterable[str]:
    names = [name for name, system in config.tickets.items() if system.contacted]
    return names or [_system(config, "")]
