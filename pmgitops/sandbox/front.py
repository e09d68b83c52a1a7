"""The front door, before every handler: who may knock, what was asked (the log), and which fault is to strike."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .clock import iso
from .deeds import commit
from .world import World

_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_LARGEST_BODY = 64 * 1024 * 1024
_SECRET_HEADERS = {"authorization", "cookie", "x-sn-apikey", "proxy-authorization"}
_SECRET_FIELDS = {"client_secret", "password", "refresh_token", "access_token", "assertion", "x-sn-apikey"}
_JWT = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]*")
_OWN = ("/_control", "/page")


class Front:
    """ASGI, outermost: it alone is handed the server's own `send`, through which the connection can be broken."""

    def __init__(self, app: ASGIApp, world: World, control_port: int) -> None:
        self._app, self._world, self._control_port = app, world, control_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or log and handle, or log and fail as told."""
        headers = Headers(scope=scope)
        refusal = _refusal(scope, headers, self._control_port)
        if refusal:
            await PlainTextResponse(refusal, 403)(scope, receive, send)
            return
        if scope["path"] == "/" or scope["path"].startswith(_OWN):
            await self._app(scope, receive, send)
            return
        scope["sandbox.certificate"] = _common_name(send)
        body = await _whole_body(receive)
        if body is None:
            await PlainTextResponse("The body is too large.", 413)(scope, receive, send)
            return
        await self._logged(scope, headers, body, send)

    async def _logged(self, scope: Scope, headers: Headers, body: bytes, send: Send) -> None:
        entry = _entry(scope, headers, body, iso(self._world.store.clock.now()))
        scope["sandbox.entry"] = entry
        self._world.log.append(entry)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            await send(message)

        # The fault needs the server's own object behind `send`; see `faults.abort`.
        noting.__self__ = getattr(send, "__self__", None)  # type: ignore[attr-defined]
        query = unquote_plus(scope["query_string"].decode("latin-1"))
        receive = _replay(body)
        with self._world.visitors.under_way(headers.get("cookie", "")) as before:
            if 0 < self._world.behaviour.session_queue <= before:
                await Response(status_code=202)(scope, receive, noting)
                return
            fault = self._world.faults.strike(scope["method"], scope["path"], query)
            try:
                if fault is None:
                    await self._app(scope, receive, noting)
                else:
                    entry["fault"] = fault.do
                    await commit(fault, self._app, scope, receive, noting)
            finally:
                entry["caller"] = _unsecret(scope.get("sandbox.caller"))


def _refusal(scope: Scope, headers: Headers, control_port: int) -> str:
    """Why a browser elsewhere must not reach the sandbox: another name for loopback, or a form on another site."""
    host = headers.get("host", "")
    if not _LOOPBACK.fullmatch(host):
        return "The sandbox answers to loopback names only."
    client = scope.get("client")
    own = scope["path"] == "/" or scope["path"].startswith(_OWN)
    if own and scope["server"][1] != control_port:
        return f"The sandbox is controlled on port {control_port}."
    if own and client and not _LOOPBACK.fullmatch(client[0] if ":" not in client[0] else f"[{client[0]}]"):
        return "The sandbox is controlled from this machine only."
    origin = headers.get("origin")
    if own and scope["method"] not in ("GET", "HEAD") and origin is not None and origin != f"http://{host}":
        return "A page from elsewhere may not control the sandbox."
    return ""


def _common_name(send: Send) -> str:
    """Whom the client certificate names, where one was shown and the handshake has checked it."""
    cycle: Any = getattr(send, "__self__", None)
    certificate = cycle.transport.get_extra_info("peercert") or {}
    return next((name for ((kind, name),) in certificate.get("subject", ()) if kind == "commonName"), "")


async def _whole_body(receive: Receive) -> bytes | None:
    chunks, size = [], 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > _LARGEST_BODY:
            return None
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _entry(scope: Scope, headers: Headers, body: bytes, at: str) -> dict[str, Any]:
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return {
        "at": at,
        "method": scope["method"],
        "path": scope["path"],
        "query": {key: "***" if key.lower() in _SECRET_FIELDS else value for key, value in pairs},
        "headers": {key: "***" if key in _SECRET_HEADERS else value for key, value in headers.items()},
        "body": _readable(headers.get("content-type", ""), body),
        "status": None,
        "caller": None,
        "fault": None,
        "flags": [],
        "connection": (scope.get("client") or ("", 0))[1],
    }


def _readable(content_type: str, body: bytes) -> Any:
    """JSON as such, forms without their secrets, text as text, anything else by its length."""
    if not body:
        return None
    if "x-www-form-urlencoded" in content_type:
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
        return urlencode([(key, "***" if key in _SECRET_FIELDS else value) for key, value in pairs], safe="*")
    try:
        return json.loads(body) if "json" in content_type else body.decode()
    except ValueError:
        return f"<{len(body)} bytes>"


def _unsecret(caller: Any) -> str | None:
    """The caller's name; a real token that was sent by mistake is not kept."""
    name = getattr(caller, "name", caller)
    return "<token>" if name and (_JWT.fullmatch(name) or len(name) > 100) else name
