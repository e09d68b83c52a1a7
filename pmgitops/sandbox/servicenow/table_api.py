"""`/api/now/table/...`: list, read, create, change, delete."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .calls import Call
from .errors import no_record
from .records import Record


async def list_or_create(request: Request) -> Response:
    """`/table/{table}`."""
    call = Call(request)
    call.accepts_json()
    table = call.table()
    if request.method == "POST":
        wanted = call.acl.writable(table, await call.body())
        call.acl.permit_write("Insert", table)
        with call.world.store.transaction():
            record = call.records.insert(table, wanted)
        return _written(call, record, table, 201)
    return _page(call, table)


async def one(request: Request) -> Response:
    """`/table/{table}/{sys_id}`; PUT and PATCH both change only what is sent."""
    call = Call(request)
    call.accepts_json()
    table = call.table()
    wanted = call.acl.writable(table, await call.body()) if request.method in ("PUT", "PATCH") else {}
    record = call.records.get(table, request.path_params["sys_id"])
    if record is None or not call.acl.shows(record) or _blind(call, table):
        raise no_record()
    if request.method in ("GET", "HEAD"):
        return JSONResponse({"result": call.show(record, table)})
    call.acl.permit_write("Delete" if request.method == "DELETE" else "Update", record.table, record)
    with call.world.store.transaction():
        if request.method == "DELETE":
            call.records.delete(record)
            return Response(status_code=204)
        record = call.records.update(record, wanted)
    return _written(call, record, table, 200)


def page_of_records(call: Call, table: str) -> tuple[list[Record], dict[str, str]]:
    """What a list finds: the page is cut first, then row ACLs take out what the caller may not see."""
    query = call.query(table)
    found = call.records.find(table, query) if query and not _blind(call, table) else []
    page = found[call.offset : call.offset + call.limit]
    headers = {} if call.flag("sysparm_no_count") else {"X-Total-Count": str(len(found))}
    if not call.flag("sysparm_suppress_pagination_header"):
        headers |= _links(call, len(found))
    return [record for record in page if call.acl.shows(record)], headers


def _page(call: Call, table: str) -> Response:
    records, headers = page_of_records(call, table)
    if not records and call.version == "v1":
        raise no_record()
    return JSONResponse({"result": [call.show(record, table) for record in records]}, headers=headers)


def _written(call: Call, record: Record, table: str, status: int) -> Response:
    headers = {"Location": f"{call.api}/table/{table}/{record.sys_id}"} if status == 201 else {}
    if call.request.headers.get("x-no-response-body", "").lower() == "true":
        return Response(status_code=status, headers=headers)
    return JSONResponse({"result": call.show(record, table)}, status, headers=headers)


def _blind(call: Call, table: str) -> bool:
    return table == "sys_journal_field" and not call.world.behaviour.journal_readable


def _links(call: Call, total: int) -> dict[str, str]:
    if not call.limit or total <= call.limit:
        return {}
    last = (total - 1) // call.limit * call.limit
    offsets = {"first": 0, "prev": call.offset - call.limit, "next": call.offset + call.limit, "last": last}
    url = f"{call.request.url.scheme}://{call.request.url.netloc}{call.request.url.path}"
    kept = [(key, value) for key, value in call.request.query_params.multi_items() if key != "sysparm_offset"]
    links = [
        f'<{url}?{urlencode([*kept, ("sysparm_offset", str(offset))])}>;rel="{name}"'
        for name, offset in offsets.items()
        if name in ("first", "last") or 0 <= offset < total
    ]
    return {"Link": ",".join(links)}
