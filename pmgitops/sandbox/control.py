"""`/_control/...`: what tests and people do to the sandbox from behind the scenes, as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from .clock import iso
from .faults import Fault
from .graph.errors import GraphError
from .graph.lifecycle import Lifecycle
from .graph.routes import change_json, request_json
from .servicenow.encoded_query import Query, Term
from .servicenow.errors import ServiceNowError
from .servicenow.records import Records
from .servicenow.rules import rules_of
from .servicenow.tables import TABLES
from .store import compact
from .world import World

Handler = Callable[[Request], Awaitable[Response]]
IMPLEMENT = "-1"
"""The stored state of a change that is being implemented."""


def control_routes() -> list[Mount]:
    """Everything below `/_control`."""
    routes = [
        ("/requests", list_requests, "GET"),
        ("/requests/{id}", change_request, "PATCH"),
        ("/requests/{id}", forget_request, "DELETE"),
        ("/requests/{id}/{decision}", decide, "POST"),
        ("/clock", show_clock, "GET"),
        ("/clock/{order}", order_clock, "POST"),
        ("/advance", advance, "POST"),
        ("/reset", reset, "POST"),
        ("/settings", show_settings, "GET"),
        ("/settings", change_settings, "POST"),
        ("/log", show_log, "GET"),
        ("/log", clear_log, "DELETE"),
        ("/faults", list_faults, "GET"),
        ("/faults", add_fault, "POST"),
        ("/faults", clear_faults, "DELETE"),
        ("/tickets", list_tickets, "GET"),
        ("/tickets", create_ticket, "POST"),
        ("/tickets/{number}", show_ticket, "GET"),
        ("/tickets/{number}", change_ticket, "PATCH"),
        ("/tickets/{number}/{decision}", decide_ticket, "POST"),
        ("/state", show_state, "GET"),
    ]
    return [Mount("/_control", routes=[Route(path, _plain(act), methods=[method]) for path, act, method in routes])]


def _plain(act: Handler) -> Handler:
    """Mistakes in a control call are told in one line."""

    async def handler(request: Request) -> Response:
        try:
            return await act(request)
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": str(error)}, 400)
        except (GraphError, ServiceNowError) as error:
            return JSONResponse({"error": error.message}, error.status)
        except HTTPException as error:
            return JSONResponse({"error": error.detail}, error.status_code)

    return handler


# Requests and the clock.


async def list_requests(request: Request) -> Response:
    """Every request with its state and what happened to it."""
    return JSONResponse({"requests": requests_of(_world(request))})


def requests_of(world: World) -> list[dict[str, Any]]:
    """Every request, oldest first: as Graph shows it, and what only the service knows."""
    with world.store.transaction():
        lifecycle_of(world).settle()
    return [
        {
            "id": row["id"],
            "status": row["status"],
            "occurrence": row["occurrence"],
            "caller": row["caller"],
            "principal": row["principal"],
            "ticket": row["ticket"],
            "nextStep": row["next_step"],
            "nextAt": iso(row["next_at"]) if row["next_at"] else None,
            "request": request_json(row),
        }
        for row in world.store.all("SELECT * FROM requests ORDER BY seq")
    ]


async def change_request(request: Request) -> Response:
    """Change what a request asks for, which no route of Graph does; a member that is null goes away."""
    world, request_id = _world(request), request.path_params["id"]
    wanted = await _json(request)
    with world.store.transaction():
        row = world.store.one("SELECT body FROM requests WHERE id = ?", request_id)
        if row is None:
            raise HTTPException(404, f"there is no request '{request_id}'")
        body = compact(_merged(json.loads(row["body"]), wanted))
        world.store.run("UPDATE requests SET body = ? WHERE id = ?", body, request_id)
    return JSONResponse(json.loads(body))


def _merged(before: Any, wanted: Any) -> Any:
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(wanted, dict):
        return wanted
    merged = dict(before) if isinstance(before, dict) else {}
    for name, value in wanted.items():
        merged[name] = _merged(merged.get(name), value)
    return {name: value for name, value in merged.items() if value is not None}


async def forget_request(request: Request) -> Response:
    """A request and its changes are gone, as if they had never been."""
    world, request_id = _world(request), request.path_params["id"]
    with world.store.transaction():
        world.store.run("DELETE FROM changes WHERE request = ?", request_id)
        if not world.store.run("DELETE FROM requests WHERE id = ?", request_id):
            raise HTTPException(404, f"there is no request '{request_id}'")
    return Response(status_code=204)


async def decide(request: Request) -> Response:
    """Approve or reject a pending request, or hold one where it is."""
    world = _world(request)
    make_decision(world, request.path_params["id"], request.path_params["decision"])
    row = world.store.one("SELECT status, occurrence FROM requests WHERE id = ?", request.path_params["id"])
    return JSONResponse(dict(row) if row else {})


def make_decision(world: World, request_id: str, decision: str) -> None:
    """`approve`, `reject` or `hold`."""
    lifecycle = lifecycle_of(world)
    decisions = {"approve": lifecycle.approve, "reject": lifecycle.reject, "hold": lifecycle.hold}
    if decision not in decisions:
        raise HTTPException(404, f"a request can be approved, rejected or held, not '{decision}'")
    with world.store.transaction():
        decisions[decision](request_id)
        # What the approval makes due at once has happened when this call returns.
        lifecycle.settle()


def lifecycle_of(world: World) -> Lifecycle:
    """The lifecycle under the settings of the moment."""
    return Lifecycle(world.store, world.behaviour)


async def show_clock(request: Request) -> Response:
    """The sandbox's time."""
    clock = _world(request).store.clock
    return JSONResponse({"now": iso(clock.now()), "runs": clock.runs, "offsetSeconds": clock.offset / 1e6})


async def order_clock(request: Request) -> Response:
    """`stop`: it stands still; `start`: it goes on from where it stands."""
    clock = _world(request).store.clock
    orders = {"stop": clock.stop, "start": clock.start}
    if request.path_params["order"] not in orders:
        raise HTTPException(404, "the clock can be told to stop or to start")
    orders[request.path_params["order"]]()
    return await show_clock(request)


async def advance(request: Request) -> Response:
    """Move the clock forward by `seconds`, and let everything happen that falls due."""
    seconds = (await _json(request)).get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 10**10:
        raise ValueError("'seconds' wants a number from 0 on")
    world = _world(request)
    pass_time(world, seconds)
    return await show_clock(request)


def pass_time(world: World, seconds: float) -> None:
    """Move the clock forward and settle."""
    with world.store.transaction():
        world.store.advance(seconds)
        lifecycle_of(world).settle()


async def reset(request: Request) -> Response:
    """Everything as it was at the start."""
    _world(request).reset()
    return JSONResponse({"reset": True})


# Settings, log, faults.


async def show_settings(request: Request) -> Response:
    """Every setting."""
    return JSONResponse(_world(request).behaviour.as_json())


async def change_settings(request: Request) -> Response:
    """Change those that are sent."""
    world = _world(request)
    changed = world.behaviour.changed(await _json(request))
    rules_of(changed.rules)
    world.behaviour = changed
    return JSONResponse(world.behaviour.as_json())


async def show_log(request: Request) -> Response:
    """Every request received by Graph and ServiceNow, oldest first; secrets are masked."""
    return JSONResponse({"log": list(_world(request).log)})


async def clear_log(request: Request) -> Response:
    """Forget them."""
    _world(request).log.clear()
    return Response(status_code=204)


async def list_faults(request: Request) -> Response:
    """Those that still wait for their request."""
    return JSONResponse({"faults": _world(request).faults.as_json()})


async def add_fault(request: Request) -> Response:
    """One fault, to strike when its request comes."""
    fault = _world(request).faults.add(Fault.of(await _json(request)))
    return JSONResponse(asdict(fault), 201)


async def clear_faults(request: Request) -> Response:
    """No more faults."""
    _world(request).faults.clear()
    return Response(status_code=204)


# Tickets, as the instance's administrator sees them.


async def list_tickets(request: Request) -> Response:
    """Every task."""
    return JSONResponse({"tickets": [record.fields for record in tickets_of(_world(request))]})


def tickets_of(world: World) -> list[Any]:
    """Every record that extends task, as it came."""
    return administrator(world).find("task", Query(groups=[[]]))


async def create_ticket(request: Request) -> Response:
    """`{"class": "incident", "number": "INC...", "caller_id": "alex", ...}`: any table, any number, also twice."""
    world = _world(request)
    wanted = await _json(request)
    table = wanted.pop("class", "incident")
    if table not in TABLES:
        raise ValueError(f"there is no table '{table}'; there are {', '.join(TABLES)}")
    with world.store.transaction():
        record = administrator(world).insert(table, wanted)
    return JSONResponse(record.fields, 201)


async def show_ticket(request: Request) -> Response:
    """A ticket's fields, its journal, approvals and attachments."""
    world = _world(request)
    record = _ticket(world, request.path_params["number"])
    below = {
        "journal": ("sys_journal_field", "element_id"),
        "approvals": ("sysapproval_approver", "sysapproval"),
        "attachments": ("sys_attachment", "table_sys_id"),
    }
    related = {name: _related(world, table, key, record.sys_id) for name, (table, key) in below.items()}
    return JSONResponse({**record.fields, **related})


async def change_ticket(request: Request) -> Response:
    """Change any fields, `state` and `approval` among them, without being asked for leave."""
    world = _world(request)
    wanted = await _json(request)
    record = _ticket(world, request.path_params["number"])
    with world.store.transaction():
        changed = administrator(world).update(record, wanted)
    return JSONResponse(changed.fields)


async def decide_ticket(request: Request) -> Response:
    """What those whom a ticket waits for answer: all of them `approve` or `reject`."""
    record = make_ticket_decision(_world(request), request.path_params["number"], request.path_params["decision"])
    return JSONResponse(record.fields)


def make_ticket_decision(world: World, number: str, decision: str) -> Any:
    """`approve` or `reject`, by each approver who has not decided yet; an approved change goes on to be implemented."""
    states = {"approve": "approved", "reject": "rejected"}
    if decision not in states:
        raise HTTPException(404, f"a ticket can be approved or rejected, not '{decision}'")
    ticket = _ticket(world, number)
    waiting = Query(groups=[[[Term("sysapproval", "=", ticket.sys_id)], [Term("state", "=", "requested")]]])
    with world.store.transaction():
        for row in administrator(world).find("sysapproval_approver", waiting):
            approver = administrator(world).referred(row, "approver")
            user = approver.fields["user_name"] if approver else "admin"
            Records(world.store, world.behaviour, user).update(row, {"state": states[decision]})
        if ticket.table == "change_request" and decision == "approve":
            administrator(world).update(_ticket(world, number), {"state": IMPLEMENT})
    return _ticket(world, number)


def administrator(world: World) -> Records:
    """The records, as `admin` works on them."""
    return Records(world.store, world.behaviour, "admin")


def _ticket(world: World, number: str) -> Any:
    found = administrator(world).find("task", Query(groups=[[[Term("number", "=", number)]]]))
    if not found:
        raise HTTPException(404, f"there is no ticket '{number}'")
    return found[0]


def _related(world: World, table: str, key: str, sys_id: str) -> list[Any]:
    sql = "SELECT fields FROM records WHERE class = ? AND json_extract(fields, ?) = ? ORDER BY seq"
    return [json.loads(row["fields"]) for row in world.store.all(sql, table, f"$.{key}", sys_id)]


async def show_state(request: Request) -> Response:
    """Everything there is, for assertions and for bug reports."""
    world = _world(request)
    records: dict[str, list[Any]] = {}
    for row in world.store.all("SELECT class, fields FROM records ORDER BY seq"):
        records.setdefault(row["class"], []).append(json.loads(row["fields"]))
    return JSONResponse({
        "now": iso(world.store.clock.now()),
        "settings": world.behaviour.as_json(),
        "faults": world.faults.as_json(),
        "requests": requests_of(world),
        "changes": [change_json(row) for row in world.store.all("SELECT * FROM changes ORDER BY seq")],
        "records": records,
    })  # fmt: skip


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


async def _json(request: Request) -> dict[str, Any]:
    document = json.loads(await request.body() or b"{}")
    if not isinstance(document, dict):
        raise TypeError("the body has to be a JSON object")
    return document
