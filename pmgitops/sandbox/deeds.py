"""What a fault does to one request: the answer is replaced, spoilt, slowed down or never comes.

before the work, unless told otherwise
    status        the status, in the words of the service        empty         202 and nothing
    html          200 and a login page                           redirect      302 to a login page, or to `location`
    hibernating   200 and the page of an instance that sleeps    quota-queued  500: out of time before it ran
    wrong-json    200 and JSON of another shape                  close         no answer

always after the work
    delay         the answer is late by `seconds`                gzip          compressed
    drip          the body comes byte by byte                    bomb          compressed; `size` bytes when it is not
    cut           the connection ends within the body            chunked       in pieces, without a length
    partial       half of the body, of a length that fits        hang-up       whole, then the connection just ends
    quota         out of time: some rows, then the error         quota-broken  the same, no longer JSON
"""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faults import Fault

LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>"
_HIBERNATING = (
    b"<!DOCTYPE html><html><head><title>Instance Hibernating page</title></head>"
    b"<body><h1>Your instance is hibernating</h1></body></html>"
)
_OUT_OF_TIME = {
    "error": {
        "message": "Transaction cancelled: maximum execution time exceeded",
        "detail": "maximum execution time exceeded Check logs for error trace or enable glide.rest.debug property",
    },
    "status": "failure",
}
_PAGE = "text/html; charset=utf-8"
_PREPARED = {
    "html": (200, LOGIN_PAGE, _PAGE),
    "hibernating": (200, _HIBERNATING, _PAGE),
    "wrong-json": (200, b'["not", "what", "was", "asked"]', "application/json"),
    "empty": (202, b"", ""),
    "quota-queued": (500, json.dumps(_OUT_OF_TIME).encode(), "application/json"),
}
_AFTER = {"delay", "drip", "cut", "partial", "quota", "quota-broken", "gzip", "bomb", "chunked", "hang-up"}
_BOMB = 64 * 1024 * 1024

# What the Table API says with a status, where something is known of it (measured on developer instances by peers).
_SAID = {
    401: ("User Not Authenticated", "Required to provide Auth information"),
    403: ("User Not Authorized", "Failed API level ACL Validation"),
    404: ("No Record found", "Record doesn't exist or ACL restricts the record retrieval"),
    429: ("Rate limit exceeded", None),
}


@dataclass
class Answer:
    """A whole answer, held back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def start(self, *, length: int | None, **more: str) -> Message:
        """Its beginning, with another length, or none, and more headers."""
        headers = [(key, value) for key, value in self.headers if key != b"content-length"]
        headers += [(key.replace("_", "-").encode(), value.encode()) for key, value in more.items()]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        return {"type": "http.response.start", "status": self.status, "headers": headers}


async def commit(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Carry out a fault on one request; `send` is the server's own, so that the connection can be reached."""
    answer = None
    if fault.when == "after" or fault.do in _AFTER:
        answer = await _held_back(app, scope, receive)
    if fault.seconds and fault.do != "drip":
        await _pause(fault.seconds)
    if fault.do == "close":
        abort(send)
    elif answer is not None and fault.do in _AFTER:
        await _spoil(fault, answer, send)
    else:
        await _send(_instead(fault, scope["path"]), send)


async def _pause(seconds: float) -> None:
    """Wait, or until the server stops, when nobody waits any longer."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(seconds)


def abort(send: Send) -> None:
    """Drop the connection without an answer."""
    cycle: Any = getattr(send, "__self__", None)
    cycle.transport.abort()
    cycle.disconnected = True  # otherwise the server logs an answer that was forgotten


def _hang_up(send: Send) -> None:
    """End the connection once everything has been sent."""
    cycle: Any = getattr(send, "__self__", None)
    cycle.transport.close()
    cycle.disconnected = True


async def _held_back(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    answer = Answer(500, [], b"")

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    await app(scope, receive, keep)
    return answer


async def _spoil(fault: Fault, answer: Answer, send: Send) -> None:
    """The service's own answer, as it was not meant to be."""
    body = answer.body or b"{}"
    match fault.do:
        case "cut":
            await send(answer.start(length=len(body)))
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            _hang_up(send)
        case "drip" | "chunked":
            await _in_pieces(fault, answer, send)
        case "partial":  # the length fits, so only a reader of the JSON can tell that half of it is missing
            await _send(_answer(fault, answer.status, body[: len(body) // 2], "application/json"), send)
        case "quota" | "quota-broken":
            broken = _out_of_time(body, whole=fault.do == "quota")
            await _send(_answer(fault, answer.status, broken, "application/json"), send)
        case "gzip" | "bomb":
            blown = body if fault.do == "gzip" else body[:-1] + b" " * (fault.size or _BOMB) + body[-1:]
            small = gzip.compress(blown, compresslevel=1)
            await send(answer.start(length=len(small), content_encoding="gzip"))
            await send({"type": "http.response.body", "body": small})
        case _:
            await _send(answer, send)
            if fault.do == "hang-up":
                _hang_up(send)


async def _in_pieces(fault: Fault, answer: Answer, send: Send) -> None:
    """The body, piece by piece; where nobody is listening any more, no further."""
    size = fault.size or (1 if fault.do == "drip" else 16)
    cycle: Any = getattr(send, "__self__", None)
    await send(answer.start(length=len(answer.body) if fault.do == "drip" else None))
    for begin in range(0, len(answer.body), size):
        if cycle.disconnected:
            return
        await send({"type": "http.response.body", "body": answer.body[begin : begin + size], "more_body": True})
        await _pause(fault.seconds)
    await send({"type": "http.response.body", "body": b""})


def _out_of_time(body: bytes, *, whole: bool) -> bytes:
    """Half of the rows, then the error; whole JSON, or JSON that was broken off before it."""
    result = json.loads(body).get("result", [])
    kept = result[: (len(result) + 1) // 2] if isinstance(result, list) else result
    if whole:
        return json.dumps({"result": kept, **_OUT_OF_TIME}).encode()
    return json.dumps({"result": kept})[:-2].encode() + b"," + json.dumps(_OUT_OF_TIME).encode()


def _instead(fault: Fault, path: str) -> Answer:
    """An answer that nothing but the fault has made."""
    if fault.do == "redirect":
        fault.headers.setdefault("Location", fault.location or "/login.do")
        return _answer(fault, fault.status, b"", "text/html")
    plain = (fault.status, _refusal(fault.status, path), "application/json")
    return _answer(fault, *_PREPARED.get(fault.do, plain))


def _refusal(status: int, path: str) -> bytes:
    """What the service itself would say with such a status, where the fault brings no text of its own."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
    graph = {"error": {"code": phrase.title().replace(" ", ""), "message": phrase, "innerError": {}}}
    message, detail = _SAID.get(status, (phrase, None))
    servicenow = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return json.dumps(graph if path.startswith("/beta/") else servicenow).encode()


def _answer(fault: Fault, status: int, body: bytes, content_type: str) -> Answer:
    if fault.body is not None:
        body = (fault.body if isinstance(fault.body, str) else json.dumps(fault.body)).encode()
    headers = {"content-type": fault.content_type or content_type, "content-length": str(len(body)), **fault.headers}
    encoded = [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers.items() if value]
    return Answer(status, encoded, body)


async def _send(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
