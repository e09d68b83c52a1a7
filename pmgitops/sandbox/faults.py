"""Faults on demand: what a client may meet between itself and a service, or from it.

A fault is matched by method, path and query; it strikes `times` times (after letting `skip` pass), `before` the request
is handled or `after` it has been, when the service has done its work and only the answer is lost.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>"

_PREPARED = {
    "html": (200, _HTML, "text/html; charset=utf-8"),
    "wrong-json": (200, b'["not", "what", "was", "asked"]', "application/json"),
    "empty": (202, b"", ""),
}

Deed = Literal["status", "html", "delay", "cut", "close", "partial", "wrong-json", "empty", "redirect"]
_DEEDS = ("status", "html", "delay", "cut", "close", "partial", "wrong-json", "empty", "redirect")


@dataclass
class Fault:
    """One fault as `/_control/faults` takes it."""

    do: Deed
    method: str = ".*"
    """A regular expression for the whole method."""
    path: str = ".*"
    """A regular expression found anywhere in the path."""
    query: str = ""
    """A regular expression found anywhere in the query, percent-encoding undone."""
    times: int = 1
    """How often it strikes; 0 for always."""
    skip: int = 0
    """How many matching requests pass first."""
    when: Literal["before", "after"] = "before"
    """Whether the request is handled first."""
    status: int = 503
    """For `status` and `redirect`."""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    """Text as it is, anything else as JSON."""
    content_type: str = ""
    location: str = ""
    """For `redirect`."""
    seconds: float = 0.0
    """How long to wait before the answer; with `delay` that is all that happens."""
    id: int = 0
    struck: int = 0

    @classmethod
    def of(cls, wanted: dict[str, Any]) -> Fault:
        """From JSON; ValueError says what is wrong."""
        named = {re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), key): value for key, value in wanted.items()}
        fault = cls(**named)
        if fault.do not in _DEEDS:
            raise ValueError(f"'do' is one of {', '.join(_DEEDS)}")
        if fault.when not in ("before", "after"):
            raise ValueError("'when' is before or after")
        for pattern in (fault.method, fault.path, fault.query):
            _compilable(pattern)
        if fault.do == "redirect" and not 300 <= fault.status < 400:
            fault.status = 302
        return fault

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether this request is meant."""
        return bool(
            re.fullmatch(self.method, method, re.IGNORECASE)
            and re.search(self.path, path)
            and re.search(self.query, query)
        )


def _compilable(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'{pattern}' is no regular expression: {error}") from None


class Faults:
    """Those that wait for their request, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Make ready to strike."""
        fault.id = next(self._ids)
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults."""
        self._waiting.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Those still waiting."""
        return [asdict(fault) for fault in self._waiting]

    def strike(self, method: str, path: str, query: str) -> Fault | None:
        """The first that means this request, counted as used."""
        for fault in self._waiting:
            if not fault.matches(method, path, query):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.struck += 1
            if fault.times and fault.struck >= fault.times:
                self._waiting.remove(fault)
            return fault
        return None


@dataclass
class Answer:
    """A whole answer, held back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def commit(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Carry out a fault on one request; `send` is the server's own, so that the connection can be reached."""
    answer = None
    if fault.when == "after" or fault.do in ("cut", "partial", "delay"):
        answer = await _held_back(app, scope, receive)
    if fault.seconds:
        await asyncio.sleep(fault.seconds)
    if fault.do == "close":
        abort(send)
        return
    if fault.do == "cut" and answer is not None:
        await _send_cut(answer, send)
        return
    await _send(_faulty(fault, answer, scope["path"]), send)


def abort(send: Send) -> None:
    """Drop the connection without an answer."""
    cycle: Any = getattr(send, "__self__", None)
    cycle.transport.abort()
    cycle.disconnected = True  # otherwise the server logs an answer that was forgotten


async def _held_back(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    answer = Answer(500, [], b"")

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    await app(scope, receive, keep)
    return answer


def _faulty(fault: Fault, answer: Answer | None, path: str) -> Answer:
    if fault.do == "delay" and answer is not None:
        return answer
    if fault.do == "partial" and answer is not None:
        # The length fits, so only a reader of the JSON can tell that half of it is missing.
        return _answer(fault, answer.status, answer.body[: len(answer.body) // 2], "application/json")
    if fault.do == "redirect":
        fault.headers.setdefault("Location", fault.location or "/login.do")
        return _answer(fault, fault.status, b"", "text/html")
    plain = (fault.status, _refusal(fault.status, path), "application/json")
    return _answer(fault, *_PREPARED.get(fault.do, plain))


def _refusal(status: int, path: str) -> bytes:
    """What the service itself would say with such a status, where the fault brings no text of its own."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
    graph = {"error": {"code": phrase.title().replace(" ", ""), "message": phrase, "innerError": {}}}
    servicenow = {"error": {"message": phrase, "detail": None}, "status": "failure"}
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


async def _send_cut(answer: Answer, send: Send) -> None:
    """Promise the whole length, send half, hang up."""
    headers = [(key, value) for key, value in answer.headers if key != b"content-length"]
    body = answer.body or b"{}"
    promised = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": promised})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    cycle: Any = getattr(send, "__self__", None)
    cycle.transport.close()
    cycle.disconnected = True
