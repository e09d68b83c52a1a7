"""Who is calling Graph, and under which request id: checked and noted before anything else."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import GraphError


@dataclass(frozen=True)
class Caller:
    """The token's text is the caller; a text that starts with `admin` is an administrator's."""

    name: str

    @property
    def administrator(self) -> bool:
        """May do what administrators may."""
        return self.name.startswith("admin")


class Gate:
    """ASGI: 401 without a bearer token; `request-id` and the caller's `client-request-id` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through who has a token."""
        headers = Headers(scope=scope)
        request_id = str(uuid.uuid4())
        ids = {"request-id": request_id, "client-request-id": headers.get("client-request-id", request_id)}
        scope["sandbox.ids"] = ids

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ids)
            await send(message)

        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            refusal = GraphError(401, "InvalidAuthenticationToken", "Access token is empty.").response(ids)
            refusal.headers["WWW-Authenticate"] = 'Bearer realm="", authorization_uri="", client_id=""'
            await refusal(scope, receive, send_with_ids)
            return
        scope["sandbox.caller"] = Caller(token.strip())
        await self._app(scope, receive, send_with_ids)
