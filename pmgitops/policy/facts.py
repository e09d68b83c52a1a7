"""What a policy sees: a request and its circumstances as plain, typed, bounded values. Pure; the clock is always given.

The classes below are declared to the engine as they stand (in camelCase), so a rule that names another field does not
load. What we make of a request, once for every request, is named tuples; what we are handed (`ticket`, `change`) is
models. Those two may be unknown when a request is judged; they are then absent, never blank.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pmgitops.errors import CatalogError
from pmgitops.model.change import Change
from pmgitops.model.occurrences import days, most_in
from pmgitops.model.request import AnyRequest
from pmgitops.model.request import Statement as WrittenStatement
from pmgitops.model.schedule import EndDate, NoEnd, Numbered, Recurrence, Schedule
from pmgitops.model.ticket import TicketRecord
from pmgitops.policy import meaning
from pmgitops.policy.existence import Existence

if TYPE_CHECKING:
    from pmgitops.catalog.snapshot import Catalog, System

FOREVER = timedelta(days=36_500)
"""A hundred years: how long access is taken to last that does not end. CEL counts in nanoseconds, up to 292 years."""
MONTH = timedelta(days=31)


class IdentityFacts(NamedTuple):
    """Who gets the access."""

    external_id: str
    """The identity's name in its source."""
    source: str
    """`saml`, `ed`, `local` or `aws`."""
    type: str
    """`user`, `role`, `application`, `managedIdentity` or `serviceAccount`."""
    account_id: str = ""
    """With `source: aws`, the identity's account where it is not the request's own."""


class ConditionFacts(NamedTuple):
    """One line of an IAM condition."""

    operator: str
    """Such as `NumericLessThanEquals`."""
    key: str
    """Such as `aws:MultiFactorAuthAge`."""
    operands: tuple[str, ...]
    """What it is compared with."""


class StatementFacts(NamedTuple):
    """One statement of `aws-actions`, as written."""

    statement_id: str
    """The statement's id."""
    effect: str
    """`allow` or `deny`."""
    actions: tuple[str, ...]
    """Actions as written."""
    not_actions: tuple[str, ...]
    """All actions but these."""
    resources: tuple[str, ...]
    """Resources as written."""
    not_resources: tuple[str, ...]
    """All resources but these."""
    conditions: tuple[ConditionFacts, ...]
    """All of them hold."""


class ScheduleFacts(NamedTuple):
    """When, how long and how often."""

    start: datetime
    """When it starts; `now` where the request does not say."""
    immediate: bool
    """Whether it starts as soon as it is delivered."""
    ends: bool
    """Whether one occurrence ends by itself."""
    end: datetime
    """When the first occurrence ends; a hundred years after its start where it does not."""
    duration: timedelta
    """How long one occurrence lasts; a hundred years where it does not end."""
    recurring: bool
    """Whether it repeats."""
    recurrence_ends: bool
    """Whether the last occurrence is known; true where nothing repeats."""
    until: datetime
    """When, at the latest, the last occurrence has ended."""
    occurrences_per_month: int
    """The most occurrences that begin in any 31 days."""
    per_month: timedelta
    """The most time that is granted in any 31 days: `duration` times `occurrencesPerMonth`, at most 31 days."""


class ClaimFacts(NamedTuple):
    """What the request says of its ticket; nothing here was looked up."""

    declared: bool
    """Whether the request names a ticket."""
    number: str = ""
    """The ticket's number."""
    system: str = ""
    """The ticket system's name."""
    submitter: str = ""
    """Who opened it, says the request."""
    approver: str = ""
    """Who approved it, says the request."""


class RiskFacts(NamedTuple):
    """How much harm the access can do, by AWS's access levels, known ways to more access, and the catalog."""

    level: str
    """`low`: reads what is no secret; `medium`: changes things; `high`: makes more access, or cannot be told."""
    reasons: tuple[str, ...]
    """What makes it so; empty where it is low."""


class RequestFacts(NamedTuple):
    """The request. Lists that its kind does not have are empty, texts too."""

    name: str
    """The file's stem."""
    kind: str
    """`aws-policies`, `aws-actions`, `azure-actions`, `azure-roles`, `gcp-actions` or `gcp-roles`."""
    provider: str
    """`aws`, `azure` or `gcp`."""
    authorization_system_id: str
    """The AWS account, Azure subscription or GCP project."""
    identity: IdentityFacts
    """Who gets the access."""
    actions: tuple[str, ...]
    """Actions asked for, as written: those of `allow` statements for `aws-actions`."""
    not_actions: tuple[str, ...]
    """Of `allow` statements: everything but these is asked for."""
    expanded_actions: tuple[str, ...]
    """The actions that `actions` and `notActions` reach, in lower case, wildcards as what they mean, without what is
    denied everywhere; a pattern that means nothing known stays as it is (see `reachedBy`)."""
    resources: tuple[str, ...]
    """Resources of `allow` statements, as written."""
    not_resources: tuple[str, ...]
    """Of `allow` statements: everything but these is reached."""
    statements: tuple[StatementFacts, ...]
    """All statements, `deny` included."""
    policies: tuple[str, ...]
    """ARNs of managed policies."""
    roles: tuple[str, ...]
    """Azure role definition ids or GCP role names."""
    resource_id: str
    """The Azure scope or GCP resource."""
    assign_to_role_id: str
    """The AWS role that the access is put on."""
    justification: str
    """Why the access is needed."""
    notes: str
    """Anything else."""
    schedule: ScheduleFacts
    """When, how long and how often."""
    ticket: ClaimFacts
    """What the request says of its ticket."""
    risk: RiskFacts
    """How much harm the access can do."""


class Fact(BaseModel):
    """The base of facts that we are handed: frozen, closed, camelCase for rules and snake_case for us."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,
    )


class ChangeFacts(Fact):
    """What merging will do. Absent where a file is judged by itself, outside a pull request."""

    action: Literal["create", "replace", "cancel", "none"]
    """What becomes of the request."""
    author: str = ""
    """E-mail address of the author of the commit that last changed the file, as that commit claims."""


class TicketFacts(Fact):
    """What ServiceNow said. Absent where it was not asked: the checks of a pull request hold no secrets."""

    found: bool
    """Whether there is such a ticket."""
    number: str = ""
    """Its number."""
    class_: str = Field(default="", alias="class")
    """Its table, such as `incident` or `change_request`."""
    state: str = ""
    """Its state's stored value, such as `2`."""
    state_label: str = ""
    """Its state as people read it, such as `In Progress`."""
    active: bool = False
    """Whether it is open."""
    approval: str = ""
    """`approved`, `requested`, `not requested`, ...; empty for classes without approvals."""
    short_description: str = ""
    """Its title."""
    submitters: tuple[str, ...] = ()
    """For whom it is, and who opened it: e-mail addresses, user names where those may not be read."""
    opened_by: str = ""
    """Who opened it, named likewise."""
    approvers: tuple[str, ...] = ()
    """Who has approved it, named likewise: those who were asked. Only of classes whose approval is configured."""
    planned: bool = False
    """Whether it is a change or change task with a planned start and end."""
    window_start: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """When it is planned to start; 1970 where it is not planned."""
    window_end: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """When it is planned to end; 1970 where it is not planned."""
    configuration_item: str = ""
    """The name of the configuration item that it is about."""
    assignment_group: str = ""
    """The name of the group that works on it."""


class CatalogFacts(Fact):
    """The committed snapshot of the authorization systems, and what it knows of the request's names."""

    present: bool = False
    """Whether there is one that can be read."""
    age: timedelta = FOREVER
    """How long ago it was read; a hundred years where there is none."""
    system: str = ""
    """The display name of the request's account, subscription or project; empty where it is not known."""
    online: bool = False
    """Whether the source hears from that system."""
    modifiable: bool = False
    """Whether permissions can be changed there."""
    unknown: tuple[str, ...] = ()
    """Names in the request that the snapshot knows nothing of."""
    undecided: tuple[str, ...] = ()
    """Names of which it cannot tell."""


NO_CATALOG = CatalogFacts()

VARIABLES: dict[str, type] = {
    "request": RequestFacts,
    "change": ChangeFacts,
    "ticket": TicketFacts,
    "catalog": CatalogFacts,
    "now": datetime,
}
"""Name -> type of everything a rule may speak of, besides `data`."""

AWAITED: dict[str, str] = {"ticket": "the ticket is read", "change": "the change is known"}
"""Variables that may be absent -> what has to happen before a rule that needs them can be judged."""


def request_facts(name: str, request: AnyRequest, now: datetime, catalog: Catalog | None = None) -> RequestFacts:
    """The facts of a request at `now`; with a catalog, also by what that knows of its actions."""
    parts = vars(request)  # what the kind at hand has; asking a model for what it has not is slow
    statements = parts.get("statements", ())
    allowed = [statement for statement in statements if statement.effect == "allow"]
    identity, reached = request.identity, meaning.reached(request, catalog)
    return RequestFacts(
        name=name,
        kind=request.kind,
        provider=request.provider,
        authorization_system_id=request.authorization_system_id,
        identity=IdentityFacts(identity.external_id, identity.source, identity.type, identity.account_id or ""),
        actions=parts.get("actions") or _joined(allowed, "actions"),
        not_actions=_joined(allowed, "not_actions"),
        expanded_actions=reached,
        resources=_joined(allowed, "resources"),
        not_resources=_joined(allowed, "not_resources"),
        statements=tuple(map(_statement, statements)),
        policies=parts.get("policies", ()),
        roles=parts.get("roles", ()),
        resource_id=parts.get("resource_id", ""),
        assign_to_role_id=parts.get("assign_to_role_id") or "",
        justification=request.justification,
        notes=request.notes or "",
        schedule=schedule_facts(request.schedule_info, now),
        ticket=_claim(request),
        risk=RiskFacts(*meaning.risk(request, reached, catalog)),
    )


def catalog_facts(catalog: Catalog, seen: Existence, now: datetime) -> CatalogFacts:
    """What a snapshot knows of a request's names; one that is broken is as good as none."""
    try:
        age = catalog.age(now)
    except CatalogError:
        return NO_CATALOG
    return _known(age, seen.system, seen.unknown_names, seen.undecided_names)


@lru_cache(1024)
def _known(age: timedelta, system: System | None, unknown: tuple[str, ...], undecided: tuple[str, ...]) -> CatalogFacts:
    """Most requests name what exists: then a system's facts are the same for all of them, and made once."""
    return CatalogFacts(
        present=True,
        age=age,
        system=system.name if system else "",
        online=bool(system and system.online),
        modifiable=bool(system and system.modifiable),
        unknown=unknown,
        undecided=undecided,
    )


def schedule_facts(schedule: Schedule, now: datetime) -> ScheduleFacts:
    """When, how long and how often, with every length bounded by `FOREVER`."""
    start = schedule.start_date_time or now
    end = schedule.end(now)
    # An endDateTime that has passed grants nothing.
    duration = max(timedelta(), min(end - start, FOREVER)) if end else FOREVER
    recurrence = schedule.recurrence
    most = most_in(MONTH, recurrence) if recurrence else 1
    first_ends = _after(start, duration)
    return ScheduleFacts(
        start=start,
        immediate=schedule.start_date_time is None,
        ends=end is not None,
        end=first_ends,
        duration=duration,
        recurring=recurrence is not None,
        recurrence_ends=recurrence is None or recurrence.ends,
        until=max(first_ends, _until(recurrence, duration)) if recurrence else first_ends,
        occurrences_per_month=most,
        per_month=min(duration * most, MONTH),
    )


def change_facts(change: Change) -> ChangeFacts:
    """What merging will do, as rules see it."""
    return ChangeFacts(action=change.action, author=change.author)


def ticket_facts(record: TicketRecord | None) -> TicketFacts:
    """What the ticket system said; None means that it was asked and knows no such ticket."""
    if record is None:
        return TicketFacts(found=False)
    return TicketFacts(
        found=True,
        number=record.number,
        class_=record.table,
        state=record.state,
        state_label=record.state_label,
        active=record.active,
        approval=record.approval,
        short_description=record.short_description,
        submitters=tuple(map(str, record.submitters)),
        opened_by=str(record.opened_by or ""),
        approvers=tuple(dict.fromkeys(str(row.approver) for row in record.approved)),
        configuration_item=record.configuration_item.name if record.configuration_item else "",
        assignment_group=record.assignment_group.name if record.assignment_group else "",
        **_window(record),
    )


def _window(record: TicketRecord) -> dict[str, Any]:
    if record.window is None:
        return {}
    start, end = record.window
    return {"planned": True, "window_start": start, "window_end": end}


def _joined(statements: list[WrittenStatement], field: str) -> tuple[str, ...]:
    return tuple([item for statement in statements for item in getattr(statement, field) or ()]) if statements else ()


def _statement(statement: WrittenStatement) -> StatementFacts:
    return StatementFacts(
        statement_id=statement.statement_id,
        effect=statement.effect,
        actions=statement.actions or (),
        not_actions=statement.not_actions or (),
        resources=statement.resources or (),
        not_resources=statement.not_resources or (),
        conditions=tuple(
            ConditionFacts(operator=operator, key=key, operands=(value,) if isinstance(value, str) else tuple(value))
            for operator, keys in (statement.condition or {}).items()
            for key, value in keys.items()
        ),
    )


def _claim(request: AnyRequest) -> ClaimFacts:
    ticket = request.ticket_info
    if ticket is None:
        return ClaimFacts(declared=False)
    return ClaimFacts(
        declared=True,
        number=ticket.ticket_number,
        system=ticket.ticket_system,
        submitter=ticket.ticket_submitter_identity_id or "",
        approver=ticket.ticket_approver_identity_id or "",
    )


def _until(recurrence: Recurrence, duration: timedelta) -> datetime:
    """When the last occurrence has ended, with two days to spare for its time of day in any time zone."""
    match recurrence.range:
        case NoEnd(start_date=start):
            return _after(_midnight(start), FOREVER)
        case EndDate(end_date=end):
            last = end
        case Numbered(start_date=start):
            last = deque(days(recurrence), maxlen=1).pop()
    return _after(_midnight(last), duration + timedelta(days=2))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def _after(start: datetime, length: timedelta) -> datetime:
    try:
        return start + length
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
