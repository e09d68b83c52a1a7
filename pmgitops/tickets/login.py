"""Logging in to ServiceNow: who we are, whom we trust, and the session that pysnow is given.

Everything is said in the environment or in the trusted commit's configuration; nothing of the machine's own is used (no
`.netrc`, no `HTTPS_PROXY`, no `REQUESTS_CA_BUNDLE`), for the tokens' endpoint as little as for the tables.
"""

from __future__ import annotations

import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.auth import AuthBase, HTTPBasicAuth

from pmgitops.errors import Commit, RemoteError, UsageError
from pmgitops.secrets import Secrets
from pmgitops.tickets.answers import failed, judge
from pmgitops.transport import READS, Bearer, Transport, body_of, retry_after, sendable

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE = 300
"""How long an assertion that we sign is good for, in seconds."""
SLOW = 10
"""By how many seconds the instance's clock may be behind ours."""
STOCK_LIFE = 1800.0
"""How long a token lives that does not say so, in seconds."""


class ApiKey(AuthBase):
    """ServiceNow's own header."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["x-sn-apikey"] = sendable(self._key)
        return request


class Tokens(Bearer):
    """Tokens of the instance's OAuth endpoint; any number of sessions and threads share one.

    A token is fetched when first needed, again shortly before it expires, and once more, for good, when the instance
    refuses it: an administrator may have revoked it. `fetch` gives a token and its life in seconds; it raises
    RemoteError.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]]) -> None:
        super().__init__(self._fresh)
        self._fetch = fetch
        self._value, self._fresh_until = "", 0.0
        self._renewed = False
        self._alone = threading.Lock()
        self._used = threading.local()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._used.token = ""  # what cannot be fetched was not used
        signed = super().__call__(request)
        self._used.token = request.headers["Authorization"]
        return signed

    def renew(self) -> bool:
        """After this thread's call was answered 401: whether there is another token to try it with, once."""
        used = getattr(self._used, "token", "")
        with self._alone:
            if not used or used != f"Bearer {self._value}":
                return bool(used)  # another thread was refused as well, and has renewed it
            if self._renewed:
                return False
            self._renewed, self._fresh_until = True, 0.0
            return True

    def _fresh(self) -> str:
        with self._alone:
            if time.monotonic() >= self._fresh_until:
                self._value, life = self._fetch()
                self._fresh_until = time.monotonic() + 0.9 * life
            return self._value


class Session(Transport):
    """The session that pysnow is given: it tidies what pysnow sends and judges what comes back."""

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # as Transport
        """One call of pysnow's, whose query belongs on reads alone and whose booleans are Python's."""
        kwargs.pop("timeout", None)
        kwargs["params"] = _tidy(kwargs.get("params") or {}, reads=method.upper() == "GET")
        return super().request(method, url, **kwargs)

    def _once(self, method: str, url: str, until: float, **kwargs: Any) -> requests.Response:
        try:
            return super()._once(method, url, until, **kwargs)
        except RemoteError as error:
            if not self._is_worth_another(error, method):
                raise
        return super()._once(method, url, until, **kwargs)

    def _is_worth_another(self, error: RemoteError, method: str) -> bool:
        """Whether the same call may do better at once: with a new token; or a read, of an instance whose nodes have
        just changed and which then refuses everybody for a moment (KB2466644).
        """
        if error.code == "auth":
            return isinstance(self.auth, Tokens) and self.auth.renew()
        return error.code == "forbidden.api" and method in READS


@dataclass(frozen=True, slots=True)
class Line:
    """How an instance is reached: the authorities to trust, the proxy to go through, the certificate to show.

    Paths of PEM files and an address; all but the certificate's key are what they are for every session of a run.
    """

    ca: str = ""
    proxy: str = ""
    certificate: str = ""
    key: str = ""

    @classmethod
    def of(cls, secrets: Secrets, ca: str, proxy: str) -> Line:
        """What the environment says, or else the configuration; UsageError where a file cannot be used."""
        line = cls(
            secrets.servicenow_ca or ca,
            secrets.servicenow_proxy.get_secret_value() if secrets.servicenow_proxy else proxy,
            secrets.servicenow_certificate or "",
            secrets.servicenow_certificate_key or "",
        )
        line._refuse_what_cannot_be_used()
        return line

    def lay(self, transport: Transport) -> None:
        """Have a transport go this way."""
        if self.ca:
            transport.verify = self.ca
        if self.proxy:
            transport.proxies = {"http": self.proxy, "https": self.proxy}
        if self.certificate:
            transport.cert = (self.certificate, self.key) if self.key else self.certificate

    def _refuse_what_cannot_be_used(self) -> None:
        """Here, where it can be said what is wrong: later it would look like a service that is not there."""
        for path in filter(None, (self.ca, self.certificate, self.key)):
            if not Path(path).is_absolute() or not Path(path).is_file():
                raise UsageError(f"{path} is not there", hint="give the absolute path of a file in PEM")
        if self.key and not self.certificate:
            raise UsageError("PMGITOPS_SERVICENOW_CERTIFICATE_KEY is set without _CERTIFICATE")
        proxy = urlsplit(self.proxy)
        if self.proxy and not (proxy.scheme in {"http", "https"} and proxy.hostname):
            raise UsageError(
                "PMGITOPS_SERVICENOW_PROXY is not an address such as http://name:password@proxy.example:3128"
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.ca:
                context.load_verify_locations(self.ca)
        except (ssl.SSLError, OSError, ValueError):
            raise UsageError(f"{self.ca} holds no certificates in PEM") from None
        try:
            if self.certificate:  # with a password, it would be asked for
                context.load_cert_chain(self.certificate, self.key or None, password="")
        except (ssl.SSLError, OSError, ValueError):
            hint = "both in PEM, the key without a password"
            raise UsageError(f"{self.certificate} is no certificate with its private key", hint=hint) from None


def session(secrets: Secrets, host: str, *, ca: str = "", proxy: str = "") -> Session:
    """A session that logs in to `host` as the environment says; UsageError where it says nothing.

    `ca` (a path) and `proxy` (an address) are the configuration's.
    """
    line = Line.of(secrets, ca, proxy)
    made = Session(auth=_auth(secrets, host, line), judge=judge)
    line.lay(made)
    return made


def _auth(secrets: Secrets, host: str, line: Line) -> AuthBase | None:
    """The strongest of the ways that the environment gives; None where a client certificate is all."""
    form = _grant(secrets)
    if secrets.servicenow_api_key:
        return ApiKey(secrets.servicenow_api_key.get_secret_value())
    if form:
        transport = Transport(auth=None, judge=_judge_token)
        line.lay(transport)
        return Tokens(partial(_token, transport, f"{host}/oauth_token.do", form))
    if secrets.servicenow_user and secrets.servicenow_password:
        return HTTPBasicAuth(secrets.servicenow_user.encode(), secrets.servicenow_password.get_secret_value().encode())
    if line.certificate:
        return None
    raise UsageError(
        "no credentials for ServiceNow in the environment",
        hint="set PMGITOPS_SERVICENOW_USER and _PASSWORD, or _CLIENT_ID with _CLIENT_SECRET or _JWT_KEY, or _API_KEY, "
        "or _CERTIFICATE; or set the ticket system's gate to off",
    )


# OAuth

Form = Callable[[], Mapping[str, str]]
"""What is sent for a token, made anew for each."""


def _grant(secrets: Secrets) -> Form | None:
    """The OAuth grant that the environment has everything for: a signed JWT, or client credentials."""
    client, secret, user = secrets.servicenow_client_id, secrets.servicenow_client_secret, secrets.servicenow_user
    given = {"client_secret": secret.get_secret_value()} if secret else {}
    if secrets.servicenow_jwt_key:
        if not client or not user:
            raise UsageError(
                "PMGITOPS_SERVICENOW_JWT_KEY is set without _CLIENT_ID or _USER",
                hint="a JWT is made for an OAuth client, and names the user to log in",
            )
        sign = _signer(_pem(secrets.servicenow_jwt_key), secrets.servicenow_jwt_key_id, client, user)
        return lambda: {"grant_type": JWT_GRANT, "client_id": client, **given, "assertion": sign()}
    if client and secret:
        return lambda: {"grant_type": "client_credentials", "client_id": client, **given}
    return None


def _pem(key: SecretStr) -> str:
    text = key.get_secret_value()
    if text.startswith("-----BEGIN"):
        return text
    try:
        return Path(text).read_text("ascii") if Path(text).is_absolute() else ""
    except (OSError, ValueError):
        return ""


def _signer(pem: str, key_id: str | None, client: str, user: str) -> Callable[[], str]:
    """Signs assertions (RFC 7523) that log `user` in through the OAuth client; UsageError where the key cannot."""
    import jwt  # noqa: PLC0415  # brings cryptography along, for a grant that few use

    def sign() -> str:
        now = int(time.time())
        claims = {"iss": client, "sub": user, "aud": client, "iat": now - SLOW, "exp": now + LIFE}
        headers = {"kid": key_id} if key_id else None
        return jwt.encode({**claims, "jti": uuid.uuid4().hex}, pem, algorithm="RS256", headers=headers)

    try:
        sign()
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        raise UsageError(
            "PMGITOPS_SERVICENOW_JWT_KEY is no RSA private key",
            hint="give the key in PEM and without a password, or the absolute path of a file that holds it",
        ) from None
    return sign


def _token(transport: Transport, url: str, form: Form) -> tuple[str, float]:
    """A token and its life in seconds."""
    answer = body_of(transport.request("POST", url, data=form()), Commit.NO)
    token = str(answer.get("access_token") or "")
    if not token:
        raise failed("auth", "ServiceNow gave no access token", hint="check the OAuth client", status=401)
    life = answer.get("expires_in")
    if isinstance(life, int | float) and not isinstance(life, bool) and life > 0:
        return token, float(life)
    return token, STOCK_LIFE


def _judge_token(response: requests.Response, commit: Commit) -> None:
    status = response.status_code
    if status == 200:
        return
    what = f"ServiceNow answered {status} to the OAuth client"
    if status == 429 or status >= 500:
        raise failed("server", what, status=status, commit=commit, wait=retry_after(response.headers))
    hint = (
        "check PMGITOPS_SERVICENOW_CLIENT_ID and _CLIENT_SECRET or _JWT_KEY, and the OAuth entity of the instance; "
        "pmgitops does not try the same ones twice"
    )
    raise failed("auth", what, hint=hint, status=401)


def _tidy(params: Mapping[str, Any], *, reads: bool) -> dict[str, Any]:
    tidy = {}
    for name, value in params.items():
        if value in ("", None) or (not reads and name.startswith("sysparm_")):
            continue
        tidy[name] = str(value).lower() if isinstance(value, bool) else value
    return tidy
