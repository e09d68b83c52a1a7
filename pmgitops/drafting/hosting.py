"""The pull request on GitHub: where a remote's address is one of GitHub's, and there is a token for it.

Endpoints: REST API, "List pull requests" and "Create a pull request" (`/repos/{owner}/{repo}/pulls`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import requests

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError, UsageError
from pmgitops.settings import is_loopback
from pmgitops.transport import Transport, body_of, discreet, retry_after

PUBLIC: Final = "https://api.github.com"
_ADDRESS: Final = re.compile(
    r"(?:(?:https|ssh|git)://(?:[^@/]*@)?(?P<host>[\w.-]+)(?::\d+)?/|(?:[\w.-]+@)(?P<scp>[\w.-]+):/?)"
    r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?",
    re.ASCII,
)


class Repo(NamedTuple):
    """A repository on GitHub."""

    host: str
    owner: str
    name: str

    def compare(self, base: str, branch: str) -> str:
        """The page on which a person opens the pull request."""
        return f"https://{self.host}/{self.owner}/{self.name}/compare/{quote(base)}...{quote(branch)}?expand=1"


class Pull(NamedTuple):
    """A pull request."""

    url: str
    there: bool
    """Whether it was open already."""


def repo_of(addresses: Iterable[str], api: str) -> Repo | None:
    """The repository that a remote's addresses name on the GitHub of `api`; None where they name none there."""
    for address in addresses:
        found = _ADDRESS.fullmatch(address.strip())
        if found and _belongs(host := (found["host"] or found["scp"]).lower(), api):
            return Repo(host, found["owner"], found["name"])
    return None


def _belongs(host: str, api: str) -> bool:
    """Whether an API is that of a host: the token of the one is none of the other's business."""
    where = (urlsplit(api).hostname or "").lower()
    return where in {host, f"api.{host}"} or (is_loopback(where) and host == "github.com")


def root_of(api: str | None) -> str:
    """The API's address: `GITHUB_API_URL`, or the public one. UsageError where a token might be overheard."""
    address = (api or PUBLIC).rstrip("/")
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        raise UsageError("GITHUB_API_URL is not an address", hint=PUBLIC) from None
    if not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError("GITHUB_API_URL is not an address", hint=PUBLIC)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise UsageError("GITHUB_API_URL is not https; http is for a literal loopback address only", hint=PUBLIC)
    return address


class Pulls:
    """Pull requests of one repository."""

    def __init__(self, http: Transport, api: str, repo: Repo) -> None:
        self._http = http
        self._url = f"{api}/repos/{repo.owner}/{repo.name}/pulls"
        self._repo = repo

    def open(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        """The pull request of a branch, opened unless it is there. RemoteError; running again is safe."""
        standing = self._standing(branch, base)
        if standing:
            return Pull(standing, there=True)
        wanted = {"title": title, "head": branch, "base": base, "body": body}
        try:
            answer = self._http.request("POST", self._url, json=wanted)
            return Pull(_page(body_of(answer, Commit.UNKNOWN)), there=False)
        except RemoteError as error:
            # Somebody was quicker, or nobody told us that it worked: look, and never ask twice.
            if error.status == 422 or error.commit is Commit.UNKNOWN:
                standing = self._standing(branch, base)
                if standing:
                    return Pull(standing, there=error.status == 422)
            raise

    def _standing(self, branch: str, base: str) -> str | None:
        asked = {"state": "open", "head": f"{self._repo.owner}:{branch}", "base": base}
        answer = self._http.request("GET", self._url, params=asked)
        try:
            pulls = answer.json()
        except ValueError:
            pulls = None
        if not isinstance(pulls, list):
            raise PermanentRemoteError(
                "GitHub's list of pull requests is none", hint="check GITHUB_API_URL", code="not-api"
            )
        # A server that does not know `head` would list every pull request.
        ours = [one for one in pulls if isinstance(one, dict) and (one.get("head") or {}).get("ref") == branch]
        return _page(ours[0]) if ours else None


def _page(pull: dict[str, Any]) -> str:
    url = pull.get("html_url")
    if not isinstance(url, str) or not re.fullmatch(r"https?://[!-~]+", url):
        raise PermanentRemoteError(
            "GitHub's answer names no pull request", hint="look on GitHub", code="not-api", commit=Commit.UNKNOWN
        )
    return url


def judge(response: requests.Response, commit: Commit) -> None:
    """What GitHub's answers mean."""
    status = response.status_code
    if status < 300:
        return
    wait = retry_after(response.headers)
    if status == 429 or (status == 403 and (wait is not None or response.headers.get("X-RateLimit-Remaining") == "0")):
        raise TemporaryRemoteError(
            "GitHub asks for a pause", hint="run again later", code="throttled", status=status, wait=wait
        )
    if status >= 500:
        raise TemporaryRemoteError(f"GitHub answered {status}", code="server", status=status, commit=commit)
    hints = {
        401: "GITHUB_TOKEN is not valid there",
        403: "the token needs pull requests: write (and contents: read) on this repository",
        404: "the token does not see this repository",
    }
    raise PermanentRemoteError(
        f"GitHub refused ({status}): {_said(response)}",
        hint=hints.get(status, ""),
        code="auth" if status == 401 else "refused",
        status=status,
    )


def _said(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return "no reason given"
    if not isinstance(body, dict):
        return "no reason given"
    details = [one.get("message") for one in body.get("errors") or [] if isinstance(one, dict)]
    return discreet("; ".join(str(word) for word in (body.get("message"), *details) if word)) or "no reason given"
