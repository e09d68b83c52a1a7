"""The one page for people: what was asked, what became of it, and buttons for what an approver would do."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from .clock import SECOND, iso, read_instant
from .control import make_decision, make_ticket_decision, pass_time, requests_of, tickets_of
from .graph.errors import GraphError
from .graph.routes import change_json
from .graph.schedule import duration_of
from .servicenow.tables import TABLES, fields_of
from .world import World

if TYPE_CHECKING:
    import jinja2

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LONGEST_REFRESH = 3600
_MOST_DIGITS = 9
_MOST_SHOWN = 100
_EVENTS = "SELECT * FROM changes WHERE request = ? ORDER BY seq"
_NOTES = (
    "SELECT fields FROM records WHERE class = 'sys_journal_field' AND json_extract(fields, '$.element_id') = ?"
    " AND json_extract(fields, '$.element') = 'work_notes' ORDER BY seq DESC"
)


_FILES = (
    "SELECT fields FROM records WHERE class = 'sys_attachment' AND json_extract(fields, '$.table_sys_id') = ?"
    " ORDER BY seq"
)


def page_routes() -> list[Route]:
    """`/`, and what its forms post to."""
    return [
        Route("/", show, methods=["GET"]),
        Route("/page/requests/{id}/{decision}", decide, methods=["POST"]),
        Route("/page/tickets/{number}/{decision}", decide_ticket, methods=["POST"]),
        Route("/page/advance", advance, methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    """The page; `?refresh=5` has the browser load it again every five seconds, `?ticket=INC1234567` shows only that."""
    world: World = request.app.state.world
    refresh, only = request.query_params.get("refresh", ""), request.query_params.get("ticket", "")
    everything = requests_of(world)
    html = _template().render(
        now=iso(world.store.clock.now()),
        ahead=_span(world.store.clock.offset // SECOND),
        count=len(everything),
        requests=[_request(world, row) for row in reversed(everything[-_MOST_SHOWN:])],
        only=only,
        tickets=[_ticket(world, one) for one in tickets_of(world) if only in {"", one.fields["number"]}],
        refresh=int(refresh) if refresh.isascii() and refresh.isdigit() and 0 < int(refresh) < _LONGEST_REFRESH else 0,
        url=f"{request.url.scheme}://{request.url.netloc}",
    )
    return HTMLResponse(html, headers=_HEADERS)


async def decide(request: Request) -> Response:
    """The buttons of a request."""
    try:
        make_decision(request.app.state.world, request.path_params["id"], request.path_params["decision"])
    except GraphError as error:
        return PlainTextResponse(error.message, error.status)
    return _back()


async def decide_ticket(request: Request) -> Response:
    """The buttons of a ticket that somebody has to approve."""
    make_ticket_decision(request.app.state.world, request.path_params["number"], request.path_params["decision"])
    return _back()


async def advance(request: Request) -> Response:
    """The buttons of the clock."""
    form = parse_qs((await request.body()).decode("latin-1"))
    seconds = form.get("seconds", [""])[0]
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > _MOST_DIGITS:
        return PlainTextResponse("'seconds' wants a whole number.", 400)
    pass_time(request.app.state.world, int(seconds))
    return _back()


def _back() -> Response:
    return RedirectResponse("/", 303, headers=_HEADERS)


@cache
def _template() -> jinja2.Template:
    # Loaded with the first look at the page: a test that never looks does not wait for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=PackageLoader(__package__ or "", "templates"), autoescape=True, undefined=StrictUndefined
    ).get_template("page.html")


def _request(world: World, row: dict[str, Any]) -> dict[str, Any]:
    """A request in a person's words."""
    permissions = row["request"]["requestedPermissions"]
    action = permissions["actionInfo"]
    system = permissions["authorizationSystemInfo"]
    schedule = row["request"].get("scheduleInfo") or {}
    return {
        **row,
        "cloud": system["authorizationSystemType"].upper(),
        "system": system["authorizationSystemId"],
        "what": _wanted(action),
        "justification": row["request"].get("justification") or "",
        "schedule": _schedule(schedule),
        "created": row["request"]["createdDateTime"],
        "label": row["occurrence"] if row["occurrence"] and row["status"] == "approved" else row["status"],
        "events": [change_json(event) for event in world.store.all(_EVENTS, row["id"])],
    }


def _wanted(action: dict[str, Any]) -> list[str]:
    named = [entry["id"] for entry in [*action.get("policies", []), *action.get("roles", [])]]
    statements = [
        f"{one['effect']} {', '.join(one['actions'] or ['not ' + name for name in one['notActions']])}"
        for one in action.get("statements", [])
    ]
    return [*named, *statements, *action.get("actions", [])]


def _schedule(schedule: dict[str, Any]) -> str:
    expiration = schedule.get("expiration") or {}
    parts = []
    if expiration.get("duration"):
        parts.append(f"for {_span(duration_of(expiration['duration']) // SECOND)}")
    elif expiration.get("endDateTime"):
        parts.append(f"until {_brief(expiration['endDateTime'])}")
    else:
        parts.append("without an end")
    if schedule.get("startDateTime"):
        parts.append(f"from {_brief(schedule['startDateTime'])}")
    if schedule.get("recurrence"):
        parts.append(f"repeated ({schedule['recurrence']['pattern']['type']})")
    return " ".join(parts)


def _ticket(world: World, record: Any) -> dict[str, Any]:
    """A ticket with its labels and notes."""
    fields = fields_of(record.table)
    notes, files = (
        [json.loads(row["fields"]) for row in world.store.all(query, record.sys_id)] for query in (_NOTES, _FILES)
    )
    return {
        "number": record.fields["number"],
        "kind": TABLES[record.table].label,
        "text": record.fields["short_description"],
        "state": fields["state"].choices.get(record.fields["state"], record.fields["state"]),
        "active": record.fields["active"] == "true",
        "approval": fields["approval"].choices.get(record.fields["approval"], record.fields["approval"]),
        "approved": record.fields["approval"],
        "notes": notes,
        "files": files,
    }


def _span(seconds: int) -> str:
    """A length of time with its two largest units."""
    parts = []
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= unit:
            parts.append(f"{seconds // unit} {name}")
            seconds %= unit
    return " ".join(parts[:2])


def _brief(text: str) -> str:
    return iso(read_instant(text))[:16].replace("T", " ")
