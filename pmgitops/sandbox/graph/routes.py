"""The addresses of Graph beta: permission requests, their change events, discovery, the legacy list of PIM."""

from __future__ import annotations

import json
import sqlite3

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pmgitops.sandbox.clock import iso
from pmgitops.sandbox.store import Json
from pmgitops.sandbox.world import World

from .body import validate
from .discovery import discover, pim_requests
from .errors import GraphError, bad_request, not_found, refuse
from .gate import Caller, Gate
from .lifecycle import Lifecycle
from .odata import Columns
from .pages import Collection, page_of

_PM = "/identityGovernance/permissionsManagement"
_REQUESTS = f"{_PM}/scheduledPermissionsRequests"
_CHANGES = f"{_PM}/permissionsRequestChanges"
_PIM = "/privilegedAccess/azureResources"
_MINE = {
    "principal": "principal = ?1",
    "createdBy": "caller = ?1",
    "approver": "approver = ?1",
}

_REQUEST_COLUMNS = Columns(
    entity="scheduledPermissionsRequest",
    direct={"id": "id", "createdDateTime": "created", "statusDetail": "status", "ticketInfo/ticketNumber": "ticket"},
    instants=frozenset({"createdDateTime"}),
    members=frozenset({"action", "justification", "notes", "requestedPermissions", "scheduleInfo", "ticketInfo"}),
)
_CHANGE_COLUMNS = Columns(
    entity="permissionsRequestChange",
    direct={
        "id": "id",
        "modificationDateTime": "at",
        "permissionsRequestId": "request",
        "statusDetail": "status",
        "activeOccurrenceStatus": "occurrence",
        "ticketId": "ticket",
    },
    instants=frozenset({"modificationDateTime"}),
)


def graph(world: World) -> Starlette:
    """The application to mount at `/beta`."""
    app = Starlette(
        routes=[
            Route(_REQUESTS, create, methods=["POST"]),
            Route(_REQUESTS, list_requests, methods=["GET"]),
            Route(f"{_REQUESTS}/filterByCurrentUser(on='{{on}}')", list_my_requests, methods=["GET"]),
            Route(f"{_REQUESTS}/{{id}}/cancelAll", cancel_all, methods=["POST"]),
            Route(_CHANGES, list_changes, methods=["GET"]),
            Route(f"{_CHANGES}/{{id}}", get_change, methods=["GET"]),
            Route("/external/authorizationSystems{rest:path}", discover, methods=["GET"]),
            Route(f"{_PIM}/roleAssignmentRequests", pim_requests, methods=["GET"]),
            Route(f"{_PIM}/resources/{{resource}}/roleAssignmentRequests", pim_requests, methods=["GET"]),
        ],
        middleware=[Middleware(Gate)],
        exception_handlers={GraphError: refuse, HTTPException: refuse, Exception: refuse},
    )
    app.state.world = world
    return app


async def create(request: Request) -> Response:
    """`POST scheduledPermissionsRequests`: 201 and the object."""
    world = _world(request)
    body = validate(await _json(request))
    with world.store.transaction():
        made = _lifecycle(world).submit(body, _caller(request).name)
    context = (
        f"{_root(request)}/$metadata#identityGovernance/permissionsManagement/scheduledPermissionsRequests/$entity"
    )
    return JSONResponse({"@odata.context": context, **request_json(made)}, 201)


async def cancel_all(request: Request) -> Response:
    """`POST scheduledPermissionsRequests/{id}/cancelAll`: 204."""
    world, caller = _world(request), _caller(request)
    with world.store.transaction():
        _lifecycle(world).cancel(request.path_params["id"], caller.name, administrator=caller.administrator)
    return Response(status_code=204)


async def list_requests(request: Request) -> Response:
    """`GET scheduledPermissionsRequests`: everybody's."""
    return _requests(request, "")


async def list_my_requests(request: Request) -> Response:
    """`GET filterByCurrentUser(on='principal'|'createdBy'|'approver')`."""
    restriction = _MINE.get(request.path_params["on"])
    if restriction is None:
        raise bad_request(f"'{request.path_params['on']}' is no scheduledPermissionsRequestFilterByCurrentUserOptions.")
    if request.path_params["on"] == "approver" and _caller(request).administrator:
        restriction = "?1 IS NOT NULL"
    return _requests(request, restriction)


def _requests(request: Request, restriction: str) -> Response:
    world = _world(request)
    _lifecycle(world).settle()
    values: tuple[object, ...] = (_caller(request).name,) if restriction else ()
    collection = Collection("requests", _REQUEST_COLUMNS, request_json, restriction, values)
    return page_of(
        request, world, collection, context="identityGovernance/permissionsManagement/scheduledPermissionsRequests"
    )


async def list_changes(request: Request) -> Response:
    """`GET permissionsRequestChanges`: every change event, oldest first."""
    world = _world(request)
    _lifecycle(world).settle()
    collection = Collection("changes", _CHANGE_COLUMNS, change_json)
    return page_of(request, world, collection, context="permissionsRequestChanges")


async def get_change(request: Request) -> Response:
    """`GET permissionsRequestChanges/{id}`: one event, by its own id."""
    world = _world(request)
    _lifecycle(world).settle()
    row = world.store.one("SELECT * FROM changes WHERE id = ?", request.path_params["id"])
    if row is None:
        raise not_found(f"There is no permissionsRequestChange '{request.path_params['id']}'.")
    return JSONResponse(
        {"@odata.context": f"{_root(request)}/$metadata#permissionsRequestChanges/$entity", **change_json(row)}
    )


def request_json(row: sqlite3.Row) -> Json:
    """A request as Graph shows it."""
    return {
        "@odata.type": "#microsoft.graph.scheduledPermissionsRequest",
        "id": row["id"],
        **json.loads(row["body"]),
        "createdDateTime": iso(row["created"]),
        "statusDetail": row["status"],
    }


def change_json(row: sqlite3.Row) -> Json:
    """A change event as Graph shows it; `activeOccurrenceStatus` only while there is one."""
    occurrence = {"activeOccurrenceStatus": row["occurrence"]} if row["occurrence"] else {}
    return {
        "id": row["id"],
        "modificationDateTime": iso(row["at"]),
        "statusDetail": row["status"],
        **occurrence,
        "ticketId": row["ticket"],
        "permissionsRequestId": row["request"],
    }


async def _json(request: Request) -> object:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content_type:
        raise bad_request("Write requests (excluding DELETE) must contain the Content-Type header declaration.")
    if content_type != "application/json":
        raise GraphError(415, "UnsupportedMediaType", f"The media type '{content_type}' is not supported.")
    try:
        return json.loads(await request.body())
    except ValueError:
        raise bad_request("Unable to read JSON request payload. Please ensure the payload is valid JSON.") from None


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["sandbox.caller"]
    return caller


def _lifecycle(world: World) -> Lifecycle:
    return Lifecycle(world.store, world.behaviour)


def _root(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/beta"
