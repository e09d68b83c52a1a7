"""Reading and writing Permissions Management over HTTP. Two classes, because they are two identities.

Operations: Microsoft Graph beta, `identityGovernance/permissionsManagement`. There is no GET of one request: state is
folded from `permissionsRequestChanges`. There is no key of ours either: a request is found again by the correlation
that `render` puts into its notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import requests
from pydantic import AwareDatetime, TypeAdapter

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.model.scalars import instant_text
from pmgitops.targets.interface import Grant, Observation, Payload, Receipt, RemoteState
from pmgitops.targets.permissions_management.parse import tidy
from pmgitops.transport import Transport, body_of, discreet, retry_after

ENDPOINT = "https://graph.microsoft.com/beta"
_REQUESTS = "/identityGovernance/permissionsManagement/scheduledPermissionsRequests"
_CHANGES = "/identityGovernance/permissionsManagement/permissionsRequestChanges"
_INSTANT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_MARK = re.compile(r"pmgitops:[a-z0-9-]{1,100}@[0-9a-f]{12}(\.\d+)?")
_MOST_PAGES = 10_000

_STATES: dict[str, RemoteState] = {
    "submitted": "submitted",
    "approved": "approved",
    "completed": "completed",
    "canceled": "canceled",
    "rejected": "rejected",
}
_ENDED = frozenset({"completed", "canceled", "rejected"})
_RETIRED = frozenset({404, 405, 410, 501})
"""What an address that is not served any more may answer; which of these the retired service chose is not published."""


class PermissionsManagementReader:
    """Reads requests and their changes."""

    def __init__(self, transport: Transport, endpoint: str) -> None:
        self._transport = transport
        self._endpoint = endpoint

    def changes(self, since: datetime | None) -> list[Observation]:
        """Change events modified after `since`, oldest first."""
        query = f"?$filter={quote(f'modificationDateTime gt {instant_text(since)}')}" if since else ""
        return sorted((_observation(event) for event in self._pages(_CHANGES + query)), key=lambda seen: seen.at)

    def find(self, correlations: frozenset[str]) -> dict[str, Receipt]:
        """The requests whose last line of notes is one of `correlations`, whoever sent them, every page read.

        Not the API's list of the caller's own: another identity would find nothing there, and send again.
        Two requests with one correlation are two grants of one revision: PermanentRemoteError, for a person to look at.
        """
        found: dict[str, Receipt] = {}
        for request in self._pages(_REQUESTS):
            last = str(request.get("notes") or "").rsplit("\n", 1)[-1]
            if last not in correlations:
                continue
            if last in found:
                raise PermanentRemoteError(
                    f"the target holds two requests with {last}",
                    hint="cancel the one that should not be, then run apply again",
                    code="doubled",
                )
            found[last] = Receipt(_id(request), adopted=True)
        return found

    def grants(self) -> Iterator[Grant]:
        """Every request, whoever made it, in the state that its changes tell; where they do not, in its own.

        The changes are read first, so that no state is older than the request that it belongs to. Of a request that
        only its changes tell of, the body is not known.
        """
        failure: RemoteError | None = None
        changes: dict[str, _Last] = {}
        try:
            for event in self._pages(_CHANGES):
                _fold(changes, _observation(event), event)
        except RemoteError as error:  # half of the changes would tell of states that are over
            failure, changes = error, {}
        try:
            for request in self._pages(_REQUESTS):
                yield _grant(request, changes.pop(_id(request), None))
        except RemoteError as error:
            failure = failure or error
        for remote_id, last in changes.items():
            yield Grant(remote_id, last.state, last.detail, approved=last.approved, changed=last.at)
        if failure:
            raise failure

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        url = self._endpoint + path
        seen = {url}
        for _ in range(_MOST_PAGES):
            body = body_of(self._transport.request("GET", url), Commit.NO)
            rows = body.get("value")
            if "error" in body:
                raise _unexpected("a page that broke off with an error")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise _unexpected("a page without a list of values")
            yield from rows
            following = body.get("@odata.nextLink")
            if following is None:
                return
            url = self._own(following)
            if url in seen:
                raise _unexpected("a page that leads back to itself")
            seen.add(url)
        raise _unexpected("more pages than can be read")

    def _own(self, link: Any) -> str:
        """A nextLink as it is (blanks are quoted when it is sent), but only to where our token belongs."""
        ours, theirs = urlsplit(self._endpoint), urlsplit(str(link))
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise _unexpected("a next page on another host")
        return str(link)


class _Last(NamedTuple):
    """The newest change of a request, and when it was approved."""

    state: RemoteState
    detail: str
    at: datetime | None
    status: str
    approved: datetime | None


def _fold(changes: dict[str, _Last], seen: Observation, event: dict[str, Any]) -> None:
    """Add a change to what is known of its request; they come in any order."""
    before = changes.get(seen.remote_id)
    status = str(event.get("statusDetail"))
    approvals = [at for at in (before and before.approved, seen.at if status == "approved" else None) if at]
    approved = min(approvals, default=None)
    if before is None or before.at is None or seen.at >= before.at:
        changes[seen.remote_id] = _Last(seen.state, seen.detail, seen.at, status, approved)
    else:
        changes[seen.remote_id] = before._replace(approved=approved)


def _grant(request: dict[str, Any], last: _Last | None) -> Grant:
    status = discreet(request.get("statusDetail"), 40)
    if last is None or (status and last.status != status):  # the request was read after its changes
        approved = last and last.approved
        last = _Last(_state(status, ""), status, last and last.at, status, approved)
    ended = last.state in _ENDED
    mark = str(request.get("notes") or "").rsplit("\n", 1)[-1]
    return Grant(
        remote_id=_id(request),
        state=last.state,
        detail=last.detail,
        body=None if ended else tidy(request),
        mark=mark if _MARK.fullmatch(mark) else "",
        created=_instant(request.get("createdDateTime")),
        approved=last.approved,
        changed=last.at,
    )


def _instant(value: Any) -> datetime | None:
    try:
        return _INSTANT.validate_python(value)
    except ValueError:
        return None


class PermissionsManagementWriter:
    """Submits and cancels."""

    def __init__(self, transport: Transport, endpoint: str) -> None:
        self._transport = transport
        self._endpoint = endpoint

    def submit(self, payload: Payload) -> Receipt:
        """POST a new request."""
        response = self._transport.request("POST", self._endpoint + _REQUESTS, json=payload)
        return Receipt(_id(body_of(response, Commit.UNKNOWN)))

    def cancel(self, remote_id: str) -> None:
        """POST cancelAll, which the API has for pending and for approved requests alike."""
        path = f"{_REQUESTS}/{quote(remote_id, safe='')}/cancelAll"
        response = self._transport.request("POST", self._endpoint + path)
        if response.status_code != 204:
            raise _unexpected(f"{response.status_code} to a cancellation", Commit.UNKNOWN)


def judge(response: requests.Response, commit: Commit) -> None:
    """Raise what an answer of Graph means, unless it is what was asked for (200 read, 201 created, 204 canceled)."""
    status = response.status_code
    method = response.request.method or ""
    if status == {"GET": 200}.get(method) or (method == "POST" and status in {201, 204}):
        return
    code, message = _error(response)
    what = f"{method} {urlsplit(response.url).path} answered {status}" + (f" {code}: {message}" if code else "")
    request_id = response.headers.get("request-id", "")
    if re.fullmatch(r"[0-9A-Za-z-]{1,64}", request_id):
        what += f" (request-id {request_id})"  # the first thing that the service's support asks for
    facts: dict[str, Any] = {"code": code or str(status), "status": status}
    if status in {429, 503, 504}:
        # 429 says that nothing was done; after 503 and 504 a write may have been.
        facts |= {"wait": retry_after(response.headers), "commit": Commit.NO if status == 429 else commit}
        raise TemporaryRemoteError(what, hint="the service is busy; the next run tries again", **facts)
    if status in _RETIRED:
        hint = "the endpoint may not serve Permissions Management any more; see `targets` in pmgitops.yaml"
        raise PermanentRemoteError(what, hint=hint, **facts)
    if status >= 500:
        raise TemporaryRemoteError(what, hint="the service failed; the next run looks again", commit=commit, **facts)
    if status in {401, 403}:
        hint = "check PMGITOPS_GRAPH_TOKEN or the identity of the run, and its rights in Permissions Management"
        raise PermanentRemoteError(what, hint=hint, **facts)
    if 200 <= status < 400:
        raise PermanentRemoteError(what, hint="this is not the API that was asked for", commit=commit, **facts)
    raise PermanentRemoteError(what, hint="the service will not take this; see the message", **facts)


def _error(response: requests.Response) -> tuple[str, str]:
    """Code and message of Graph's error object, one bounded line; empty where there is none."""
    try:
        error = body_of(response, Commit.NO).get("error")
    except RemoteError:
        return "", ""
    if not isinstance(error, dict):
        return "", ""
    return discreet(error.get("code"), 80), discreet(error.get("message"))


def _observation(event: dict[str, Any]) -> Observation:
    # One published page misspells the member; the schema's name wins where both are there.
    occurrence = event.get("activeOccurrenceStatus") or event.get("activeOccurenceStatus")
    words = tuple(discreet(word, 40) for word in (event.get("statusDetail"), occurrence) if word)
    try:
        at = _INSTANT.validate_python(event.get("modificationDateTime"))
    except ValueError:
        raise _unexpected("a change without a modificationDateTime") from None
    for member in ("id", "permissionsRequestId"):
        if not isinstance(event.get(member), str) or not event[member]:
            raise _unexpected(f"a change without {'an id' if member == 'id' else 'the id of its request'}")
    state = _state(str(event.get("statusDetail")), str(occurrence or ""))
    return Observation(event["id"], event["permissionsRequestId"], state, "/".join(words), words, at)


def _state(detail: str, occurrence: str) -> RemoteState:
    """What both members together say: a live occurrence outweighs the request, which is canceled before it is revoked.

    While granting it gives no access yet. A detail that is not known (the feed is the whole tenant's, so it may be
    anybody's) is `failed`: neither over nor well, and shown in the target's own words.
    """
    if occurrence in {"granted", "revoking"} or (occurrence == "granting" and detail in _ENDED):
        return "active"
    if occurrence == "revokingFailed" or (occurrence == "grantingFailed" and detail not in _ENDED):
        return "failed"
    return _STATES.get(detail, "failed")


def _id(request: dict[str, Any]) -> str:
    if not isinstance(request.get("id"), str) or not request["id"]:
        raise TemporaryRemoteError("the target answered without an id", code="no-id", commit=Commit.UNKNOWN)
    return str(request["id"])


def _unexpected(what: str, commit: Commit = Commit.NO) -> PermanentRemoteError:
    return PermanentRemoteError(f"Permissions Management answered with {what}", code="unexpected", commit=commit)
