"""The one HTTP seam: a `requests.Session` of ours, under Graph, ServiceNow (through pysnow) and every later target.

It keeps what callers must not have to think about: no redirects, nothing from the environment, a wall-clock deadline,
a cap on the decoded body, one pause for the whole client when a service asks for it, and typed errors that say whether
a write may have happened. A call is made again only when the error says that nothing happened (reads always say so).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

import requests
import stamina
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from pmgitops import __version__
from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError

READS = frozenset({"GET", "HEAD"})
JSON_BODY = "application/json"

Judge = Callable[[requests.Response, Commit], None]
"""Raises a typed error for an answer that is not what was asked for; told what a failure means for a write."""


class Bearer(AuthBase):
    """Sends a bearer token that is fetched when first needed, and again when its source says so."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        return request


class Transport(requests.Session):
    """A session with our manners; thread-safe for the uses made of it here (no cookies shared between hosts).

    `deadline` is the wall-clock limit of one exchange in seconds, `most` the largest decoded body in bytes, `attempts`
    how often a call that certainly did nothing is made, `patience` the longest pause in seconds that a service may ask
    for.
    """

    def __init__(
        self,
        *,
        auth: AuthBase | None,
        judge: Judge,
        deadline: float = 20.0,
        most: int = 16 * 1024 * 1024,
        attempts: int = 4,
        patience: float = 30.0,
        parallel: int = 16,
    ) -> None:
        super().__init__()
        self.auth = auth
        self.trust_env = False  # a .netrc would replace our Authorization, REQUESTS_CA_BUNDLE our trust
        self.judge = judge
        self.deadline = deadline
        self.most = most
        self.attempts = attempts
        self.patience = patience
        self._paused_until = 0.0
        self._lock = Lock()
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=parallel, max_retries=0)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # we fix most options
        """One call, made again while it certainly did nothing and waiting may help. Raises RemoteError."""
        for attempt in stamina.retry_context(
            on=self._worth_repeating, attempts=self.attempts, timeout=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                return self._once(method.upper(), url, **kwargs)
        raise AssertionError("stamina yields at least one attempt")  # pragma: no cover

    def _worth_repeating(self, error: Exception) -> bool | float:
        if not isinstance(error, TemporaryRemoteError) or error.commit is not Commit.NO:
            return False
        if error.wait is None:
            return True
        if error.wait > self.patience:
            return False
        with self._lock:  # every other call of this client waits as well: the limit is the client's, not the call's
            self._paused_until = max(self._paused_until, time.monotonic() + error.wait)
        return error.wait

    def _once(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        self._wait_for_the_pause()
        headers = {
            "User-Agent": f"pmgitops/{__version__}",
            "Accept": JSON_BODY,
            "client-request-id": str(uuid.uuid4()),
            **(kwargs.pop("headers", None) or {}),
        }
        unknown = Commit.NO if method in READS else Commit.UNKNOWN
        until = time.monotonic() + self.deadline
        kwargs.update(timeout=(5.0, self.deadline), allow_redirects=False, stream=True)
        try:
            response = super().request(method, url, headers=headers, **kwargs)
            with response:
                self._read(response, until)
        except RemoteError as error:
            error.commit = unknown
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _unanswered(error, url, unknown) from error
        self.judge(response, unknown)
        return response

    def _wait_for_the_pause(self) -> None:
        with self._lock:
            pause = self._paused_until - time.monotonic()
        if pause > 0:
            time.sleep(pause)

    def _read(self, response: requests.Response, until: float) -> None:
        """The whole body within the deadline and the cap; a read returns what has come, so a dripping body cannot hold
        us.
        """
        body = bytearray()
        while chunk := response.raw.read1(64 * 1024, decode_content=True):
            body += chunk
            if len(body) > self.most:
                raise PermanentRemoteError(
                    f"{_place(response.url)} answered with more than {self.most} bytes", code="oversize"
                )
            if time.monotonic() > until:
                raise TemporaryRemoteError(
                    f"{_place(response.url)} did not finish within {self.deadline:g} s", code="timeout.read"
                )
        wanted = response.headers.get("Content-Length", "")
        if wanted.isdigit() and "Content-Encoding" not in response.headers and 0 < len(body) < int(wanted):
            raise TemporaryRemoteError(f"{_place(response.url)} broke off in the middle of its answer", code="broken")
        response._content = bytes(body)  # noqa: SLF001  # where requests itself keeps a body that has been read
        response._content_consumed = True  # noqa: SLF001


def _place(url: str) -> str:
    """Host and path of an address. The query stays out: it holds numbers, e-mail addresses and filters."""
    parts = urllib3.util.parse_url(url)
    return f"{parts.host}{parts.path or ''}"


def _unanswered(error: Exception, url: str, unknown: Commit) -> RemoteError:
    """A call without a whole answer: certainly nothing happened where no connection was made, otherwise unknown."""
    place = _place(url)
    if isinstance(error, requests.exceptions.SSLError):
        return PermanentRemoteError(
            f"{place} is not trusted (TLS)", hint="check the address and its certificate", code="config"
        )
    if isinstance(error, requests.exceptions.ConnectTimeout) or _refused(error):
        return TemporaryRemoteError(
            f"{place} cannot be reached", hint="check the address and the network", code="unreachable"
        )
    if isinstance(error, requests.exceptions.Timeout):
        return TemporaryRemoteError(f"{place} did not answer in time", code="timeout.read", commit=unknown)
    return TemporaryRemoteError(f"{place} closed the connection", code="broken", commit=unknown)


def _refused(error: Exception) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, from a number or an HTTP date; None where there is none to be read."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def body_of(response: requests.Response, commit: Commit) -> dict[str, Any]:
    """The JSON object in an answer; a RemoteError where it is anything else (a login page, a cut body, a list)."""
    place = _place(response.url)
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind != JSON_BODY:
        raise PermanentRemoteError(
            f"{place} answered with {kind or 'no content type'} instead of JSON: not the API",
            hint="check the address; a login or maintenance page may stand in front of it",
            code="not-api",
            status=response.status_code,
            commit=commit,
        )
    try:
        body = json.loads(response.content)
    except ValueError:
        raise TemporaryRemoteError(
            f"{place} answered with broken JSON", code="broken", status=response.status_code, commit=commit
        ) from None
    if not isinstance(body, dict):
        raise PermanentRemoteError(
            f"{place} answered with JSON that is not an object",
            code="not-api",
            status=response.status_code,
            commit=commit,
        )
    return body
