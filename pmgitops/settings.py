"""`pmgitops.yaml`: where requests go and under which limits. Frozen, passed along, never imported as a global.

Nothing here is secret: secrets come from the environment only, through `pmgitops.secrets`.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from pmgitops.document import read, validate
from pmgitops.errors import UsageError
from pmgitops.model.finding import Finding
from pmgitops.model.scalars import Count, TicketNumber, Value, refuse

TargetName = Literal["permissions-management"]
Gate = Literal["required", "warn", "off"]
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

NUMBER_PATTERN = r"^(INC|REQ|RITM|SCTASK|CHG|CTASK|PRB|PTASK|TASK)[0-9]{7,10}$"


def _address(text: str) -> str:
    """`https://` everywhere; `http://` only for a literal loopback address, where nobody listens in."""
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise refuse("address", f"{text!r} is not an address such as https://graph.microsoft.com/beta")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise refuse("address", f"{text!r} is not https; http is for a literal loopback address such as 127.0.0.1 only")
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether `host` is a literal loopback address (a name is none: it may be made to point anywhere)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host(text: str) -> str:
    return _address(text if "//" in text else f"https://{text}")


def _seconds(value: object) -> object:
    match = re.fullmatch(r"(\d{1,5})(s|m)", value) if isinstance(value, str) else None
    if match is None:
        return value
    return int(match[1]) * (60 if match[2] == "m" else 1)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise refuse("pattern", f"{text!r} is not a regular expression: {error}") from None
    return text


class Target(Value):
    """A system that grants access."""

    endpoint: Annotated[str, AfterValidator(_address)] | None = None
    """The root of its API; its public one where left out."""
    allow_retired: bool = False
    """Deliver even where the service is known to be retired."""


class Route(Value):
    """Which requests go to which target; the first match wins."""

    target: TargetName
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = get_args(Kind)


class TicketSystem(Value):
    """A ServiceNow instance and what a ticket there must be like."""

    host: Annotated[str, AfterValidator(_host)]
    """Its host name, such as example.service-now.com."""
    gate: Gate = "required"
    """`required`: every request has a ticket and it passes; `warn`: judged and shown; `off`: not contacted."""
    states: dict[str, tuple[TicketNumber, ...]] = Field(default_factory=dict)
    """Per class, the stored state values in which a ticket passes; the stock ones where left out."""
    approval: dict[str, str] = Field(default_factory=lambda: {"change_request": "approved", "sc_req_item": "approved"})
    """Classes whose tickets must be approved, and the stored value that says so."""
    pattern: Annotated[str, AfterValidator(_regex)] = NUMBER_PATTERN
    """What a ticket's number looks like."""

    def states_of(self, table: str) -> tuple[str, ...] | None:
        """The states in which a ticket of this class passes; None where the class is not known."""
        return self.states.get(table) or DEFAULT_STATES.get(table)


class LedgerSettings(Value):
    """Where the ledger lives."""

    ref: Annotated[str, Field(pattern=r"^refs/heads/[A-Za-z0-9][A-Za-z0-9._/-]*$")] = "refs/heads/pmgitops/ledger"
    remote: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "origin"
    lease: Annotated[int, BeforeValidator(_seconds), Field(ge=30, le=3600)] = 60
    """How long a request belongs to the runner that took it, such as 60s; longer than any write may take (20 s)."""


class Limits(Value):
    """What a single run may do without being asked."""

    max_cancellations: Count = 10
    """More cancellations than this need `--allow mass-cancel`."""


class Config(Value):
    """`pmgitops.yaml`."""

    api_version: Literal["pmgitops/v1"] = "pmgitops/v1"
    branch: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")] = "main"
    """The branch whose requests are delivered."""
    targets: dict[TargetName, Target] = {"permissions-management": Target()}  # noqa: RUF012  # pydantic copies defaults
    routes: tuple[Route, ...] = (Route(target="permissions-management"),)
    tickets: dict[str, TicketSystem] = Field(default_factory=dict)
    ledger: LedgerSettings = LedgerSettings()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Config:
        for place, route in enumerate(self.routes):
            if route.target not in self.targets:
                raise refuse(
                    "route", f"target {route.target!r} is not listed under targets", at=f"routes.{place}.target"
                )
        return self

    def target_of(self, kind: str) -> TargetName | None:
        """Where requests of this kind go; None where no route takes them."""
        return next((route.target for route in self.routes if kind in route.kinds), None)

    def ticket_system(self, name: str) -> TicketSystem | None:
        """The configured ticket system of this name, compared without case."""
        return next((system for key, system in self.tickets.items() if key.casefold() == name.casefold()), None)


CONFIG_MODEL: TypeAdapter[Config] = TypeAdapter(Config)


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
