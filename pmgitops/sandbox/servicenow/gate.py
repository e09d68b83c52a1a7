"""Who calls the instance: Basic, a token of `/oauth_token.do`, an API key or a client certificate; how often they may;
and the session cookies it hands out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pmgitops.sandbox.clock import SECOND
from pmgitops.sandbox.world import World

from .assertions import subject
from .errors import ServiceNowError, not_authenticated
from .visitors import SESSION_COOKIE

INTEGRATION_USER = "pmgitops"
CLIENT_ID = "pmgitops"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SECRET = "sandbox"  # noqa: S105 - password, client secret and API key of a stand-in on loopback


_OPEN = ("/oauth_token.do", "/login.do")


class Gate:
    """ASGI: 401 for strangers, 429 for who asks too often; cookies for who has none."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app, self._world = app, world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through who proves a user."""
        headers = Headers(scope=scope)

        async def send_with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start" and "glide_user_route" not in headers.get("cookie", ""):
                outgoing = MutableHeaders(scope=message)
                outgoing.append("Set-Cookie", f"{SESSION_COOKIE}={_session(scope)}; Path=/; HttpOnly")
                outgoing.append("Set-Cookie", "glide_user_route=glide.sandbox; Path=/; HttpOnly")
            await send(message)

        if scope["path"] in _OPEN:
            await self._app(scope, receive, send_with_cookies)
            return
        user = self._user(headers, QueryParams(scope["query_string"]), scope.get("sandbox.certificate", ""))
        if user is None or not is_active(self._world, user):
            refusal = not_authenticated().response(details=self._world.behaviour.error_details)
            refusal.headers["WWW-Authenticate"] = 'BASIC realm="Service-now"'
            await refusal(scope, receive, send_with_cookies)
            return
        scope["sandbox.caller"] = user
        await (self._too_often(user) or self._app)(scope, receive, send_with_cookies)

    def _too_often(self, user: str) -> Response | None:
        """429 with its four headers, once a user has used up the hour."""
        limit, now = self._world.behaviour.rate_limit, self._world.store.clock.now()
        calls, end = self._world.visitors.count(user, now)
        if not limit or calls <= limit:
            return None
        refusal = ServiceNowError(429, "Rate limit exceeded", f"{limit} calls in an hour").response()
        refusal.headers.update({
            "X-RateLimit-Limit": str(limit), "X-RateLimit-Reset": str(end // SECOND),
            "X-RateLimit-Rule": hashlib.sha256(user.encode()).hexdigest()[:32],
            "Retry-After": str(-((now - end) // SECOND)),
        })  # fmt: skip
        return refusal

    def _user(self, headers: Headers, query: QueryParams, certificate: str) -> str | None:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        key = headers.get("x-sn-apikey") or query.get("x-sn-apikey")
        if key is not None:
            return INTEGRATION_USER if key == SECRET else None
        match scheme.lower():
            case "bearer":
                return self._world.visitors.user_of(credentials.strip(), self._world.store.clock.now())
            case "basic" if self._world.behaviour.basic_auth:
                return _basic(credentials)
            case "":
                return certificate or None
            case _:
                return None


async def give_token(request: Request) -> Response:
    """`POST /oauth_token.do`: client credentials, password, refresh and JWT bearer grants; form-encoded only."""
    world: World = request.app.state.world
    if "x-www-form-urlencoded" not in request.headers.get("content-type", ""):
        return _oauth_error("invalid_request", "The request body has to be form-encoded.", 400)
    form = dict(parse_qsl((await request.body()).decode("latin-1")))
    # Who signs a JWT needs no other secret.
    secret = form.get("client_secret", SECRET if form.get("grant_type") == JWT_GRANT else None)
    if (form.get("client_id"), secret) != (CLIENT_ID, SECRET):
        return _oauth_error("invalid_client", "access_denied")
    if form.get("grant_type") not in ("client_credentials", "password", "refresh_token", JWT_GRANT):
        return _oauth_error("unsupported_grant_type", f"The grant type '{form.get('grant_type')}' is not known.", 400)
    user, refresh = _granted(world, form)
    return JSONResponse(_new_token(world, user, refresh)) if user else _oauth_error("server_error", "access_denied")


def _new_token(world: World, user: str, refresh: str | None) -> dict[str, object]:
    """An access token that expires on the sandbox's clock, and the refresh token where the grant has one."""
    seconds, token = world.behaviour.token_seconds, world.store.new_sys_id()
    world.visitors.access[token] = (user, world.store.clock.now() + seconds * SECOND)
    answer: dict[str, object] = {
        "access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": "useraccount",
    }  # fmt: skip
    if refresh is not None:
        world.visitors.refresh[refresh] = user
        answer["refresh_token"] = refresh
    return answer


def _granted(world: World, form: dict[str, str]) -> tuple[str | None, str | None]:
    """The user whom a grant proves, and the refresh token that goes with it."""
    match form["grant_type"]:
        case "client_credentials":
            return INTEGRATION_USER, None
        case "refresh_token":
            return world.visitors.refresh.get(form.get("refresh_token", "")), form.get("refresh_token")
        case grant if grant == JWT_GRANT:
            seconds = world.store.clock.now() // SECOND
            user = subject(form.get("assertion", ""), world.behaviour.jwt_key, audience=CLIENT_ID, now=seconds)
            return (user if user and is_active(world, user) else None), None
        case _:
            user = form.get("username", "")
            proven = form.get("password") == SECRET and is_active(world, user)
            return (user, world.store.new_sys_id()) if proven else (None, None)


def is_active(world: World, user_name: str) -> bool:
    """Whether there is such a user, and may log in."""
    sql = (
        "SELECT 1 FROM records"
        " WHERE json_extract(fields, '$.user_name') = ? AND json_extract(fields, '$.active') = 'true'"
    )
    return world.store.one(sql, user_name) is not None


def _basic(credentials: str) -> str | None:
    try:
        user, _, password = base64.b64decode(credentials).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if password == SECRET else None


def _session(scope: Scope) -> str:
    return hashlib.sha256(repr(scope.get("client")).encode()).hexdigest()[:32].upper()


def _oauth_error(code: str, description: str, status: int = 401) -> JSONResponse:
    return JSONResponse({"error": code, "error_description": description}, status)
