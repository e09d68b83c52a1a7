"""The cases of policies: a request, its circumstances, and whether the rule lets them pass. Results are values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from pmgitops.model.finding import Finding
from pmgitops.model.problem import Path, problems
from pmgitops.model.request import KINDS, REQUEST
from pmgitops.policy.bundle import Bundle, Rule, circumstances, known, shown, tables, told
from pmgitops.policy.engine import Failed, Tables
from pmgitops.policy.examples import CATALOG, CHANGE, NOW, REQUESTS, TICKET, laid_over, without
from pmgitops.policy.facts import NO_CATALOG, CatalogFacts, ChangeFacts, TicketFacts
from pmgitops.policy.form import DATA, Case

T = TypeVar("T")

CHANGE_FACTS: TypeAdapter[ChangeFacts] = TypeAdapter(ChangeFacts)
TICKET_FACTS: TypeAdapter[TicketFacts] = TypeAdapter(TicketFacts)
CATALOG_FACTS: TypeAdapter[CatalogFacts] = TypeAdapter(CatalogFacts)


@dataclass(frozen=True, slots=True)
class Result:
    """What a rule did with a case. `error`: the rule could not be evaluated; `invalid`: the case is no request."""

    policy: str
    it: str
    path: str
    line: int
    expected: Literal["pass", "fail"]
    got: Literal["pass", "fail", "error", "invalid"]
    message: str
    findings: tuple[Finding, ...] = ()
    """Why the case does not hold, at its place in the policy's file; empty where it does."""

    @property
    def passed(self) -> bool:
        """Whether the rule did what the case says."""
        return not self.findings


def run(bundle: Bundle) -> list[Result]:
    """The result of every case of every policy, in the order of the files."""
    return [
        _Run(bundle, rule, place, case).result()
        for rule in bundle.policies
        for place, case in enumerate(rule.policy.cases)
    ]


class _InvalidCaseError(Exception):
    """A part of a case is not what it stands for."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings


class _Run:
    """One case."""

    def __init__(self, bundle: Bundle, rule: Rule, place: int, case: Case) -> None:
        self._bundle = bundle
        self._rule = rule
        self._case = case
        self._at: Path = ("cases", place)

    def result(self) -> Result:
        try:
            got, message = self._judged()
        except _InvalidCaseError as invalid:
            return self._result("invalid", invalid.findings[0].message, tuple(invalid.findings))
        return self._result(got, message, tuple(self._objections(got, message)))

    def _judged(self) -> tuple[Literal["pass", "fail", "error"], str]:
        content, given = self._content(), self._case.facts
        request = self._validated(REQUEST, content, ("request",))
        change = self._facts(CHANGE_FACTS, CHANGE, "change", given.change)
        ticket = self._facts(TICKET_FACTS, TICKET, "ticket", given.ticket)
        catalog = self._facts(CATALOG_FACTS, CATALOG, "catalog", given.catalog) or NO_CATALOG
        facts = circumstances("case", request, given.now or NOW, change, ticket, catalog)
        context, stand_ins = self._data(given.data)
        situation = self._bundle.engine.situation(facts, stand_ins)
        outcome = self._rule.judge(situation)
        if outcome is True:
            return "pass", ""
        said = told(self._rule, outcome, content, situation, {**known(facts), **context})
        message = "; ".join(dict.fromkeys(message for _, _, message in said))
        return ("error" if isinstance(outcome, Failed) else "fail"), message

    def _objections(self, got: str, message: str) -> Iterator[Finding]:
        case = self._case
        if got != case.expect:
            said = f": {message}" if message else ""
            yield self._finding(("expect",), f"{case.it}: expected {case.expect}, got {got}{said}")
        elif case.message and case.message not in message:
            yield self._finding(("message",), f"{case.it}: {case.message!r} is not in the message: {message}")

    def _content(self) -> dict[str, Any]:
        """The case's request, laid over the canonical one of its kind."""
        written = self._case.request
        kind = str(written.get("kind"))
        if kind not in REQUESTS:
            raise _InvalidCaseError([self._finding(("request", "kind"), f"{kind!r} is not one of {', '.join(KINDS)}")])
        return laid_over(reduce(without, self._case.without, REQUESTS[kind]), written)

    def _facts(
        self, adapter: TypeAdapter[T], example: Mapping[str, Any], name: str, given: Mapping[str, Any] | None
    ) -> T | None:
        if given is None:
            return None
        return self._validated(adapter, laid_over(example, given), ("facts", name))

    def _data(self, given: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], Tables]:
        """What messages know as `data`, and the lists that stand in for those of data.yaml."""
        lists = self._bundle.context["data"]
        if given is None:
            return self._bundle.context, {}
        unknown = [name for name in given if name not in lists]
        if unknown:
            problem = "data.yaml has no list of this name"
            raise _InvalidCaseError([self._finding(("facts", "data", name), problem) for name in unknown])
        data = self._validated(DATA, dict(given), ("facts", "data"))
        stand_ins = {name: table for name, table in tables(data).items() if name in given}
        return {"data": {**lists, **{name: shown(data)[name] for name in given}}}, stand_ins

    def _validated(self, adapter: TypeAdapter[T], content: Any, at: Path) -> T:
        try:
            return adapter.validator.validate_python(content, by_alias=True, by_name=False)  # type: ignore[no-any-return]
        except ValidationError as error:
            found = problems(error, adapter.core_schema, 10)
            raise _InvalidCaseError(
                [self._finding((*at, *problem.path), problem.message, key=problem.key) for problem in found]
            ) from None

    def _finding(self, at: Path, message: str, *, key: bool = False) -> Finding:
        place = self._rule.document.at((*self._at, *at), key=key)
        return Finding(self._rule.path, place.line, place.column, "policy-case", message)

    def _result(
        self, got: Literal["pass", "fail", "error", "invalid"], message: str, findings: tuple[Finding, ...]
    ) -> Result:
        line = self._rule.document.at((*self._at, "it")).line
        case = self._case
        return Result(self._rule.policy.id, case.it, self._rule.path, line, case.expect, got, message, findings)
