"""Logging in to ServiceNow, and the session that pysnow is given: what is sent is tidied, what comes back is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError, UsageError
from pmgitops.secrets import Secrets
from pmgitops.transport import Bearer, Transport, body_of, discreet, retry_after, sendable

_ACCEPTED = {"GET": 200, "POST": 201, "PATCH": 200, "DELETE": 204}


class ApiKey(AuthBase):
    """ServiceNow's own header."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["x-sn-apikey"] = sendable(self._key)
        return request


class Session(Transport):
    """The session that pysnow is given: it tidies what pysnow sends and judges what comes back."""

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # as Transport
        """One call of pysnow's, whose query belongs on reads alone and whose booleans are Python's."""
        kwargs.pop("timeout", None)
        kwargs["params"] = _tidy(kwargs.get("params") or {}, reads=method.upper() == "GET")
        return super().request(method, url, **kwargs)


def session(secrets: Secrets, host: str) -> Session:
    """A session that logs in as the environment says; UsageError where it says nothing."""
    return Session(auth=_auth(secrets, host), judge=judge)


def _auth(secrets: Secrets, host: str) -> AuthBase:
    if secrets.servicenow_api_key:
        return ApiKey(secrets.servicenow_api_key.get_secret_value())
    if secrets.servicenow_client_id and secrets.servicenow_client_secret:
        return Bearer(
            _client_credentials(host, secrets.servicenow_client_id, secrets.servicenow_client_secret.get_secret_value())
        )
    if secrets.servicenow_user and secrets.servicenow_password:
        return HTTPBasicAuth(secrets.servicenow_user.encode(), secrets.servicenow_password.get_secret_value().encode())
    raise UsageError(
        "no credentials for ServiceNow in the environment",
        hint="set PMGITOPS_SERVICENOW_USER and _PASSWORD, or _CLIENT_ID and _CLIENT_SECRET, or _API_KEY; "
        "or set the ticket system's gate to off",
    )


def _client_credentials(host: str, client_id: str, secret: str) -> Callable[[], str]:
    """A token of the client-credentials grant, fetched when first needed and again shortly before it expires."""
    transport = Transport(auth=None, judge=_judge_token)
    token, fresh_until = "", 0.0

    def fetch() -> str:
        nonlocal token, fresh_until
        if time.monotonic() >= fresh_until:
            form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
            answer = body_of(transport.request("POST", f"{host}/oauth_token.do", data=form), Commit.NO)
            token = str(answer.get("access_token") or "")
            if not token:
                raise PermanentRemoteError(
                    "ServiceNow gave no access token", hint="check the OAuth client", code="auth", status=401
                )
            fresh_until = time.monotonic() + 0.9 * _seconds(answer.get("expires_in"))
        return token

    return fetch


def _seconds(value: Any) -> float:
    """A token's life; one that does not say lives for the stock half hour."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 1800.0


def _judge_token(response: requests.Response, commit: Commit) -> None:
    status = response.status_code
    if status == 200:
        return
    what = f"ServiceNow answered {status} to the OAuth client"
    if status == 429 or status >= 500:
        raise TemporaryRemoteError(
            what, code="server", status=status, commit=commit, wait=retry_after(response.headers)
        )
    hint = "check PMGITOPS_SERVICENOW_CLIENT_ID and _CLIENT_SECRET; pmgitops does not try the same ones twice"
    raise PermanentRemoteError(what, hint=hint, code="auth", status=401)


def judge(response: requests.Response, commit: Commit) -> None:
    """Raise what an answer of the Table API means, unless it is whole and what was asked for."""
    status, method = response.status_code, response.request.method or ""
    if status == _ACCEPTED.get(method):
        body = body_of(response, commit) if status != 204 else {}
        if "error" in body or body.get("status") == "failure":
            raise TemporaryRemoteError(
                "ServiceNow broke off its answer: " + _message(response), code="partial", status=status, commit=commit
            )
        return
    what = f"ServiceNow answered {status} to {method} {urlsplit(response.url).path}: {_message(response)}"
    facts: dict[str, Any] = {"status": status}
    if status == 401:
        hint = "check the PMGITOPS_SERVICENOW_ credentials; pmgitops does not try the same ones twice"
        raise PermanentRemoteError(what, hint=hint, code="auth", **facts)
    if status == 429:
        code = "throttled.rule" if "X-RateLimit-Limit" in response.headers else "throttled.queue"
        raise TemporaryRemoteError(what, code=code, wait=retry_after(response.headers), **facts)
    if status == 403:  # a write may be answered so although it was done
        hint = "check the roles and ACLs of the integration user"
        raise PermanentRemoteError(what, hint=hint, code=_forbidden(what), commit=commit, **facts)
    if status == 404:
        raise PermanentRemoteError(what, code="absent-or-hidden", **facts)
    if status == 202:
        raise TemporaryRemoteError(what, code="accepted", commit=commit, **facts)
    if status >= 500:
        raise TemporaryRemoteError(what, code="server", commit=commit, wait=retry_after(response.headers), **facts)
    if status in {400, 405, 406, 415}:
        raise PermanentRemoteError(what, hint="check the ticket system's host and tables", code="config", **facts)
    raise PermanentRemoteError(what, hint="check the ticket system's host", code="not-api", commit=commit, **facts)


def _forbidden(what: str) -> str:
    """Which of the refusals that share 403 it is; only a name for people and reports, nothing is decided by it."""
    if "API level ACL" in what:
        return "forbidden.api"
    return "refused.rule" if "Business Rule" in what or "Data Policy" in what else "forbidden.record"


def _message(response: requests.Response) -> str:
    """The vendor's message and detail as one bounded line."""
    try:
        error = body_of(response, Commit.NO).get("error")
    except RemoteError:
        return "no message"
    if not isinstance(error, dict):
        return "no message"
    return discreet(f"{error.get('message') or ''} {error.get('detail') or ''}") or "no message"


def _tidy(params: Mapping[str, Any], *, reads: bool) -> dict[str, Any]:
    tidy = {}
    for name, value in params.items():
        if value in ("", None) or (not reads and name.startswith("sysparm_")):
            continue
        tidy[name] = str(value).lower() if isinstance(value, bool) else value
    return tidy
