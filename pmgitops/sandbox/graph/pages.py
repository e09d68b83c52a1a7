"""One page of a collection: filter, order, cut, and the link to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pmgitops.sandbox.store import Json
from pmgitops.sandbox.world import World

from .odata import Columns, Filter, Page, order, select


@dataclass(frozen=True)
class Collection:
    """A table, what may be asked of it, and how a row is shown; `restriction` narrows it beforehand."""

    table: str
    columns: Columns
    show: Callable[[sqlite3.Row], Json]
    restriction: str = ""
    values: tuple[object, ...] = ()


def page_of(request: Request, world: World, collection: Collection, *, context: str) -> Response:
    """The answer to a GET of a collection."""
    page = Page.of(request.url.query, world.behaviour.page_size)
    conditions, values = [collection.restriction or "1"], list(collection.values)
    if page.get("$filter"):
        condition, filter_values = Filter(page.get("$filter"), collection.columns).sql()
        conditions.append(condition)
        values += filter_values
    where = f"FROM {collection.table} WHERE {' AND '.join(conditions)}"
    by = order(page.get("$orderby"), collection.columns, default="seq")
    # One more than the page holds tells whether there is another page.
    rows = world.store.all(f"SELECT * {where} ORDER BY {by} LIMIT ? OFFSET ?", *values, page.size + 1, page.offset)
    url = f"{request.url.scheme}://{request.url.netloc}"
    answer: Json = {"@odata.context": f"{url}/beta/$metadata#{context}"}
    if page.get("$count") == "true":
        counted = world.store.one(f"SELECT count(*) AS n {where}", *values)
        answer["@odata.count"] = counted["n"] if counted else 0
    entries = [collection.show(row) for row in rows[: page.size]]
    answer["value"] = [select(entry, page.get("$select")) for entry in entries] if page.get("$select") else entries
    if len(rows) > page.size:
        path = request.scope["raw_path"].decode("ascii")
        answer["@odata.nextLink"] = page.next_link(f"{url}{path}", blanks=world.behaviour.next_link_blanks)
    return JSONResponse(answer)
