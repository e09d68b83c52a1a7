"""One call of the REST API: its manners (Accept, Content-Type, body) and its sysparm_ parameters."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import Any

from starlette.requests import Request

from pmgitops.sandbox.clock import moment
from pmgitops.sandbox.world import World

from .acl import Acl
from .encoded_query import Asked, Query, parse
from .errors import ServiceNowError, invalid_table
from .records import Record, Records
from .rendering import Manner, Rendering, known_field
from .rules import Rules, rules_of
from .tables import TABLES

_LARGEST_BODY = 10 * 1024 * 1024
_READABLE = ("*/*", "application/*", "application/json", "text/json")


class Call:
    """A request that has passed the gate."""

    def __init__(self, request: Request, *, limit: int = 10000) -> None:
        self.request = request
        self.world: World = request.app.state.world
        behaviour = self.world.behaviour
        rules = Rules(rules_of(behaviour.rules), behaviour.state_model)
        self.caller: str = request.scope["sandbox.caller"]
        self.records = Records(self.world.store, behaviour, self.caller, rules)
        self.acl = Acl(behaviour)
        self.limit = self._whole("sysparm_limit", limit)
        self.offset = self._whole("sysparm_offset", 0)
        prefix = request.url.path.partition("/api/now")[2].split("/")[1]
        self.version = prefix if prefix in ("v1", "v2") else ""
        base = f"{request.url.scheme}://{request.url.netloc}/api/now"
        self.api = f"{base}/{self.version}" if self.version else base

    def text(self, name: str) -> str:
        """One parameter, empty where it is absent or empty."""
        return self.request.query_params.get(name, "")

    def flag(self, name: str) -> bool:
        """A boolean parameter, in any case: `True` comes from Python clients."""
        return self.text(name).lower() == "true"

    def table(self) -> str:
        """The table of the path; 400 where there is none, 403 where its API is closed."""
        name: str = self.request.path_params["table"]
        if name not in TABLES:
            raise invalid_table(name)
        self.acl.admit(name)
        return name

    def accepts_json(self) -> None:
        """Accept is needed, and has to let JSON through."""
        accept = self.request.headers.get("accept")
        if not accept:
            raise ServiceNowError(400, "Accept header is missing", None)
        kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
        if not set(kinds) & set(_READABLE):
            raise ServiceNowError(406, "Requested media type is not supported", f"Accept: {accept}")

    async def body(self) -> dict[str, Any]:
        """The JSON object that was sent; of a list only its first."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind:
            raise ServiceNowError(400, "Content-Type header is missing", None)
        if kind not in ("application/json", "text/json"):
            raise ServiceNowError(415, "Unsupported media type", f"Content-Type: {kind}")
        raw = await self.request.body()
        try:
            document = json.loads(raw) if len(raw) <= _LARGEST_BODY else None
        except ValueError:
            document = None
        if isinstance(document, list) and document:
            document = document[0]
        if not isinstance(document, dict):
            raise ServiceNowError(400, "Exception while reading request", "Cannot read the body as one JSON object")
        return document

    def query(self, table: str) -> Query | None:
        """The encoded query, or the bare `field=value` parameters; None means that no row may be returned."""
        text = self.text("sysparm_query") or "^".join(
            f"{name}={value.replace('^', '^^')}"
            for name, value in self.request.query_params.items()
            if not name.startswith("sysparm_") and known_field(table, name)
        )
        query = parse(text, table, Asked(known_field, self._myself, self._day, self.records.find))
        self.acl.permit_query(query.fields)
        entry = self.request.scope.get("sandbox.entry", {"flags": []})
        entry["flags"] += [f"invalid term: {term}" for term in query.invalid]
        entry["flags"] += [f"javascript: {term}" for term in query.scripted]
        return None if query.invalid and self.world.behaviour.invalid_query_returns_no_rows else query

    def show(self, record: Record, table: str) -> dict[str, Any]:
        """A record in the manner that the caller asked for."""
        display = self.text("sysparm_display_value").lower()
        names = tuple(filter(None, (name.strip() for name in self.text("sysparm_fields").split(","))))
        manner = Manner(
            display=display if display in ("true", "all") else "false",
            links=not self.flag("sysparm_exclude_reference_link"),
            fields=names,
            api=self.api,
        )
        return Rendering(self.world.store, self.records, self.world.behaviour, manner).show(record, table)

    def _myself(self) -> str:
        """The caller's own sys_id, which the dynamic filter "Me" stands for."""
        row = self.world.store.one(
            "SELECT sys_id FROM records WHERE json_extract(fields, '$.user_name') = ?", self.caller
        )
        return str(row["sys_id"]) if row else ""

    def _day(self, label: str) -> tuple[str, str] | None:
        """First and last second of a day in the user's time zone, as they are stored; the day by its date or name."""
        zone = timedelta(hours=self.world.behaviour.display_offset_hours)
        today = (moment(self.world.store.clock.now()) + zone).date()
        days = {"Today": 0, "Yesterday": -1, "Tomorrow": 1}
        try:
            day = today + timedelta(days=days[label]) if label in days else date.fromisoformat(label)
        except ValueError:
            return None
        begin = datetime.combine(day, time()) - zone
        return f"{begin:%Y-%m-%d %H:%M:%S}", f"{begin + timedelta(days=1, seconds=-1):%Y-%m-%d %H:%M:%S}"

    def _whole(self, name: str, default: int) -> int:
        text = self.text(name)
        return int(text) if text.isascii() and text.isdigit() else default
