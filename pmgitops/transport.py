"""The one HTTP seam: a `requests.Session` of ours, under Graph, ServiceNow (through pysnow) and every later target.

It keeps what callers must not have to think about: no redirects, nothing from the environment, a wall-clock deadline,
a cap on the decoded body, one pause for the whole client when a service asks for it, and typed errors that say whether
a write may have happened. A call is made again only when the error says that nothing happened (reads always say so),
and a write is over, with all its repetitions, when its deadline is.
"""

from __future__ import annotations

import http.client
import io
import json
import logging
import math
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Self

import requests
import stamina
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from pmgitops import __version__
from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError

READS = frozenset({"GET", "HEAD"})
JSON_BODY = "application/json"

# What stamina says of every repetition would be printed where nobody has set up logging.
logging.getLogger("stamina").addHandler(logging.NullHandler())

Judge = Callable[[requests.Response, Commit], None]
"""Raises a typed error for an answer that is not what was asked for; told what a failure means for a write."""


class Bearer(AuthBase):
    """Sends a bearer token that is fetched when first needed, and again when its source says so."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {sendable(self._token())}"
        return request


def sendable(secret: str) -> str:
    """A secret that fits into a header; otherwise an error that does not repeat it, as the ones below us would."""
    if not re.fullmatch(r"[!-~]+", secret):
        raise PermanentRemoteError(
            "the token or key of the environment is empty, or has characters that no header can hold",
            hint="a line break at its end is the usual cause",
            code="config",
        )
    return secret


class _Terms:
    """What a service asked of everybody here who calls it: a pause, or to stay away."""

    def __init__(self) -> None:
        self.paused_until = 0.0
        self.closed: tuple[float, RemoteError] | None = None
        self.lock = threading.Lock()


class Transport(requests.Session):
    """A session with our manners; thread-safe for the uses made of it here (no cookies shared between hosts).

    `deadline` is the wall-clock limit of one exchange in seconds, and of a write with all its repetitions; `most` the
    largest decoded body in bytes; `attempts` how often a call that certainly did nothing is made; `pause` what is
    waited before the second attempt, more before each later one; `patience` the longest pause that a service may ask
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
        pause: float = 0.2,
        patience: float = 30.0,
        parallel: int = 16,
    ) -> None:
        super().__init__()
        self.auth = self._login = auth
        self.trust_env = False  # a .netrc would replace our Authorization, REQUESTS_CA_BUNDLE our trust
        self.judge = judge
        self.deadline = deadline
        self.most = most
        self.attempts = attempts
        self.pause = pause
        self.patience = patience
        self.parallel = parallel
        self._terms = _Terms()
        self._others: list[Transport] = []
        adapter = _Adapter(pool_connections=4, pool_maxsize=parallel, max_retries=0)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def another(self) -> Self:
        """A session like this one with connections and cookies of its own, which keeps the same pauses.

        It is closed together with this one.
        """
        other = type(self)(
            auth=self._login,
            judge=self.judge,
            deadline=self.deadline,
            most=self.most,
            attempts=self.attempts,
            pause=self.pause,
            patience=self.patience,
            parallel=self.parallel,
        )
        other.verify, other.cert, other.proxies = self.verify, self.cert, self.proxies
        other._terms = self._terms  # noqa: SLF001  # one of us
        self._others.append(other)
        return other

    def close(self) -> None:
        """Close all connections, those of the others too."""
        for other in self._others:
            other.close()
        super().close()

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # we fix most options
        """One call, made again while it certainly did nothing and waiting may help. Raises RemoteError."""
        method = method.upper()
        until = None if method in READS else time.monotonic() + self.deadline

        self._refuse_while_closed()
        try:
            for attempt in stamina.retry_context(
                on=partial(self._worth_repeating, until=until),
                attempts=self.attempts,
                timeout=None,
                wait_initial=self.pause,
                wait_max=25 * self.pause,
                wait_jitter=5 * self.pause,
            ):
                with attempt:
                    self._wait_for_the_pause(until)
                    return self._once(method, url, until or time.monotonic() + self.deadline, **kwargs)
        except RemoteError as error:
            self._close_after(error)
            raise
        raise AssertionError("stamina yields at least one attempt")  # pragma: no cover

    # Whether and when to call again

    def _worth_repeating(self, error: Exception, *, until: float | None) -> bool | float:
        if not isinstance(error, TemporaryRemoteError) or error.commit is not Commit.NO:
            return False
        now = time.monotonic()
        if error.wait is not None:
            with self._terms.lock:  # every other call waits as well: the limit is the client's, not the call's
                self._terms.paused_until = max(self._terms.paused_until, now + error.wait)
        wait = error.wait or 0.0
        # Half of a write's time is kept for the write itself: one that is cut short would leave its outcome unknown.
        if wait > self.patience or (until is not None and now + wait > until - self.deadline / 2):
            return False
        return True if error.wait is None else error.wait

    def _wait_for_the_pause(self, until: float | None) -> None:
        now = time.monotonic()
        with self._terms.lock:
            pause = self._terms.paused_until - now
        if pause <= 0:
            return
        if pause > self.patience or (until is not None and now + pause > until - self.deadline / 2):
            raise TemporaryRemoteError(
                f"the service asked for a pause, {pause:.0f} s of which are left", code="paused", wait=pause
            )
        time.sleep(pause)

    def _refuse_while_closed(self) -> None:
        """An earlier call may have found nobody there, or have been refused its login: asking on would lock it."""
        closed = self._terms.closed
        if closed and time.monotonic() < closed[0]:
            error = closed[1]
            raise type(error)(str(error), hint=error.hint, code=error.code, status=error.status)

    def _close_after(self, error: RemoteError) -> None:
        if error.status == 401:
            self._terms.closed = math.inf, error
        elif error.code == "unreachable":
            self._terms.closed = time.monotonic() + self.patience, error

    # One exchange

    def _once(self, method: str, url: str, until: float, **kwargs: Any) -> requests.Response:
        headers = {
            "User-Agent": f"pmgitops/{__version__}",
            "Accept": JSON_BODY,
            "client-request-id": str(uuid.uuid4()),  # Graph wants a new one with every request, repetitions included
            **(kwargs.pop("headers", None) or {}),
        }
        kwargs.update(timeout=(min(5.0, self.deadline), self.deadline), allow_redirects=False, stream=True)
        outer, exchange = _current.exchange, _Exchange(until)
        _current.exchange = exchange

        def commit() -> Commit:
            """Until something was sent nothing can have happened; after that only a read is sure of it."""
            return Commit.UNKNOWN if exchange.sent and method not in READS else Commit.NO

        try:
            response = super().request(method, url, headers=headers, **kwargs)
            with response:
                self._read(response, until)
        except RemoteError as error:
            error.commit = commit()
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # Its text holds the whole address, with numbers and e-mail addresses in the query.
            raise _unanswered(error, url, commit(), sent=exchange.sent) from None
        finally:
            _current.exchange = outer  # a token may be fetched over a connection of its own
        self.judge(response, commit())
        return response

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
                raise TemporaryRemoteError(f"{_place(response.url)} did not finish in time", code="timeout.read")
        response._content = bytes(body)  # noqa: SLF001  # where requests itself keeps a body that has been read
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001


# The deadline, below everything that would otherwise wait for every single byte anew


@dataclass(slots=True)
class _Exchange:
    """What the connection has to know of the exchange that is made over it in this thread."""

    until: float
    sent: bool = False

    def left(self) -> float:
        """Seconds until the deadline; TimeoutError where there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class _Current(threading.local):
    exchange: _Exchange = _Exchange(math.inf)


_current = _Current()


class _DatedSocket(socket.SocketIO):
    """Reads no longer than until the deadline of the exchange."""

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_current.exchange.left())  # type: ignore[attr-defined]  # SocketIO's own socket
        return super().readinto(buffer)


class _DatedResponse(http.client.HTTPResponse):
    """Reads status, headers and body through a dated socket."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        sock._io_refs += 1  # type: ignore[attr-defined]  # noqa: SLF001  # as socket.makefile does
        self.fp = io.BufferedReader(_DatedSocket(sock, "rb"))


class _Dated:
    """A connection that begins to send only before the deadline, and tells that it did."""

    response_class: Any = _DatedResponse
    sock: Any

    def connect(self) -> None:
        """What a tunnel through a proxy takes is sent as well, but is not yet the request."""
        sent = _current.exchange.sent
        try:
            super().connect()  # type: ignore[misc]  # of the class this is mixed into
        finally:
            _current.exchange.sent = sent

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(_current.exchange.left())
        _current.exchange.sent = True
        super().send(data)  # type: ignore[misc]  # same


class _HttpConnection(_Dated, urllib3.connection.HTTPConnection):
    pass


class _HttpsConnection(_Dated, urllib3.connection.HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    """Hands out dated connections, through a proxy as well."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


# What went wrong


def _place(url: str) -> str:
    """Host and path of an address. The query stays out: it holds numbers, e-mail addresses and filters."""
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return "the service"
    return f"{parts.host}{parts.path or ''}"


def _unanswered(error: Exception, url: str, commit: Commit, *, sent: bool) -> RemoteError:
    """A call without a whole answer."""
    place = _place(url)
    untrusted = _cause(error, ssl.SSLError)
    if untrusted and not sent:
        why = getattr(untrusted, "verify_message", "") or getattr(untrusted, "reason", "") or "TLS"
        hint = "check the address and its certificate"
        return PermanentRemoteError(f"{place} is not trusted: {discreet(why)}", hint=hint, code="config", commit=commit)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return PermanentRemoteError(
            f"{place} is not an address", hint="check the address", code="config", commit=commit
        )
    if not sent:
        proxied = isinstance(error, requests.exceptions.ProxyError)
        hint = "check the proxy, and what it lets through" if proxied else "check the address and the network"
        return TemporaryRemoteError(f"{place} cannot be reached", hint=hint, code="unreachable", commit=commit)
    if isinstance(error, TimeoutError | requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return TemporaryRemoteError(f"{place} did not answer in time", code="timeout.read", commit=commit)
    return TemporaryRemoteError(f"{place} closed the connection", code="broken", commit=commit)


def _cause(error: BaseException | None, kind: type[Exception]) -> Exception | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


_PRIVATE = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+|\b(Bearer|Basic) \S+|\beyJ[\w-]+\.[\w.-]+", re.IGNORECASE)


def discreet(text: object, most: int = 300) -> str:
    """A service's words as one bounded line without e-mail addresses and tokens, which it may repeat."""
    return " ".join(_PRIVATE.sub("(left out)", str(text or "")).split())[:most]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, from a number or an HTTP date, else until `X-RateLimit-Reset` (seconds since 1970);
    None where there is none to be read.
    """
    text, reset = headers.get("Retry-After", "").strip(), headers.get("X-RateLimit-Reset", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    now = _date(headers.get("Date", "")) or datetime.now(UTC)  # by the service's own clock
    if then := _date(text):
        return max(0.0, (then - now).total_seconds())
    left = int(reset) - now.timestamp() if re.fullmatch(r"[0-9]{10}", reset) else 0.0
    return left if left > 0 else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def body_of(response: requests.Response, commit: Commit) -> dict[str, Any]:
    """The JSON object in an answer; a RemoteError where it is anything else (a login page, a cut body, a list)."""
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind != JSON_BODY:
        raise PermanentRemoteError(
            f"{_place(response.url)} answered with {discreet(kind, 80) or 'no content type'} instead of JSON: "
            "not the API",
            hint="check the address; a login or maintenance page may stand in front of it",
            code="not-api",
            status=response.status_code,
            commit=commit,
        )
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        raise TemporaryRemoteError(
            f"{_place(response.url)} answered with broken JSON",
            code="broken",
            status=response.status_code,
            commit=commit,
        ) from None
    if not isinstance(body, dict):
        raise PermanentRemoteError(
            f"{_place(response.url)} answered with JSON that is not an object",
            code="not-api",
            status=response.status_code,
            commit=commit,
        )
    return body
