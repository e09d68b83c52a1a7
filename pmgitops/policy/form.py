"""The files of `policies/` as they are written: rules with their reasons and cases, and the data that they look up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator
from pydantic import WithJsonSchema as Schema

from pmgitops.model.finding import Severity
from pmgitops.model.scalars import Grammar, Id, Instant, Text, Value, distinct, refuse
from pmgitops.model.schema import published

PolicyId = Annotated[
    str, Grammar("policy-id", r"[a-z0-9][a-z0-9-]{0,99}", "an id: 1 to 100 of a-z, 0-9 and -, not beginning with -")
]
Path = Annotated[
    str,
    Grammar(
        "at",
        r"([A-Za-z]\w*|\d+|\*)(\.([A-Za-z]\w*|\d+|\*))*",
        "a path into a request, such as scheduleInfo.expiration or statements.*.actions",
    ),
]
Listed = Annotated[tuple[Id, ...], distinct("entry")]


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
    Schema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class CaseFacts(Value):
    """What a case changes besides the request."""

    now: Instant | None = None
    """The time of judging; 2026-01-15T09:00:00Z by default."""
    ticket: dict[str, Any] | None = None
    """What the ticket system said, laid over an approved change that is being implemented; without it, nobody asked."""
    change: dict[str, Any] | None = None
    """What merging will do, laid over the creation of the request; without it, nobody knows."""
    catalog: dict[str, Any] | None = None
    """What the snapshot knows, laid over one of yesterday that knows every name; without it, there is none."""
    data: dict[str, Any] | None = None
    """Lists that stand in for those of data.yaml."""


class Case(Value):
    """An example that the rule lets pass or refuses."""

    it: Text
    """What the rule does with it: `refuses nine hours`."""
    request: dict[str, Any]
    """A kind, and what differs from the canonical example of that kind; mappings are merged, lists replaced."""
    without: tuple[Path, ...] = ()
    """What the canonical example has and this request has not: paths such as ticketInfo."""
    facts: CaseFacts = CaseFacts()
    expect: Literal["pass", "fail"]
    message: Text | None = None
    """Words that the finding's message has to hold."""

    @model_validator(mode="after")
    def _only_failing_cases_speak(self) -> Case:
        if self.message and self.expect == "pass":
            raise refuse("case", "a case that passes has no message", at="message")
        return self


class Policy(Value):
    """A rule, its reason and its cases."""

    api_version: Literal["pmgitops/v1"]
    """The version of this format."""
    id: PolicyId
    """The file's stem."""
    title: Text
    """The rule in a sentence."""
    why: Text
    """What goes wrong without it."""
    severity: Severity
    """`error` stops the pull request, `approval` holds delivery back until it is satisfied, `warning` is shown."""
    applies: Text | None = None
    """CEL: which requests the rule is about; all where left out."""
    require: Text
    """CEL: what has to be true of them."""
    message: Text
    """Jinja: what is, and what may be. Sees the facts, and `it` where `where` found something."""
    at: Paths
    """Where in the request a finding points: a path, or several of which the first there counts; `*` is any item."""
    where: Text | None = None
    """CEL: which of the items (`it`) that `at` names by `*` are to blame; each gets a finding of its own."""
    cases: tuple[Case, ...] = ()
    """At least one that passes and one that fails."""

    @model_validator(mode="after")
    def _items_to_blame(self) -> Policy:
        if self.where and not any("*" in path for path in self.at):
            raise refuse("at", "where looks at items, and no path of at has a *", at="where")
        return self

    def rule(self) -> dict[str, Any]:
        """What decides, without the cases, as plain JSON values."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"cases"})


class Window(Value):
    """A stretch of time."""

    start: Instant
    end: Instant
    why: Text

    @model_validator(mode="after")
    def _forwards(self) -> Window:
        if self.end <= self.start:
            raise refuse("window", "ends before it starts", at="end")
        return self


class Exemption(Value):
    """A rule that does not stop one request, for a while and for a reason."""

    policy: PolicyId
    """The rule's id."""
    request: PolicyId
    """The request's name."""
    until: Instant
    """When the rule holds again."""
    why: Text
    """Who decided, and what for."""

    def holds(self, now: datetime) -> bool:
        """Whether the exemption still stands."""
        return now < self.until


def _plain_names(lists: Any) -> Any:
    for name in lists:
        if not name.isascii() or not name.isidentifier() or name.startswith("_"):
            raise refuse("list-name", f"{name!r} is no name that a rule can say; a list is called, say, breakGlass")
    return lists


class Data(Value):
    """What rules look up. Every further key is a list of ids that rules know as `data.<key>`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Listed]

    api_version: Literal["pmgitops/v1"] = "pmgitops/v1"
    """The version of this format."""
    blackout_windows: tuple[Window, ...] = ()
    """When nobody gets access."""
    exceptions: tuple[Exemption, ...] = ()
    """Which rules do not stop which requests, until when and why."""

    @model_validator(mode="after")
    def _names_of_lists(self) -> Data:
        _plain_names(self.lists)
        return self

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """Name -> ids."""
        return self.__pydantic_extra__


POLICY: TypeAdapter[Policy] = TypeAdapter(Policy)
DATA: TypeAdapter[Data] = TypeAdapter(Data)


def policy_schema() -> dict[str, Any]:
    """The schema of a policy file, published as `pmgitops/schemas/policy.schema.json`."""
    return published(POLICY, "A pmgitops policy: a rule, its reason and its cases")
