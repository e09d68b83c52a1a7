"""Who calls the instance: Basic, a token of `/oauth_token.do`, or an API key; and the session cookies it hands out."""

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

from .errors import not_authenticated

INTEGRATION_USER = "pmgitops"
CLIENT_ID = "pmgitops"
SECRET = "sandbox"  # noqa: S105 - password, client secret and API key of a stand-in on loopback


class Tokens:
    """The OAuth tokens given out: access tokens expire on the sandbox's clock, refresh tokens do not."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._access: dict[str, tuple[str, int]] = {}
        self._refresh: dict[str, str] = {}

    def user_of(self, token: str) -> str | None:
        """Whose token this is, while it lives."""
        user, expires = self._access.get(token, (None, 0))
        return user if self._world.store.clock.now() < expires else None

    def grant(self, user: str, refresh: str | None) -> dict[str, object]:
        """A new access token, and the refresh token where the grant has one."""
        seconds = self._world.behaviour.token_seconds
        token = self._world.store.new_sys_id()
        self._access[token] = (user, self._world.store.clock.now() + seconds * SECOND)
        answer: dict[str, object] = {
            "access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": "useraccount",
        }  # fmt: skip
        if refresh is not None:
            self._refresh[refresh] = user
            answer["refresh_token"] = refresh
        return answer

    def refreshed(self, token: str) -> str | None:
        """Whose refresh token this is."""
        return self._refresh.get(token)


class Gate:
    """ASGI: 401 for strangers; cookies for who has none."""

    def __init__(self, app: ASGIApp, world: World, tokens: Tokens) -> None:
        self._app, self._world, self._tokens = app, world, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through who proves a user."""
        headers = Headers(scope=scope)

        async def send_with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start" and "glide_user_route" not in headers.get("cookie", ""):
                outgoing = MutableHeaders(scope=message)
                outgoing.append("Set-Cookie", f"JSESSIONID={_session(scope)}; Path=/; HttpOnly")
                outgoing.append("Set-Cookie", "glide_user_route=glide.sandbox; Path=/; HttpOnly")
            await send(message)

        if scope["path"].endswith("/oauth_token.do"):
            await self._app(scope, receive, send_with_cookies)
            return
        user = self._user(headers, QueryParams(scope["query_string"]))
        if user is None or not is_active(self._world, user):
            refusal = not_authenticated().response()
            refusal.headers["WWW-Authenticate"] = 'BASIC realm="Service-now"'
            await refusal(scope, receive, send_with_cookies)
            return
        scope["sandbox.caller"] = user
        await self._app(scope, receive, send_with_cookies)

    def _user(self, headers: Headers, query: QueryParams) -> str | None:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        key = headers.get("x-sn-apikey") or query.get("x-sn-apikey")
        if key is not None:
            return INTEGRATION_USER if key == SECRET else None
        match scheme.lower():
            case "bearer":
                return self._tokens.user_of(credentials.strip())
            case "basic" if self._world.behaviour.basic_auth:
                return _basic(credentials)
            case _:
                return None


async def give_token(request: Request) -> Response:
    """`POST /oauth_token.do`: client credentials, password and refresh grants; form-encoded only."""
    world: World = request.app.state.world
    tokens: Tokens = request.app.state.tokens
    if "x-www-form-urlencoded" not in request.headers.get("content-type", ""):
        return _oauth_error("invalid_request", "The request body has to be form-encoded.", 400)
    form = dict(parse_qsl((await request.body()).decode("latin-1")))
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, SECRET):
        return _oauth_error("invalid_client", "access_denied")
    if form.get("grant_type") not in ("client_credentials", "password", "refresh_token"):
        # The JWT bearer grant belongs here.
        return _oauth_error("unsupported_grant_type", f"The grant type '{form.get('grant_type')}' is not known.", 400)
    user, refresh = _granted(world, tokens, form)
    return JSONResponse(tokens.grant(user, refresh)) if user else _oauth_error("server_error", "access_denied")


def _granted(world: World, tokens: Tokens, form: dict[str, str]) -> tuple[str | None, str | None]:
    """The user whom a grant proves, and the refresh token that goes with it."""
    match form["grant_type"]:
        case "client_credentials":
            return INTEGRATION_USER, None
        case "refresh_token":
            return tokens.refreshed(form.get("refresh_token", "")), form.get("refresh_token")
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
