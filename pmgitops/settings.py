"""`pmgitops.yaml`: where requests go and under which limits. Frozen, passed along, never imported as a global.

Nothing here is secret: secrets come from the environment only, through `pmgitops.secrets`.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator
from pydantic import WithJsonSchema as Schema

from pmgitops.document import read, validate
from pmgitops.errors import UsageError
from pmgitops.model.finding import Finding
from pmgitops.model.problem import nearest, shown
from pmgitops.model.scalars import Grammar, Id, Text, Value, Whole, refuse

TargetName = Literal["permissions-management"]
Gate = Literal["required", "warn", "off"]
Demand = Literal["off", "declared", "required"]
Switch = Literal["on", "off"]
Party = Literal["submitter", "approver", "author", "robot"]
OnDivergence = Literal["annotate", "hold", "cancel"]
Kind = Literal["aws-policies", "aws-actions", "azure-actions", "azure-roles", "gcp-actions", "gcp-roles"]

CONFIG = "pmgitops.yaml"

DEFAULT_STATES: dict[str, tuple[str, ...]] = {
    "incident": ("1", "2", "3"),
    "change_request": ("-2", "-1"),
    "change_task": ("1", "2"),
    "sc_request": ("1", "2"),
    "sc_req_item": ("1", "2"),
    "sc_task": ("1", "2"),
    "problem": ("101", "102", "103", "104"),
    "problem_task": ("1", "2"),
    "task": ("1", "2"),
}
"""Stored state values in which a ticket of a class carries access (ServiceNow's stock choice lists)."""

PLANNED = frozenset({"change_request", "change_task"})
"""The classes that have a planned window."""

NUMBER_PATTERN = r"^(INC|REQ|RITM|SCTASK|CHG|CTASK|PRB|PTASK|TASK)[0-9]{7,10}$"


LEASES = (30, 3600)
"""The shortest and the longest lease in seconds. A write may take 20 s, and must be over when its lease runs out."""


def _address(text: str) -> str:
    """`https://` everywhere; `http://` only for a literal loopback address, where nobody listens in."""
    parts = _parts(text)
    if parts is None:
        raise refuse("address", f"{shown(text)} is not an address such as https://graph.microsoft.com/beta")
    if parts.scheme == "http" and not is_loopback(str(parts.hostname)):
        message = f"{shown(text)} is not https; http is for a literal loopback address such as 127.0.0.1 only"
        raise refuse("address", message)
    return text.rstrip("/")


def _parts(text: str) -> SplitResult | None:
    """The parts of an http(s) address that names a host, nobody's credentials and nothing behind the path."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # read, and refused, only when somebody asks for it
    except ValueError:
        return None
    plain = re.fullmatch(r"[!-~]+", text) and not re.search(r"[?#@\\]", text)
    return parts if plain and parts.scheme in {"https", "http"} and parts.hostname else None


def is_loopback(host: str) -> bool:
    """Whether `host` is a literal loopback address (a name is none: it may be made to point anywhere)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host(text: str) -> str:
    address = _address(text if "//" in text else f"https://{text}")
    if urlsplit(address).path:
        raise refuse("address", f"{shown(text)} is not a host such as example.service-now.com: it has a path")
    return address


def _proxy(text: str) -> str:
    parts = _parts(text)
    if parts is None or parts.path.strip("/"):
        raise refuse("address", f"{shown(text)} is not a proxy such as http://proxy.example:3128")
    return text.rstrip("/")


def _file(text: str) -> str:
    """Absolute on any system: beside the configuration stands what pull requests bring."""
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
        return text
    raise refuse("path", f"{shown(text)} is not an absolute path such as /etc/ssl/contoso.pem")


def _seconds(value: object) -> int:
    match = re.fullmatch(r"(\d{1,5})([sm]?)", value, re.ASCII) if isinstance(value, str) else None
    seconds = int(match[1]) * (60 if match[2] == "m" else 1) if match else value
    least, most = LEASES
    if type(seconds) is int and least <= seconds <= most:
        return seconds
    why = "" if match is None else f": it is {seconds} s, and has to be {least} s to {most // 60} min"
    raise refuse("lease", f"{shown(value)} is not a lease such as 60s or 2m{why}")


def _flag(value: object) -> object:
    if isinstance(value, bool | str) and value in {"true", "false", True, False}:
        return value in {"true", True}
    raise refuse("value", f"{shown(value)} is neither true nor false")


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise refuse("pattern", f"{shown(text)} is not a regular expression: {error}") from None
    return text


Flag = Annotated[bool, BeforeValidator(_flag)]
Address = Annotated[str, AfterValidator(_address), Schema({"type": "string", "pattern": "^https?://"})]
Host = Annotated[str, AfterValidator(_host), Schema({"type": "string"})]
Proxy = Annotated[str, AfterValidator(_proxy), Schema({"type": "string", "pattern": "^https?://"})]
File = Annotated[str, AfterValidator(_file), Schema({"type": "string"})]
Regex = Annotated[str, AfterValidator(_regex), Schema({"type": "string", "format": "regex"})]
Lease = Annotated[int, BeforeValidator(_seconds), Schema({"type": ["string", "integer"], "pattern": r"^\d+[sm]?$"})]
_NO_REF = r"(?!.*(\.\.|//|/\.|\.lock(/|$)|[/.]$))"
Branch = Annotated[
    str, Grammar("branch", _NO_REF + r"[A-Za-z0-9][A-Za-z0-9._/-]*", "the name of a branch, such as main")
]
Ref = Annotated[
    str,
    Grammar(
        "ref", _NO_REF + r"refs/heads/[A-Za-z0-9][A-Za-z0-9._/-]*", "a branch's ref, such as refs/heads/pmgitops/ledger"
    ),
]
Remote = Annotated[str, Grammar("remote", r"[A-Za-z0-9][A-Za-z0-9._-]*", "the name of a remote, such as origin")]
SystemName = Annotated[
    str, Grammar("name", r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", "the name of a ticket system, such as ServiceNow")
]
FormName = Annotated[str, Schema({"type": "string", "minLength": 1})]
Class = Annotated[str, Grammar("class", r"[a-z][a-z0-9_]{1,79}", "a class of tickets, such as change_request")]
State = Annotated[
    str, Grammar("state", r"[A-Za-z0-9_-]{1,40}", "a state as it is stored, such as 2 or -1", or_number=True)
]


class Target(Value):
    """A system that grants access."""

    endpoint: Address | None = None
    """The root of its API; its public one where left out."""
    allow_retired: Flag = False
    """Deliver even where the service is known to be retired."""


class Route(Value):
    """Which requests go to which target; the first match wins."""

    target: TargetName
    """One of those listed under `targets`."""
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = get_args(Kind)
    """The kinds of requests that it takes; all of them where left out."""


class Scope(Value):
    """What a ticket must be about to carry access to one authorization system; each by its name or sys_id."""

    configuration_item: Text | None = None
    """The ticket's configuration item."""
    assignment_group: Text | None = None
    """The group that works on the ticket."""


class Form(Value):
    """How the variables of an ordered catalog item fill a request: its fields, every text a template of its own.

    Templates know `variables.<name>`, `ticket.number`, `ticket.requestedFor`, `ticket.approver` and
    `ticket.shortDescription`. What comes out empty is left out.
    """

    model_config = ConfigDict(extra="allow")

    kind: Kind
    """The kind of request that it becomes."""

    @model_validator(mode="after")
    def _fields_of_the_kind(self) -> Form:
        from pmgitops.model.request import fields_of  # noqa: PLC0415  # few configurations have forms

        known = fields_of(self.kind)
        for name in self.fields:
            if name not in known:
                meant = nearest(name, known)
                advice = f"did you mean {meant!r}?" if meant else f"here may stand {', '.join(known)}"
                raise refuse("unknown-field", f"unknown field {shown(name)}; {advice}", at=name)
        return self

    @property
    def fields(self) -> dict[str, Any]:
        """Field -> template, or mappings and lists of such."""
        return dict(self.__pydantic_extra__ or {})


class TicketSystem(Value):
    """A ServiceNow instance and what a ticket there must be like."""

    host: Host
    """Its host name, such as example.service-now.com."""
    ca: File | None = None
    """The absolute path of the only authorities to trust, in PEM; the usual ones where left out."""
    proxy: Proxy | None = None
    """The proxy to go through, such as http://proxy.example:3128; none where left out."""
    gate: Gate = "required"
    """`required`: every request has a ticket and it passes; `warn`: judged and shown; `off`: not contacted."""
    kinds: dict[Kind, Gate] = Field(default_factory=dict)
    """The same for single kinds of requests, over `gate`."""
    pattern: Regex = NUMBER_PATTERN
    """What a ticket's number looks like, from its first character to its last."""
    classes: Annotated[tuple[Class, ...], Field(min_length=1)] | None = None
    """The classes of tickets that carry access; every class whose states are known where left out."""
    states: dict[Class, Annotated[tuple[State, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Per class, the stored state values in which a ticket passes; the stock ones for every class left out."""
    approval: dict[Class, State] = Field(
        default_factory=lambda: {"change_request": "approved", "sc_req_item": "approved"}
    )
    """The classes whose tickets must be approved, all of them, and the stored value that says so."""
    submitter: Demand = "declared"
    """`declared`: whom the request names as submitter is who opened the ticket, or whom it is for; `required`: it names
    one; `off`: not compared.
    """
    approver: Demand = "declared"
    """Of classes that must be approved. `declared`: whom the request names as approver has approved the ticket, or
    decided for who was asked; `required`: it names one; `off`: not compared.
    """
    distinct: tuple[Party, ...] = ("submitter", "approver")
    """Who has to be a person of their own, each unlike each: the ticket's submitter and approver, the author of the
    commit that last changed the file, the robot that pmgitops is.
    """
    robot: Text | None = None
    """The user that pmgitops is in the ticket system (user name or e-mail); ServiceNow is asked where left out."""
    window: Switch = "on"
    """Whether access under a change (or a change task) must lie within the time for which it is planned."""
    scope: dict[Id, Scope] = Field(default_factory=dict)
    """Per authorization system (account, subscription, project), what a ticket must be about; of others it may be about
    anything.
    """
    exclusive: Switch = "off"
    """Whether a ticket carries one request only, for ever."""
    parallel: Annotated[int, Whole(1, 16)] = 4
    """Connections that are used at once, 1 to 16."""
    on_divergence: OnDivergence = "annotate"
    """What follows where a ticket is canceled, rejected, closed or loses its approval while it carries access: it is
    recorded and noted (`annotate`), besides nothing more is sent under it (`hold`), or the access is ended (`cancel`).
    """
    note_limit: Annotated[int, Whole(1000, 32000)] = 4096
    """The most characters of a note; what is longer stands in the attached evidence."""
    correlation: Switch = "off"
    """`on`: write the request's name to the ticket's `correlation_id` where that is empty."""
    forms: dict[FormName, Form] = Field(default_factory=dict)
    """For `pmgitops new --from-ticket`: the name (or sys_id) of a catalog item -> how its variables fill a request."""

    def gate_of(self, kind: str) -> Gate:
        """How strict the gate is for requests of this kind."""
        return next((gate for known, gate in self.kinds.items() if known == kind), self.gate)

    def states_of(self, table: str) -> tuple[str, ...] | None:
        """The states in which a ticket of this class passes; None where the class is not allowed, or not known."""
        if self.classes is not None and table not in self.classes:
            return None
        return self.states.get(table) or DEFAULT_STATES.get(table)

    def scope_of(self, authorization_system_id: str) -> Scope:
        """What a ticket must be about to carry access there; ids are compared without case."""
        folded = authorization_system_id.casefold()
        return next((scope for key, scope in self.scope.items() if key.casefold() == folded), Scope())

    @property
    def contacted(self) -> bool:
        """Whether any request's ticket is looked up there."""
        return any(gate != "off" for gate in (self.gate, *self.kinds.values()))

    @model_validator(mode="after")
    def _every_class_has_states(self) -> TicketSystem:
        for place, table in enumerate(self.classes or ()):
            if not self.states_of(table):
                message = f"{table!r} is not a stock class: say under states in which of them it carries access"
                raise refuse("class", message, at=f"classes.{place}")
        return self


class LedgerSettings(Value):
    """Where the ledger lives."""

    ref: Ref = "refs/heads/pmgitops/ledger"
    """The branch that it has to itself."""
    remote: Remote = "origin"
    """The remote that holds it, and the requests."""
    lease: Lease = 60
    """How long a request belongs to the runner that took it, such as 60s; longer than any write may take (20 s)."""


class Limits(Value):
    """What a single run may do without being asked."""

    max_cancellations: Annotated[int, Whole(0, 9999)] = 10
    """More cancellations than this need `--allow mass-cancel`; with 0, each does."""
    parallel: Annotated[int, Whole(1, 32)] = 8
    """Requests that are sent at once, 1 to 32."""


class CatalogSettings(Value):
    """What a committed snapshot of the authorization systems is used for."""

    unknown: Literal["error", "approval", "warning", "off"] = "error"
    """How grave it is that a request names what the snapshot does not know; `off`: nothing is said of names at all."""


class Config(Value):
    """`pmgitops.yaml`."""

    api_version: Literal["pmgitops/v1"] = "pmgitops/v1"
    """The version of this format."""
    branch: Branch = "main"
    """The branch whose requests are delivered."""
    targets: dict[TargetName, Target] = {"permissions-management": Target()}  # noqa: RUF012  # pydantic copies defaults
    """The systems that grant access, each with its settings or `{}`."""
    routes: tuple[Route, ...] = (Route(target="permissions-management"),)
    """The way to a target; the first that takes a request's kind."""
    tickets: dict[SystemName, TicketSystem] = Field(default_factory=dict)
    """Ticket systems, by the name that requests give as `ticketSystem`."""
    ledger: LedgerSettings = LedgerSettings()
    """Where pmgitops keeps what it did."""
    limits: Limits = Limits()
    """What needs a person's word."""
    catalog: CatalogSettings = CatalogSettings()
    """What the snapshot under `catalog/` is used for, where there is one."""

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Config:
        for place, route in enumerate(self.routes):
            if route.target not in self.targets:
                raise refuse(
                    "route", f"target {route.target!r} is not listed under targets", at=f"routes.{place}.target"
                )
        return self

    @model_validator(mode="after")
    def _names_of_ticket_systems_differ(self) -> Config:
        names: dict[str, str] = {}
        for name in self.tickets:
            first = names.setdefault(name.casefold(), name)
            if first != name:
                raise refuse("repeated", f"{name!r} is {first!r} in other letters; each once", at=f"tickets.{name}")
        return self

    @model_validator(mode="after")
    def _the_ledger_has_a_branch_to_itself(self) -> Config:
        if self.ledger.ref == f"refs/heads/{self.branch}":
            raise refuse("ref", f"{self.branch} holds the requests; the ledger has a branch to itself", at="ledger.ref")
        return self

    def target_of(self, kind: str) -> TargetName | None:
        """Where requests of this kind go; None where no route takes them."""
        return next((route.target for route in self.routes if kind in route.kinds), None)

    def ticket_system(self, name: str) -> TicketSystem | None:
        """The configured ticket system of this name, compared without case."""
        return next((system for key, system in self.tickets.items() if key.casefold() == name.casefold()), None)


CONFIG_MODEL: TypeAdapter[Config] = TypeAdapter(Config)


def config_schema() -> dict[str, Any]:
    """The schema of the configuration, published as `pmgitops/schemas/config.schema.json`."""
    from pmgitops.model.schema import published  # noqa: PLC0415  # every command reads the configuration, few the schema

    return published(CONFIG_MODEL, "pmgitops.yaml: where requests go, and under which limits")


def parse(data: bytes | None, path: str = CONFIG) -> Config:
    """The configuration in `data`, the defaults where there is no file; UsageError with every mistake at its line."""
    if data is None:
        return Config()
    document = read(data, path)
    if isinstance(document, list):
        raise _refused(path, document)
    config = validate(document, path, CONFIG_MODEL)
    if isinstance(config, list):
        raise _refused(path, config)
    return config


def _refused(path: str, findings: list[Finding]) -> UsageError:
    return UsageError(
        "\n".join(f"{found.path}:{found.line}:{found.column}: {found.message}" for found in findings),
        hint=f"mend {path}; `pmgitops schema config` prints what it may hold",
    )
