"""`/api/now/attachment...`: upload (raw or multipart), list, metadata, download, rename, delete."""

from __future__ import annotations

import hashlib
import json
from email import message_from_bytes
from email.message import Message
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .calls import Call
from .errors import ServiceNowError, aborted_by_rule, invalid_table, no_record
from .records import Record, as_text
from .table_api import page_of_records
from .tables import TABLES

_TABLE = "sys_attachment"


async def list_attachments(request: Request) -> Response:
    """`GET /attachment`; at most 1000 unless told otherwise."""
    call = Call(request, limit=1000)
    call.acl.admit(_TABLE)
    records, headers = page_of_records(call, _TABLE)
    return JSONResponse({"result": [_shown(call, record) for record in records]}, headers=headers)


async def upload_file(request: Request) -> Response:
    """`POST /attachment/file?table_name&table_sys_id&file_name`: the body is the file."""
    call = Call(request)
    kind = request.headers.get("content-type")
    if not kind:
        raise ServiceNowError(400, "Content-Type header is missing", None)
    names = {name: call.text(name) for name in ("table_name", "table_sys_id", "file_name")}
    return _attach(call, names, kind, await request.body())


async def upload_form(request: Request) -> Response:
    """`POST /attachment/upload`: multipart, the two names first, the file last."""
    call = Call(request)
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data") or "boundary=" not in kind:
        raise ServiceNowError(415, "Unsupported media type", "A multipart/form-data body with a boundary is needed")
    parts = _parts(kind, await request.body())
    names = {name: _content(part).decode() for name, part in parts.items() if part.get_filename() is None}
    file = next((part for part in parts.values() if part.get_filename() is not None), None)
    if file is None:
        raise ServiceNowError(400, "The file is missing", None)
    names["file_name"] = file.get_filename() or ""
    return _attach(call, names, file.get_content_type(), _content(file))


async def one_attachment(request: Request) -> Response:
    """`/attachment/{sys_id}`: metadata, rename, delete."""
    call = Call(request)
    record = _found(call)
    if request.method in ("GET", "HEAD"):
        return JSONResponse({"result": _shown(call, record)})
    wanted = {} if request.method == "DELETE" else await call.body()
    call.acl.permit_write("Delete" if request.method == "DELETE" else "Update", _TABLE, record)
    with call.world.store.transaction():
        if request.method == "DELETE":
            call.records.delete(record)
        else:
            call.records.update(record, {"file_name": as_text(wanted.get("file_name")) or record.fields["file_name"]})
    return Response(status_code=204)


async def download(request: Request) -> Response:
    """`GET /attachment/{sys_id}/file`: the bytes, and the metadata in a header."""
    call = Call(request)
    record = _found(call)
    row = call.world.store.one("SELECT bytes FROM contents WHERE sys_id = ?", record.sys_id)
    headers = {"X-Attachment-Metadata": json.dumps(_shown(call, record))}
    return Response(row["bytes"] if row else b"", media_type=record.fields["content_type"], headers=headers)


def _found(call: Call) -> Record:
    call.acl.admit(_TABLE)
    record = call.records.get(_TABLE, call.request.path_params["sys_id"])
    if record is None or not call.acl.shows(record):
        raise no_record()
    return record


def _attach(call: Call, names: dict[str, str], kind: str, content: bytes) -> Response:
    call.acl.admit(_TABLE)
    missing = [name for name in ("table_name", "table_sys_id", "file_name") if not names.get(name)]
    if missing:
        raise ServiceNowError(400, f"Missing parameter: {', '.join(missing)}", None)
    if names["table_name"] not in TABLES:
        raise invalid_table(names["table_name"])
    target = call.records.get(names["table_name"], names["table_sys_id"])
    if target is None or not call.acl.shows(target):
        raise no_record()
    call.acl.permit_write("Insert", _TABLE)
    call.acl.permit_write("Update", target.table, target)
    digest = hashlib.sha256(content).hexdigest()
    _refuse_by_property(call, names, content, digest)
    with call.world.store.transaction():
        size = str(len(content))
        record = call.records.insert(_TABLE, {
            **names, "table_name": target.table, "content_type": kind, "size_bytes": size, "size_compressed": size,
            "compressed": True, "hash": "" if call.world.behaviour.attachment_encrypted else digest,
        })  # fmt: skip
        call.world.store.run("INSERT INTO contents VALUES (?, ?)", record.sys_id, content)
    location = {"Location": f"{call.api}/attachment/{record.sys_id}"}
    return JSONResponse({"result": _shown(call, record)}, 201, headers=location)


def _refuse_by_property(call: Call, names: dict[str, str], content: bytes, digest: str) -> None:
    behaviour = call.world.behaviour
    if len(content) > behaviour.attachment_max_bytes:
        raise ServiceNowError(400, "File size exceeds the maximum", f"{behaviour.attachment_max_bytes} bytes")
    extension = PurePath(names["file_name"]).suffix.removeprefix(".").lower()
    if behaviour.attachment_extensions and extension not in behaviour.attachment_extensions:
        raise ServiceNowError(403, "File type is not allowed", f"extension '{extension}'")
    if behaviour.attachment_refuse_identical:
        sql = (
            "SELECT sys_id FROM records"
            " WHERE json_extract(fields, '$.table_sys_id') = ? AND json_extract(fields, '$.hash') = ?"
        )
        row = call.world.store.one(sql, names["table_sys_id"], digest)
        if row:
            raise aborted_by_rule(_TABLE, "Identical attachment", row["sys_id"])


def _shown(call: Call, record: Record) -> dict[str, str]:
    """The Attachment API knows stored values only, and makes the link for the address it is asked at."""
    fields = record.fields | {"download_link": f"{call.api}/attachment/{record.sys_id}/file"}
    return {name: value for name, value in fields.items() if name != "sys_class_name" and call.acl.reads(_TABLE, name)}


def _parts(kind: str, body: bytes) -> dict[str, Message]:
    parsed = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body)
    parts = parsed.get_payload() if parsed.is_multipart() else []
    named = {}
    for part in parts:
        if isinstance(part, Message):
            named[str(part.get_param("name", "", "content-disposition"))] = part
    return named


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
