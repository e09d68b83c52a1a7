"""
The set of policies: loaded from bytes, with every mistake as a finding at its place, and judging requests.

One broken policy makes the bundle unsafe, for what cannot be judged is refused. Findings of this module, by rule:

* policy        an expression, a message or an id that is wrong
* policy-data   data.yaml speaks of something that is not there
* policy-cases  a rule without an example that it lets pass, or without one that it refuses
* policy-file   neither a policy (`*.yaml`), nor the template of a note, nor passed over; or no policy at all
* policy-template  the template of a note that will not do; the built-in one stands in for it
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import rfc8785

from pmgitops.document import MAX_SIZE, Document, Position, parse, validate
from pmgitops.errors import UnsafeError
from pmgitops.load import RequestFile, passed_over
from pmgitops.model.change import Change
from pmgitops.model.finding import GUARDS, Finding, Severity
from pmgitops.model.problem import nearest
from pmgitops.model.request import AnyRequest
from pmgitops.model.scalars import instant_text
from pmgitops.model.ticket import TicketRecord
from pmgitops.policy import notes
from pmgitops.policy.declared import plain
from pmgitops.policy.engine import Absent, Engine, Failed, Fault, Outcome, Situation, Tables
from pmgitops.policy.facts import (
    AWAITED,
    NO_CATALOG,
    VARIABLES,
    CatalogFacts,
    ChangeFacts,
    TicketFacts,
    change_facts,
    request_facts,
    ticket_facts,
)
from pmgitops.policy.form import DATA, POLICY, Data, Policy
from pmgitops.policy.message import Message, clean
from pmgitops.policy.places import within
from pmgitops.policy.tables import Names, Windows

if TYPE_CHECKING:
    from pmgitops.catalog.snapshot import Catalog

__all__ = ["MAX_SIZE", "Bundle", "Rule", "circumstances", "known", "load", "shown", "tables", "told"]

DATA_FILE = "data.yaml"

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy, ready to judge."""

    policy: Policy
    path: str
    document: Document
    applies: Any
    require: Any
    where: Any
    message: Message

    def judge(self, situation: Situation) -> Outcome:
        """True where the rule is kept or is about something else."""
        if self.applies is not None:
            applies = situation.judge(self.applies)
            if applies is not True:
                return True if applies is False else applies
        return situation.judge(self.require)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The policies and what they look up. With findings it is unsafe, and judges nothing."""

    policies: tuple[Rule, ...]
    data: Data
    findings: tuple[Finding, ...]
    engine: Engine = field(repr=False)
    context: Mapping[str, Any] = field(repr=False)
    """What messages know besides the facts: `data`."""
    templates: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The templates of notes, by what they are for."""
    kept: Any = field(default=None, repr=False)
    """All rules as one question, which nearly every request answers with yes; None where they are too many for one."""

    @property
    def digest(self) -> str:
        """SHA-256 over what decides: the rules without their cases, in the order of their ids, and the data."""
        rules = sorted((rule.policy.rule() for rule in self.policies), key=lambda rule: str(rule["id"]))
        content: Any = {"policies": rules, "data": self.data.model_dump(mode="json", by_alias=True, exclude_none=True)}
        return hashlib.sha256(rfc8785.dumps(content)).hexdigest()

    def judge(
        self,
        file: RequestFile,
        *,
        now: datetime,
        change: Change | ChangeFacts | None = None,
        ticket: TicketRecord | TicketFacts | None = None,
        catalog: CatalogFacts = NO_CATALOG,
        known: Catalog | None = None,
    ) -> list[Finding]:
        """What the policies say of a request at `now`. Facts that are None are not known yet: their rules wait.

        `known`: the snapshot itself, by which wildcards become actions; `catalog`: what it says of this request.
        """
        self._refuse_unsafe()
        change = change_facts(change) if isinstance(change, Change) else change
        ticket = ticket_facts(ticket) if isinstance(ticket, TicketRecord) else ticket
        facts = circumstances(file.name, file.request, now, change, ticket, catalog, known)
        return self._judged(file, now, facts, self.engine.situation(facts))

    def judge_many(
        self,
        files: Sequence[RequestFile],
        *,
        now: datetime,
        catalogs: Iterable[CatalogFacts] = repeat(NO_CATALOG),
        known: Catalog | None = None,
    ) -> list[Finding]:
        """What the policies say of requests about which nothing else is known but the catalog.

        Step by step, each for all of them: a processor that repeats itself is a tenth faster than one that switches.
        """
        self._refuse_unsafe()
        facts = [
            circumstances(file.name, file.request, now, None, None, catalog, known)
            for file, catalog in zip(files, catalogs, strict=False)
        ]
        situations = self.engine.situations(facts)
        return [found for each in zip(files, repeat(now), facts, situations) for found in self._judged(*each)]

    def _refuse_unsafe(self) -> None:
        if self.findings:
            raise UnsafeError(
                f"{len(self.findings)} mistakes in the policies; nothing is judged before they are mended",
                hint=f"the first: {self.findings[0].path}:{self.findings[0].line}: {self.findings[0].message}",
            )

    def _judged(
        self, file: RequestFile, now: datetime, facts: Mapping[str, Any], situation: Situation
    ) -> list[Finding]:
        if self.kept is not None and situation.judge(self.kept) is True:
            return []
        found = []
        context = {**known(facts), **self.context}
        for rule in self.policies:
            outcome = rule.judge(situation)
            if outcome is not True:
                for path, severity, message in told(rule, outcome, file.document.value, situation, context):
                    place = file.document.at(path)
                    found.append(Finding(file.path, *place, rule.policy.id, message, severity))
        return sorted({self._excepted(finding, file.name, now) for finding in found})

    def _excepted(self, finding: Finding, request: str, now: datetime) -> Finding:
        """A finding that somebody answers for, for a while, only warns."""
        about = (finding.rule, request)
        exemptions = [entry for entry in self.data.exceptions if (entry.policy, entry.request) == about]
        if not exemptions:
            return finding
        last = max(exemptions, key=lambda entry: entry.until)
        until = instant_text(last.until)
        if last.holds(now):
            return _reworded(finding, f"{finding.message} (excepted until {until}: {clean(last.why)})", "warning")
        return _reworded(finding, f"{finding.message} (the exception ended {until})", finding.severity)


def circumstances(  # noqa: PLR0917  # as rules name them
    name: str,
    request: AnyRequest,
    now: datetime,
    change: ChangeFacts | None,
    ticket: TicketFacts | None,
    catalog: CatalogFacts = NO_CATALOG,
    known: Catalog | None = None,
) -> dict[str, Any]:
    """Everything that is known; what is not known is left out."""
    facts = {"request": request_facts(name, request, now, known), "catalog": catalog, "now": now}
    awaited = {"change": change, "ticket": ticket}
    return facts | {name: value for name, value in awaited.items() if value is not None}


def known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as messages name them."""
    return {name: plain(value) for name, value in facts.items()}


def told(
    rule: Rule, outcome: Outcome, written: Mapping[str, Any], situation: Situation, context: Mapping[str, Any]
) -> Iterator[tuple[_Path, Severity, str]]:
    """What is said of a rule that a request does not keep, or that cannot be judged: where, how grave, what."""
    policy = rule.policy
    match outcome:
        case Absent(variable):
            severity: Severity = "warning" if policy.severity == "warning" else "approval"
            message = f"{policy.title}: cannot be judged before {AWAITED[variable]}"
            yield _first(written, policy.at), severity, clean(message)
        case Failed(why):
            message = f"{policy.title}: cannot be judged, and what cannot be judged is refused: {why}"
            yield _first(written, policy.at), "error", clean(message)
        case _:
            for path, item in _to_blame(rule, written, situation):
                yield path, policy.severity, rule.message.render({**context, "it": item})


def _reworded(finding: Finding, message: str, severity: Severity) -> Finding:
    return Finding(finding.path, finding.line, finding.column, finding.rule, message, severity)


# --- where a finding points -------------------------------------------------------------------------------------------


def _to_blame(rule: Rule, written: Mapping[str, Any], situation: Situation) -> list[tuple[_Path, Any]]:
    """The places that a finding points at, each with the item that is to blame."""
    there = [place for pattern in rule.policy.at for place in _matching(written, pattern.split("."))]
    if rule.where is not None:
        blamed = [place for place in there if situation.judge_item(rule.where, place[1]) is True]
        if blamed:
            return blamed
    return there[:1] or [(_first(written, rule.policy.at), "")]


def _first(written: Mapping[str, Any], patterns: Sequence[str]) -> _Path:
    """The first place that is there; otherwise where it would have been."""
    for pattern in patterns:
        for path, _ in _matching(written, pattern.split(".")):
            return path
    return tuple(patterns[0].split(".*")[0].split("."))


def _matching(value: Any, pattern: Sequence[str], item: Any = "") -> Iterator[tuple[_Path, Any]]:
    """Every path that the pattern names and that is there, with the item that its last `*` stands for."""
    if not pattern:
        yield (), item
        return
    head, *rest = pattern
    for key, child in _children(value, head):
        for path, found in _matching(child, rest, child if head == "*" else item):
            yield (key, *path), found


def _children(value: Any, head: str) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return list(value.items()) if head == "*" else [(head, value[head])] if head in value else []
    if isinstance(value, list):
        items = list(enumerate(value))
        return items if head == "*" else [items[int(head)]] if head.isdigit() and int(head) < len(items) else []
    return []


# --- loading ----------------------------------------------------------------------------------------------------------


def load(files: Iterable[tuple[str, bytes]], *, proofread: bool = False) -> Bundle:
    """The bundle in these files (path, content) of `policies/`, with everything that is wrong with them.

    `proofread`: messages and templates too, for whoever writes policies. Judging does without: they decide nothing, a
    message that cannot be written says so in its finding, and a template that cannot has a built-in one to stand in.
    """
    content = {path: data for path, data in sorted(files) if not passed_over(path)}
    templates = {path: content.pop(path) for path in list(content) if notes.is_template(path)}
    findings = [
        Finding(path, 1, 1, "policy-file", "is not read; a policy's name ends in .yaml")
        for path in content
        if PurePosixPath(path).suffix != ".yaml"
    ]
    written = {path: data for path, data in content.items() if PurePosixPath(path).suffix == ".yaml"}
    data_path = next((path for path in written if PurePosixPath(path).name == DATA_FILE), DATA_FILE)
    data_document, data = _data(data_path, written.pop(data_path, None), findings)
    engine = Engine(VARIABLES, tables(data), awaited=AWAITED)
    lists = shown(data)
    policies: list[Rule] = []
    for path, text in written.items():
        rule, mistakes = _Loading(path, text, engine, tuple(lists) if proofread else None).rule()
        findings += mistakes
        if rule is not None:
            policies.append(rule)
    findings += _same_ids(policies)
    if not written:
        findings.append(Finding(data_path, 1, 1, "policy-file", "no policy; without one, nothing is allowed"))
    if proofread:
        findings += [finding for path, text in templates.items() for finding in notes.findings(path, text)]
    if data_document and not findings:
        findings += _exceptions_of_nothing(data_path, data_document, data, {rule.policy.id for rule in policies})
    kept = engine.together((rule.policy.applies, rule.policy.require) for rule in policies)
    wordings = {notes.stem(path): text.decode("utf-8-sig", "replace") for path, text in templates.items()}
    return Bundle(tuple(policies), data, tuple(sorted(findings)), engine, {"data": lists}, wordings, kept)


def tables(data: Data) -> Tables:
    """What rules know below `data`."""
    windows = Windows((window.start, window.end) for window in data.blackout_windows)
    return {"blackoutWindows": windows} | {name: Names(listed) for name, listed in data.lists.items()}


def shown(data: Data) -> dict[str, Any]:
    """What messages know as `data`."""
    windows = [{"start": window.start, "end": window.end, "why": window.why} for window in data.blackout_windows]
    return {"blackoutWindows": windows} | data.lists


def _data(path: str, text: bytes | None, findings: list[Finding]) -> tuple[Document | None, Data]:
    """data.yaml; where it is broken, its lists by name alone, so that the rules can be checked all the same."""
    if text is None:
        return None, Data()
    document, mistakes = parse(text, path)
    findings += mistakes
    if document is None:
        return None, Data()
    data = validate(document, path, DATA)
    if isinstance(data, Data):
        return document, data
    findings += data
    known = {entry.alias or name for name, entry in Data.model_fields.items()}
    names = [name for name in document.value if name not in known and name.isascii() and name.isidentifier()]
    return document, Data.model_validate({name: () for name in names if not name.startswith("_")})


def _same_ids(policies: Sequence[Rule]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for rule in policies:
        other = first.setdefault(rule.policy.id, rule.path)
        if other != rule.path:
            place = rule.document.at(("id",))
            yield Finding(rule.path, *place, "policy", f"{rule.policy.id!r} is also the id of {other}")


def _exceptions_of_nothing(path: str, document: Document, data: Data, known: set[str]) -> Iterator[Finding]:
    for place, entry in enumerate(data.exceptions):
        if entry.policy not in known:
            meant = nearest(entry.policy, known)
            advice = f"; did you mean {meant!r}?" if meant else ""
            at = document.at(("exceptions", place, "policy"))
            yield Finding(path, *at, "policy-data", f"there is no policy {entry.policy!r}{advice}")


class _Loading:
    """One policy file on its way to a rule."""

    def __init__(self, path: str, text: bytes, engine: Engine, lists: tuple[str, ...] | None) -> None:
        self._path = path
        self._text = text
        self._engine = engine
        self._lists = lists
        """The names below `data`, for proofreading; without them, messages are taken as they are."""
        self._findings: list[Finding] = []

    def rule(self) -> tuple[Rule | None, list[Finding]]:
        document, mistakes = parse(self._text, self._path)
        if document is None:
            return None, mistakes
        policy = validate(document, self._path, POLICY)
        if isinstance(policy, list):
            return None, mistakes + policy
        self._findings += mistakes
        self._check_id(policy, document)
        self._check_cases(policy, document)
        applies = self._compiled(document, "applies", policy.applies)
        require = self._compiled(document, "require", policy.require)
        where = self._compiled(document, "where", policy.where)
        if self._lists is not None:
            self._proofread(document, policy.message, self._lists)
        if self._findings:
            return None, self._findings
        return Rule(policy, self._path, document, applies, require, where, Message(policy.message)), []

    def _compiled(self, document: Document, name: str, source: str | None) -> Any:
        if source is None:
            return None
        compiled = self._engine.compile(source, about_items=name == "where")
        if isinstance(compiled, list):
            self._faulty(document, name, source, compiled)
        return compiled

    def _proofread(self, document: Document, message: str, lists: tuple[str, ...]) -> None:
        from pmgitops.policy import wording  # noqa: PLC0415  # see there

        self._faulty(document, "message", message, wording.faults(message, VARIABLES, {"data": lists, "it": None}))

    def _faulty(self, document: Document, name: str, source: str, found: Iterable[Fault]) -> None:
        text = self._text.removeprefix(b"\xef\xbb\xbf").decode()
        for fault in found:
            place = within(text, document.at((name,)), source, fault.line, fault.column)
            self._findings.append(Finding(self._path, *place, "policy", clean(f"{name}: {fault.message}")))

    def _check_id(self, policy: Policy, document: Document) -> None:
        stem = PurePosixPath(self._path).stem
        if policy.id != stem:
            self._at(document.at(("id",)), "policy", f"the id is {policy.id!r}, the file's name says {stem!r}")
        if policy.id in GUARDS:
            self._at(document.at(("id",)), "policy", f"{policy.id!r} is the name of a guard of pmgitops' own")

    def _check_cases(self, policy: Policy, document: Document) -> None:
        for expect, what in (("pass", "lets pass"), ("fail", "refuses")):
            if not any(case.expect == expect for case in policy.cases):
                self._at(document.at(("cases",), key=True), "policy-cases", f"no case that the rule {what}")

    def _at(self, place: Position, rule: str, message: str) -> None:
        self._findings.append(Finding(self._path, *place, rule, message))
