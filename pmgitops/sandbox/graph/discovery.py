"""`/external/authorizationSystems` and everything below it, by the path grammar of OData rather than route by route."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pmgitops.sandbox.store import Json
from pmgitops.sandbox.world import World

from .catalog import owner_of
from .errors import GraphError, not_found
from .odata import Columns
from .pages import Collection, page_of

_CAST = re.compile(r"(?:microsoft\.)?graph\.(aws|azure|gcp)AuthorizationSystem")
_KEYED = re.compile(r"(\w+)\((?:(\w+)=)?'(.*)'\)")

_IDENTITIES = {
    "aws": ("all", "roles", "users"),
    "azure": ("all", "managedIdentities", "users", "servicePrincipals"),
    "gcp": ("all", "users", "serviceAccounts"),
}
_OTHERS = {
    "aws": ("actions", "policies", "resources", "services"),
    "azure": ("actions", "resources", "roleDefinitions", "services"),
    "gcp": ("actions", "resources", "roles", "services"),
}
_IDENTITY = frozenset({"id", "displayName", "externalId", "source"})
_MEMBERS = {
    "identity": ("authorizationSystemIdentity", _IDENTITY | {"roleType", "trustEntityType"}),
    "actions": ("authorizationSystemTypeAction",
                frozenset({"id", "externalId", "actionType", "severity", "resourceTypes", "service"})),
    "policies": ("awsPolicy", frozenset({"id", "externalId", "displayName", "awsPolicyType"})),
    "resources": ("authorizationSystemResource",
                  frozenset({"id", "externalId", "displayName", "resourceType", "service"})),
    "roleDefinitions": ("azureRoleDefinition", frozenset({"id", "externalId", "displayName", "azureRoleDefinitionType",
                                                          "assignableScopes"})),
    "roles": ("gcpRole", frozenset({"id", "externalId", "displayName", "gcpRoleType", "scopes"})),
    "services": ("authorizationSystemTypeService", frozenset({"id"})),
}  # fmt: skip
_SYSTEM_COLUMNS = Columns(
    entity="authorizationSystem",
    members=frozenset(
        {"id", "authorizationSystemId", "authorizationSystemName", "authorizationSystemType", "dataCollectionInfo"}
    ),
)
_PIM_COLUMNS = Columns(
    entity="governanceRoleAssignmentRequest",
    members=frozenset({"id", "resourceId", "roleDefinitionId", "subjectId", "linkedEligibleRoleAssignmentId", "type",
                       "assignmentState", "requestedDateTime", "reason", "schedule", "status"}),
)  # fmt: skip
_ROOT = "external/authorizationSystems"


@dataclass
class _Place:
    """Where in the tree of discovery a path has come to."""

    world: World
    request: Request
    system: sqlite3.Row
    cloud: str


async def discover(request: Request) -> Response:
    """GET anything below `/external/authorizationSystems`."""
    world: World = request.app.state.world
    raw = request.scope["raw_path"].decode("ascii").partition("/external/")[2]
    head, *rest = _segments(raw)
    if keyed := _KEYED.fullmatch(head):
        rest = [keyed[3], *rest]
    elif head != "authorizationSystems":
        raise _no_segment(head)
    if not rest:
        return _systems(request, world, "")
    if cast := _CAST.fullmatch(rest[0]):
        if len(rest) > 1:
            raise _no_segment(rest[1])
        return _systems(request, world, cast[1])
    return _below(request, world, rest[0], rest[1:])


async def pim_requests(request: Request) -> Response:
    """`GET privilegedAccess/azureResources/roleAssignmentRequests`, of all resources or of one."""
    world: World = request.app.state.world
    resource = request.path_params.get("resource")
    restriction, values = "system = ?1", (owner_of("pim"),)
    if resource is not None:
        restriction, values = restriction + " AND json_extract(body, '$.resourceId') = ?2", (*values, resource)  # type: ignore[assignment]
    if world.behaviour.pim_archive_ended:
        restriction += " AND 0"
    collection = Collection("inventory", _PIM_COLUMNS, _show, restriction, values)
    return page_of(request, world, collection, context="governanceRoleAssignmentRequests")


def _systems(request: Request, world: World, cloud: str) -> Response:
    restriction, values = ("system = '' AND collection = ?1", (cloud,)) if cloud else ("system = ''", ())
    collection = Collection("inventory", _SYSTEM_COLUMNS, _show, restriction, values)
    return page_of(request, world, collection, context=_ROOT)


def _below(request: Request, world: World, key: str, rest: list[str]) -> Response:
    system = world.store.one("SELECT * FROM inventory WHERE system = '' AND (id = ?1 OR external = ?1)", key)
    if system is None:
        raise not_found(f"There is no authorizationSystem '{key}'.")
    cloud = system["collection"]
    if rest and (cast := _CAST.fullmatch(rest[0])):
        if cast[1] != cloud:
            raise not_found(f"The authorizationSystem '{key}' is not of type 'microsoft.graph.{cast[1]}...'.")
        rest = rest[1:]
    elif rest:
        raise _no_segment(rest[0])
    place = _Place(world, request, system, cloud)
    return _inside(place, rest) if rest else _one(place, system, "$entity")


def _inside(place: _Place, rest: list[str]) -> Response:
    """`associatedIdentities/users/{id}/assumableRoles`, `actions(externalId='...')`, and the like."""
    first, *deeper = rest
    if first == "associatedIdentities" and deeper:
        name, key, deeper = _keyed(deeper)
        collection, known = f"associatedIdentities/{name}", _IDENTITIES[place.cloud]
    else:
        name, key, deeper = _keyed(rest)
        collection, known = name, _OTHERS[place.cloud]
    if name not in known:
        raise _no_segment(name)
    if key is None:
        return _many(place, collection)
    row = _find(place, collection, key)
    if deeper == ["assumableRoles"] and (place.cloud, name) == ("aws", "users"):
        return _many(place, f"assumableRoles/{row['id']}")
    if deeper:
        raise _no_segment(deeper[0])
    return _one(place, row, f"{collection}/$entity")


def _many(place: _Place, collection: str) -> Response:
    system = _owner(place, collection)
    restriction, values = "system = ?1 AND collection = ?2", (system, collection)
    if collection == "associatedIdentities/all":
        restriction, values = "system = ?1 AND collection LIKE 'associatedIdentities/%'", (system,)  # type: ignore[assignment]
    kind = collection if collection in _MEMBERS else "identity"
    entity, members = _MEMBERS[kind]
    shown = Collection("inventory", Columns(entity, members=members), _show, restriction, values)
    return page_of(place.request, place.world, shown, context=f"{_ROOT}('{place.system['id']}')/{collection}")


def _find(place: _Place, collection: str, key: str) -> sqlite3.Row:
    pattern = "associatedIdentities/%" if collection == "associatedIdentities/all" else collection
    sql = "SELECT * FROM inventory WHERE system = ? AND collection LIKE ? AND (id = ? OR external = ?)"
    row = place.world.store.one(sql, _owner(place, collection), pattern, key, key)
    if row is None:
        raise not_found(f"There is no '{key}' among {collection}.")
    return row


def _owner(place: _Place, collection: str) -> str:
    """Actions and services are those of a cloud, whichever of its systems is asked."""
    return owner_of(place.cloud) if collection in ("actions", "services") else str(place.system["external"])


def _one(place: _Place, row: sqlite3.Row, context: str) -> Response:
    root = f"{place.request.url.scheme}://{place.request.url.netloc}/beta"
    return JSONResponse({"@odata.context": f"{root}/$metadata#{_ROOT}('{place.system['id']}')/{context}", **_show(row)})


def _keyed(segments: list[str]) -> tuple[str, str | None, list[str]]:
    """A collection, the key into it (by segment or by parentheses) if any, and what is left of the path."""
    first, *rest = segments
    if keyed := _KEYED.fullmatch(first):
        return keyed[1], keyed[3].replace("''", "'"), rest
    return (first, rest[0], rest[1:]) if rest else (first, None, [])


def _segments(raw: str) -> list[str]:
    """The path's segments; a slash between quotes belongs to a key: `roles(externalId='arn:aws:iam::1:role/x')`."""
    segments, quoted = [""], False
    for part in re.split(r"('|%27|/)", raw):
        if part == "/" and not quoted:
            segments.append("")
            continue
        quoted ^= part in ("'", "%27")
        segments[-1] += part
    return [unquote(segment) for segment in segments if segment]


def _show(row: sqlite3.Row) -> Json:
    shown: Json = json.loads(row["body"])
    return shown


def _no_segment(segment: str) -> GraphError:
    return not_found(f"Resource not found for the segment '{segment}'.")
