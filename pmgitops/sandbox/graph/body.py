"""What may be asked: the body of a request, checked as a service with closed types would, all faults at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from pmgitops.sandbox.clock import read_instant
from pmgitops.sandbox.store import Json

from .errors import bad_request
from .schedule import duration_of

Fault = tuple[str, str]  # where, and what is wrong there
Check = Callable[[Any, str], Iterator[Fault]]

_INSTANT = re.compile(r"\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Member:
    """One member of a closed type."""

    check: Check
    required: bool = False
    nullable: bool = False


def validate(body: object) -> Json:
    """The body of a create, or the 400 that names every member that is wrong."""
    faults = list(_closed("scheduledPermissionsRequest", REQUEST)(body, ""))
    if not faults:
        assert isinstance(body, dict)
        faults = list(_consistent(body))
        if not faults:
            return body
    raise bad_request(" ".join(message for _, message in faults), faults)


def _consistent(body: Json) -> Iterator[Fault]:
    permissions = body["requestedPermissions"]
    declared = permissions["@odata.type"].removeprefix("#").removeprefix("microsoft.graph.")
    system_type = permissions["authorizationSystemInfo"]["authorizationSystemType"]
    if system_type.upper() != _CLOUD[declared]:
        where = "requestedPermissions/authorizationSystemInfo/authorizationSystemType"
        yield where, f"The authorizationSystemType '{system_type}' does not go with '{declared}'."
    ids = [statement["statementId"] for statement in permissions["actionInfo"].get("statements", [])]
    for repeated in sorted({one for one in ids if ids.count(one) > 1}):
        yield "requestedPermissions/actionInfo/statements", f"The statementId '{repeated}' is not unique."


# The checks for values.


def _text(value: object, at: str) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield at, f"Cannot read the value of '{_leaf(at)}' as the expected type 'Edm.String'."


def _integer(low: int, high: int = 2**31 - 1) -> Check:
    def check(value: object, at: str) -> Iterator[Fault]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield at, f"Cannot read the value of '{_leaf(at)}' as the expected type 'Edm.Int32'."
        elif not low <= value <= high:
            yield at, f"The value {value} of '{_leaf(at)}' is out of range."

    return check


def _literal(edm: str, parse: Callable[[str], object]) -> Check:
    def check(value: object, at: str) -> Iterator[Fault]:
        try:
            parse(value if isinstance(value, str) else "")
        except ValueError:
            yield at, f"Cannot convert the literal '{value}' of '{_leaf(at)}' to the expected type '{edm}'."

    return check


def _positive_duration(value: object, at: str) -> Iterator[Fault]:
    faults = list(_literal("Edm.Duration", duration_of)(value, at))
    yield from faults
    if not faults and duration_of(str(value)) <= 0:
        yield at, f"The '{_leaf(at)}' must be longer than nothing."


def _parse_instant(text: str) -> object:
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    return read_instant(text)


def _parse_date(text: str) -> object:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError(text)
    return date.fromisoformat(text)


_instant = _literal("Edm.DateTimeOffset", _parse_instant)
_date = _literal("Edm.Date", _parse_date)


def _enum(name: str, *members: str) -> Check:
    def check(value: object, at: str) -> Iterator[Fault]:
        if value not in members:
            yield at, f"The value '{value}' of '{_leaf(at)}' is not a member of 'microsoft.graph.{name}'."

    return check


def _list(item: Check, *, at_least: int = 0) -> Check:
    def check(value: object, at: str) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield at, f"The member '{_leaf(at)}' must be a collection."
            return
        if len(value) < at_least:
            yield at, f"The collection '{_leaf(at)}' must not be empty."
        for position, entry in enumerate(value):
            yield from item(entry, f"{at}/{position}")

    return check


# The checks for types.


def _closed(name: str, members: dict[str, Member], *rules: Check) -> Check:
    """A complex or entity type that refuses members it does not declare; annotations (`@...`) pass."""

    def check(value: object, at: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield at, f"The member '{_leaf(at)}' must be an object of type 'microsoft.graph.{name}'."
            return
        faults = [*_type_faults(name, value, at), *_member_faults(name, members, value, at)]
        yield from faults
        if not faults:
            for rule in rules:
                yield from rule(value, at)

    return check


def _type_faults(name: str, value: Json, at: str) -> Iterator[Fault]:
    declared = value.get("@odata.type")
    if declared is not None and _type_name(declared) != name:
        yield at, f"The type '{declared}' does not fit '{_leaf(at)}', which is of type 'microsoft.graph.{name}'."


def _member_faults(name: str, members: dict[str, Member], value: Json, at: str) -> Iterator[Fault]:
    for key, content in value.items():
        member = members.get(key)
        where = f"{at}/{key}".lstrip("/")
        if member is None:
            if "@" not in key:
                yield where, f"The property '{key}' does not exist on type 'microsoft.graph.{name}'."
        elif content is None:
            if not member.nullable:
                yield where, f"The property '{key}' of 'microsoft.graph.{name}' must not be null."
        else:
            yield from member.check(content, where)
    for key, member in members.items():
        if member.required and key not in value:
            yield f"{at}/{key}".lstrip("/"), f"The property '{key}' of 'microsoft.graph.{name}' is missing."


def _abstract(base: str, derived: dict[str, Check]) -> Check:
    """An abstract declared type: the body has to say which concrete one it brings."""

    def check(value: object, at: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield at, f"The member '{_leaf(at)}' must be an object of a type derived from 'microsoft.graph.{base}'."
            return
        declared = value.get("@odata.type")
        concrete = derived.get(_type_name(declared))
        if declared is None:
            yield at, f"'{_leaf(at)}' needs an '@odata.type': 'microsoft.graph.{base}' is abstract."
        elif concrete is None:
            yield at, f"The type '{declared}' of '{_leaf(at)}' is not derived from 'microsoft.graph.{base}'."
        else:
            yield from concrete(value, at)

    return check


def _by_type(name: str, kinds: dict[str, dict[str, Member]]) -> Check:
    """One type whose member `type` decides which of the others it takes."""
    everything = {key: member for kind in kinds.values() for key, member in kind.items()}
    any_kind = {key: Member(member.check) for key, member in everything.items()}
    undecided = _closed(name, {"type": Member(_enum(f"{name}Type", *kinds), required=True), **any_kind})

    def check(value: object, at: str) -> Iterator[Fault]:
        kind = value.get("type") if isinstance(value, dict) else None
        members = kinds.get(kind) if isinstance(kind, str) else None
        if not isinstance(value, dict) or members is None:
            yield from undecided(value, at)
            return
        for key in value:
            if key in everything and key not in members:
                yield f"{at}/{key}", f"A {name} of type '{kind}' takes no '{key}'."
        known = {key: content for key, content in value.items() if key in members or key not in everything}
        yield from _closed(name, {"type": Member(_text), **members})(known, at)

    return check


def _type_name(declared: object) -> str:
    return str(declared).removeprefix("#").removeprefix("microsoft.graph.")


def _leaf(at: str) -> str:
    """The member's own name; a position in a collection is told with the collection's."""
    parts = at.split("/")
    return "/".join(parts[-2:]) if parts[-1].isdigit() else parts[-1] or "the body"


# The rules between members.


def _one_of_each_pair(statement: Json, at: str) -> Iterator[Fault]:
    for given, excluded in (("actions", "notActions"), ("resources", "notResources")):
        if bool(statement[given]) == bool(statement[excluded]):
            yield at, f"A statement has either '{given}' or '{excluded}', and one of them must not be empty."


def _one_end(expiration: Json, at: str) -> Iterator[Fault]:
    duration, end = expiration.get("duration"), expiration.get("endDateTime")
    if duration is not None and end is not None:
        yield at, "An expiration has either a 'duration' or an 'endDateTime'."
    if expiration.get("type") == "afterDuration" and duration is None:
        yield at, "An expiration of type 'afterDuration' needs a 'duration'."
    if expiration.get("type") == "afterDateTime" and end is None:
        yield at, "An expiration of type 'afterDateTime' needs an 'endDateTime'."


def _ends_after_start(schedule: Json, at: str) -> Iterator[Fault]:
    end = (schedule.get("expiration") or {}).get("endDateTime")
    start = schedule.get("startDateTime")
    if start and end and read_instant(end) <= read_instant(start):
        yield at, "The 'endDateTime' is not after the 'startDateTime'."


def _anything(value: object, at: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield at, f"The member '{_leaf(at)}' must be an object of type 'microsoft.graph.awsCondition'."


# The types, bottom up.

_DAY = _enum("dayOfWeek", "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_NEEDED_TEXT, _OPTIONAL_TEXT = Member(_text, required=True), Member(_text, nullable=True)
_TEXTS = Member(_list(_text), required=True)
_NEEDED_TEXTS = Member(_list(_text, at_least=1), required=True)
_INTERVAL = Member(_integer(1), required=True)
_DAYS = Member(_list(_DAY, at_least=1), required=True)
_DAY_OF_MONTH = Member(_integer(1, 31), required=True)
_MONTH = Member(_integer(1, 12), required=True)
_WEEK = Member(_enum("weekIndex", "first", "second", "third", "fourth", "last"))
_START_DATE = Member(_date, required=True)

PATTERNS = {
    "daily": {"interval": _INTERVAL},
    "weekly": {"interval": _INTERVAL, "daysOfWeek": _DAYS, "firstDayOfWeek": Member(_DAY, required=True)},
    "absoluteMonthly": {"interval": _INTERVAL, "dayOfMonth": _DAY_OF_MONTH},
    "relativeMonthly": {"interval": _INTERVAL, "daysOfWeek": _DAYS, "index": _WEEK},
    "absoluteYearly": {"interval": _INTERVAL, "dayOfMonth": _DAY_OF_MONTH, "month": _MONTH},
    "relativeYearly": {"interval": _INTERVAL, "daysOfWeek": _DAYS, "month": _MONTH, "index": _WEEK},
}
RANGES = {
    "endDate": {
        "startDate": _START_DATE, "endDate": Member(_date, required=True), "recurrenceTimeZone": _OPTIONAL_TEXT,
    },
    "noEnd": {"startDate": _START_DATE, "recurrenceTimeZone": _OPTIONAL_TEXT},
    "numbered": {
        "startDate": _START_DATE, "numberOfOccurrences": Member(_integer(1), required=True),
        "recurrenceTimeZone": _OPTIONAL_TEXT,
    },
}  # fmt: skip

_RECURRENCE = _closed("patternedRecurrence", {
    "pattern": Member(_by_type("recurrencePattern", PATTERNS), required=True),
    "range": Member(_by_type("recurrenceRange", RANGES), required=True),
})  # fmt: skip
_EXPIRATION = _closed("expirationPattern", {
    "type": Member(
        _enum("expirationPatternType", "notSpecified", "noExpiration", "afterDateTime", "afterDuration"), nullable=True
    ),
    "duration": Member(_positive_duration, nullable=True),
    "endDateTime": Member(_instant, nullable=True),
}, _one_end)  # fmt: skip
_SCHEDULE = _closed("requestSchedule", {
    "startDateTime": Member(_instant, nullable=True),
    "expiration": Member(_EXPIRATION, nullable=True),
    "recurrence": Member(_RECURRENCE, nullable=True),
}, _ends_after_start)  # fmt: skip
_TICKET = _closed("ticketInfo", {
    "ticketNumber": _OPTIONAL_TEXT, "ticketSystem": _OPTIONAL_TEXT,
    "ticketSubmitterIdentityId": _OPTIONAL_TEXT, "ticketApproverIdentityId": _OPTIONAL_TEXT,
})  # fmt: skip

_SYSTEM = _closed("permissionsDefinitionAuthorizationSystem", {
    "authorizationSystemId": _NEEDED_TEXT, "authorizationSystemType": _NEEDED_TEXT,
})  # fmt: skip
_SOURCE = _abstract("permissionsDefinitionIdentitySource", {
    **{name: _closed(name, {}) for name in ("edIdentitySource", "samlIdentitySource", "localIdentitySource")},
    "awsIdentitySource": _closed("awsIdentitySource", {"authorizationSystemInfo": Member(_SYSTEM, required=True)}),
})  # fmt: skip
_IDENTITY = _closed("permissionsDefinitionAuthorizationSystemIdentity", {
    "externalId": _NEEDED_TEXT,
    "identityType": Member(
        _enum("permissionsDefinitionIdentityType", "user", "role", "application", "managedIdentity", "serviceAccount"),
        required=True,
    ),
    "source": Member(_SOURCE, required=True),
})  # fmt: skip
_STATEMENT = _closed("awsStatement", {
    "statementId": _NEEDED_TEXT, "effect": Member(_enum("awsStatementEffect", "allow", "deny"), required=True),
    "actions": _TEXTS, "notActions": _TEXTS, "resources": _TEXTS, "notResources": _TEXTS,
    "condition": Member(_anything, nullable=True),
}, _one_of_each_pair)  # fmt: skip


def _by_id(name: str) -> Member:
    return Member(_list(_closed(name, {"id": _NEEDED_TEXT}), at_least=1), required=True)


def _definition(name: str, action: str, actions: dict[str, dict[str, Member]], *, resource: bool) -> Check:
    concrete = {kind: _closed(kind, members) for kind, members in actions.items()}
    members = {
        "authorizationSystemInfo": Member(_SYSTEM, required=True),
        "identityInfo": Member(_IDENTITY, required=True),
        "actionInfo": Member(_abstract(action, concrete), required=True),
    }
    return _closed(name, members | ({"resourceId": _NEEDED_TEXT} if resource else {}))


_CLOUD = {
    "awsPermissionsDefinition": "AWS",
    "singleResourceAzurePermissionsDefinition": "AZURE",
    "singleResourceGcpPermissionsDefinition": "GCP",
}
_PERMISSIONS = _abstract("permissionsDefinition", {
    "awsPermissionsDefinition": _definition("awsPermissionsDefinition", "awsPermissionsDefinitionAction", {
        "awsPolicyPermissionsDefinitionAction": {
            "assignToRoleId": _OPTIONAL_TEXT, "policies": _by_id("permissionsDefinitionAwsPolicy"),
        },
        "awsActionsPermissionsDefinitionAction": {
            "assignToRoleId": _OPTIONAL_TEXT, "statements": Member(_list(_STATEMENT, at_least=1), required=True),
        },
    }, resource=False),
    "singleResourceAzurePermissionsDefinition": _definition(
        "singleResourceAzurePermissionsDefinition", "azurePermissionsDefinitionAction", {
            "azureActionPermissionsDefinitionAction": {"actions": _NEEDED_TEXTS},
            "azureRolePermissionsDefinitionAction": {"roles": _by_id("permissionsDefinitionAzureRole")},
        }, resource=True),
    "singleResourceGcpPermissionsDefinition": _definition(
        "singleResourceGcpPermissionsDefinition", "gcpPermissionsDefinitionAction", {
            "gcpActionPermissionsDefinitionAction": {"actions": _NEEDED_TEXTS},
            "gcpRolePermissionsDefinitionAction": {"roles": _by_id("permissionsDefinitionGcpRole")},
        }, resource=True),
})  # fmt: skip

REQUEST = {
    "requestedPermissions": Member(_PERMISSIONS, required=True),
    "justification": _OPTIONAL_TEXT,
    "notes": _OPTIONAL_TEXT,
    "scheduleInfo": Member(_SCHEDULE, nullable=True),
    "ticketInfo": Member(_TICKET, nullable=True),
    # Declared on the entity, so not unknown; the service sets them itself whatever is sent.
    "createdDateTime": Member(_instant),
    "statusDetail": Member(_enum("statusDetail", "submitted", "approved", "completed", "canceled", "rejected")),
    "action": Member(_enum(
        "unifiedRoleScheduleRequestActions", "adminAssign", "adminUpdate", "adminRemove", "selfActivate",
        "selfDeactivate", "adminExtend", "adminRenew", "selfExtend", "selfRenew",
    ), nullable=True),
}  # fmt: skip
