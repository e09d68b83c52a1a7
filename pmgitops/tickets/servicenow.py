"""ServiceNow through pysnow, which this module alone imports.

pysnow 0.7.17 is used unmodified under a session of ours, because left to itself it does not notice failed writes,
follows redirects with credentials, carries one call's parameters into the next and escapes nothing in queries. Hence:
our session is injected and judges every answer before pysnow sees it; a resource is made anew for every call; values
that go into a query have passed a grammar; a record is written by PATCH on its sys_id and never through `update()`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError, UsageError
from pmgitops.model.ticket import TicketLink, TicketRecord
from pmgitops.secrets import Secrets
from pmgitops.tickets.interface import Journal
from pmgitops.transport import Bearer, Transport, body_of, discreet, retry_after, sendable

MARKER = re.compile(r"pmgitops/1 [0-9a-f]{32}")
_FIELDS = ["sys_id", "sys_class_name", "number", "state", "active", "approval", "short_description"]
_TABLE = re.compile(r"[a-z][a-z0-9_]{1,79}")
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PAGE = 200
_PAGES = 10
"""At most so many pages of a ticket's work notes are searched, newest first."""
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


class ServiceNow:
    """One instance; both ports, since ServiceNow ties rights to the user and not to the token. One thread at a time."""

    def __init__(self, host: str, session: Session) -> None:
        import pysnow  # noqa: PLC0415  # 200 ms, and only where tickets are read

        parts = urlsplit(host)
        self.instance = parts.netloc
        self._client = pysnow.Client(host=parts.netloc, session=session, use_ssl=parts.scheme == "https")
        self._journal_open: bool | None = None

    def find(self, number: str) -> list[TicketRecord]:
        """The tickets of any class with this number, at most two."""
        query = f"number={_checked(_NUMBER, number)}"
        rows, _ = self._rows("/table/task", query, fields=_FIELDS, limit=2, display_value="all")
        return [_record(self.instance, row) for row in rows]

    def markers(self, link: TicketLink) -> Journal:
        """Our markers among the work notes: from the journal table, or where that is closed to us from the record
        itself.
        """
        found: set[str] = set()
        seen = 0
        query = f"element_id={_checked(_SYS_ID, link.sys_id)}^element=work_notes^ORDERBYDESCsys_created_on"
        for page in range(_PAGES):
            rows, total = self._journal(query, offset=page * _PAGE)
            seen += len(rows)
            for row in rows:
                found.update(MARKER.findall(str(row.get("value", ""))))
            # Rows that we may not see are taken out after a page was cut: a short page need not be the last.
            if (page + 1) * _PAGE >= total:
                break
        if not seen:
            text = self._displayed_notes(link)
            found.update(MARKER.findall(text))
            seen = len(text)
        return Journal(frozenset(found), readable=bool(seen))

    def sees_notes(self) -> bool:
        """Whether any ticket's work notes are seen; asked once, since it counts only after something went wrong."""
        if self._journal_open is None:
            self._journal_open = bool(self._journal("element=work_notes", limit=10, count=False)[0])
        return self._journal_open

    def _journal(self, query: str, *, limit: int = _PAGE, **options: Any) -> tuple[list[dict[str, Any]], int]:
        return self._rows("/table/sys_journal_field", query, fields=["value"], limit=limit, **options)

    def add_note(self, link: TicketLink, text: str) -> None:
        """One PATCH of `work_notes` alone, on the class's table, never repeated here."""
        path = f"/table/{_checked(_TABLE, link.table)}"
        answer = self._call(path, "PATCH", f"/{_checked(_SYS_ID, link.sys_id)}", {"work_notes": text})
        if _stored(answer, "sys_id") != link.sys_id:
            raise PermanentRemoteError(
                f"{self.instance} answered for another record than {link.number}",
                code="mismatch",
                commit=Commit.UNKNOWN,
            )

    def _displayed_notes(self, link: TicketLink) -> str:
        path = f"/table/{_checked(_TABLE, link.table)}"
        query = f"sys_id={_checked(_SYS_ID, link.sys_id)}"
        rows, _ = self._rows(path, query, fields=["work_notes"], limit=1, display_value=True)
        return str(rows[0].get("work_notes", "")) if rows else ""

    def _rows(self, path: str, query: str, *, count: bool = True, **options: Any) -> tuple[list[dict[str, Any]], int]:
        """What a list shows, and how many rows it says that there are."""

        def call() -> tuple[Any, Mapping[str, str]]:
            resource = self._client.resource(api_path=path)
            if not count:  # counting all of a large table takes longer than finding the first few of its rows
                resource.parameters.add_custom({"sysparm_no_count": True})
            answer = resource.get(query=query, stream=False, **options)
            return answer.all(), answer.headers

        rows, headers = _plainly(call)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PermanentRemoteError(f"{self.instance}{path} answered without rows", code="not-api")
        total = headers.get("X-Total-Count", "")
        return rows, int(total) if re.fullmatch(r"[0-9]{1,9}", total) else len(rows)

    def _call(self, path: str, method: str, append: str, body: Mapping[str, str]) -> dict[str, Any]:
        def call() -> Any:
            resource = self._client.resource(api_path=path)
            return resource.request(method, path_append=append, data=json.dumps(body)).one()

        answer = _plainly(call, commit=Commit.UNKNOWN)
        return answer if isinstance(answer, dict) else {}


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


def _plainly(call: Callable[[], Any], commit: Commit = Commit.NO) -> Any:
    """Pysnow's own exceptions, where any still come, as ours: never with their text, which holds the whole URL."""
    import pysnow.exceptions  # noqa: PLC0415  # see ServiceNow.__init__

    try:
        return call()
    except RemoteError:
        raise
    except (
        pysnow.exceptions.PysnowException,
        requests.RequestException,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise PermanentRemoteError(
            f"ServiceNow's answer could not be read ({type(error).__name__})", code="bug", commit=commit
        ) from error


def _tidy(params: Mapping[str, Any], *, reads: bool) -> dict[str, Any]:
    tidy = {}
    for name, value in params.items():
        if value in ("", None) or (not reads and name.startswith("sysparm_")):
            continue
        tidy[name] = str(value).lower() if isinstance(value, bool) else value
    return tidy


def _checked(grammar: re.Pattern[str], text: str) -> str:
    if not grammar.fullmatch(text):
        raise PermanentRemoteError(f"{text!r} cannot be a table or record of ServiceNow", code="mismatch")
    return text


def _stored(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    return str(value.get("value", "") if isinstance(value, dict) else value)


def _record(instance: str, row: Mapping[str, Any]) -> TicketRecord:
    state = row.get("state", "")
    return TicketRecord(
        instance=instance,
        table=_stored(row, "sys_class_name"),
        sys_id=_stored(row, "sys_id"),
        number=_stored(row, "number"),
        state=_stored(row, "state"),
        state_label=str(state.get("display_value", "")) if isinstance(state, dict) else "",
        active=_stored(row, "active") == "true",
        approval=_stored(row, "approval"),
        short_description=_stored(row, "short_description"),
    )
