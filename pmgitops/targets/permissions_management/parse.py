"""From a body at Permissions Management back to a request: the inverse of `render`. Pure.

The service adds members of its own, writes nulls, empty lists and defaults where nothing was said, and may write an
instant or an `@odata.type` in another way. What is left once that is taken away has to be said by a request exactly;
what no request can say is refused by its member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from pmgitops.model.difference import differences
from pmgitops.model.problem import problems
from pmgitops.model.request import REQUEST, AnyRequest
from pmgitops.model.scalars import instant_text, parse_duration
from pmgitops.targets.interface import Inexpressible, Payload

_SERVICES_OWN = frozenset({"id", "action", "createdDateTime", "statusDetail"})
"""Members of the entity that no request says."""
_INSTANTS = frozenset({"startDateTime", "endDateTime"})
_TYPED = frozenset({"requestedPermissions", "actionInfo", "source"})
"""Whose declared types are abstract; everywhere else `@odata.type` says nothing."""
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "pattern": (("month", 0), ("dayOfMonth", 0)),
    "range": (("endDate", "0001-01-01"), ("numberOfOccurrences", 0)),
}
"""What Graph shows of a recurrence's members that were not given."""
_KINDS = {
    "awsPolicyPermissionsDefinitionAction": "aws-policies",
    "awsActionsPermissionsDefinitionAction": "aws-actions",
    "azureActionPermissionsDefinitionAction": "azure-actions",
    "azureRolePermissionsDefinitionAction": "azure-roles",
    "gcpActionPermissionsDefinitionAction": "gcp-actions",
    "gcpRolePermissionsDefinitionAction": "gcp-roles",
}
_INSTANT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def parse(body: Payload, render: Callable[[AnyRequest], dict[str, Any]]) -> AnyRequest | Inexpressible:
    """The request that `render` makes this body of, or the first member that no request can say."""
    tidied = tidy(body)
    try:
        content = _content(tidied)
        request: AnyRequest = REQUEST.validator.validate_python(content, by_alias=True, by_name=False)
    except ValidationError as error:
        first = problems(error, REQUEST.core_schema, 100)[0]
        return Inexpressible(".".join(map(str, first.path)), first.message)
    except _Odd as odd:
        return Inexpressible(odd.member, odd.why)
    different = differences(comparable(body), comparable(render(request)))
    if different:
        member, theirs, ours = different[0]
        return Inexpressible(member, f"is {theirs}; a request would say {ours}")
    return request


class _Odd(Exception):  # noqa: N818  # it never leaves this module
    """A member that no request can say."""

    def __init__(self, member: str, why: str) -> None:
        super().__init__(member)
        self.member = member
        self.why = why


# One form of what means the same


def tidy(body: Payload) -> dict[str, Any]:
    """A body without what says nothing, in the words of `render`."""
    members = {name: value for name, value in body.items() if name not in _SERVICES_OWN}
    tidied: dict[str, Any] = _tidied("", members)
    return tidied


def _tidied(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if name == "condition":
            return value
        silent = _DEFAULTS.get(name, ())
        found = {
            inner: _tidied(inner, below)
            for inner, below in value.items()
            if below is not None and below != [] and (inner, below) not in silent
        }
        odata = found.pop("@odata.type", None) if name in _TYPED else None
        found = {inner: below for inner, below in found.items() if "@odata." not in inner}
        return {"@odata.type": _odata(odata), **found} if odata else found
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_tidied(name, item) for item in value]
    if name in _INSTANTS:
        return _instant(value)
    return value.upper() if name == "authorizationSystemType" and isinstance(value, str) else value


def _odata(text: Any) -> str:
    return "#microsoft.graph." + str(text).removeprefix("#").removeprefix("microsoft.graph.").removeprefix("graph.")


def _instant(value: Any) -> Any:
    try:
        return instant_text(_INSTANT.validate_python(value))
    except ValueError:
        return value


def comparable(body: Payload) -> dict[str, Any]:
    """A tidied body with lists in one order, lengths of time in one spelling, and Azure's names in one case."""
    tidied = tidy(body)
    asked = tidied.get("requestedPermissions")
    if isinstance(asked, Mapping) and "Azure" in str(asked.get("@odata.type")):
        tidied["requestedPermissions"] = {
            name: _lower(value) if name in {"actionInfo", "resourceId", "authorizationSystemInfo"} else value
            for name, value in asked.items()
        }
    ordered: dict[str, Any] = _ordered("", tidied)
    return ordered


def _ordered(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if name == "condition":
            return value
        return {inner: _ordered(inner, below) for inner, below in value.items() if (inner, below) != ("index", "first")}
    if isinstance(value, list):
        return sorted((_ordered(name, item) for item in value), key=repr)
    if name == "duration":
        try:
            return f"PT{parse_duration(value).total_seconds():g}S"
        except (TypeError, ValueError, OverflowError):
            return value
    return value


def _lower(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: below if name == "@odata.type" else _lower(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_lower(item) for item in value]
    return value.lower() if isinstance(value, str) else value


# From Graph's words to ours


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    asked = _mapping(body, "requestedPermissions")
    info = _mapping(asked, "requestedPermissions.actionInfo")
    kind = _KINDS.get(str(info.get("@odata.type", "")).removeprefix("#microsoft.graph."))
    if kind is None:
        raise _Odd("requestedPermissions.actionInfo.@odata.type", f"{info.get('@odata.type')!r} is no kind of request")
    system = _mapping(asked, "requestedPermissions.authorizationSystemInfo").get("authorizationSystemId")
    content: dict[str, Any] = {
        "apiVersion": "pmgitops/v1",
        "kind": kind,
        "authorizationSystemId": system,
        "identity": _identity(_mapping(asked, "requestedPermissions.identityInfo"), kind, system),
        "resourceId": asked.get("resourceId"),
        "assignToRoleId": info.get("assignToRoleId"),
        "policies": _ids(info, "policies"),
        "roles": _ids(info, "roles"),
        "statements": info.get("statements"),
        "actions": info.get("actions"),
        **{name: body.get(name) for name in ("justification", "notes", "scheduleInfo", "ticketInfo")},
    }
    return {name: value for name, value in content.items() if value is not None}


def _identity(info: Mapping[str, Any], kind: str, system: Any) -> dict[str, Any]:
    source = _mapping(info, "requestedPermissions.identityInfo.source")
    identity = {
        "externalId": info.get("externalId"),
        "source": str(source.get("@odata.type", "")).removeprefix("#microsoft.graph.").removesuffix("IdentitySource"),
        "type": info.get("identityType"),
    }
    marked = kind.startswith("aws") and identity["source"] in {"saml", "ed"} and identity["type"] == "user"
    if marked and isinstance(identity["externalId"], str):
        plain = identity["externalId"].removeprefix("rsn:")
        identity["externalId"] = f"rsn:{plain}" if plain.startswith("rsn:") else plain
    if identity["source"] == "aws":
        where = "requestedPermissions.identityInfo.source.authorizationSystemInfo"
        account = _mapping(source, where).get("authorizationSystemId")
        if account != system:
            identity["accountId"] = account
    return {name: value for name, value in identity.items() if value is not None}


def _mapping(above: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    found = above.get(path.rpartition(".")[2])
    if not isinstance(found, Mapping):
        raise _Odd(path, "is missing" if found is None else "is not an object")
    return found


def _ids(info: Mapping[str, Any], name: str) -> list[Any] | None:
    found = info.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(item, Mapping) and item.keys() == {"id"} for item in found):
        raise _Odd(f"requestedPermissions.actionInfo.{name}", "is not a list of ids")
    return [item["id"] for item in found]
