"""What ServiceNow's answers mean: each is whole and what was asked for, or one typed error.

An error's `code` is one of `FAULTS`, and its `commit` says whether a write may have happened all the same. Messages
hold the operation, the table, the status and the vendor's words as one bounded line; never query, headers or bodies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import requests

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.transport import body_of, discreet, retry_after

Code = Literal[
    "config",
    "auth",
    "forbidden.api",
    "forbidden.record",
    "refused.rule",
    "absent-or-hidden",
    "unreadable",
    "ambiguous",
    "mismatch",
    "throttled.rule",
    "throttled.queue",
    "accepted",
    "unreachable",
    "timeout.read",
    "broken",
    "server",
    "partial",
    "not-api",
    "oversize",
    "bug",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What holds for every error of a code."""

    again: bool
    """Asking again may help, so that it is a TemporaryRemoteError."""
    doubtful: bool
    """A write that was answered so may have happened; otherwise it certainly did not."""


FAULTS: dict[Code, Fault] = {
    "config": Fault(again=False, doubtful=False),  # a wrong host, table, or certificate
    "auth": Fault(again=False, doubtful=False),  # nobody is tried twice with the same secret
    "forbidden.api": Fault(again=False, doubtful=False),  # stopped before any table
    "forbidden.record": Fault(again=False, doubtful=True),  # known to be answered although the write succeeded
    "refused.rule": Fault(again=False, doubtful=False),  # aborted by a business rule, a state model, a data policy
    "absent-or-hidden": Fault(again=False, doubtful=False),  # nobody but an administrator can tell them apart
    "unreadable": Fault(again=False, doubtful=False),  # the record is there, a field of it is kept from us
    "ambiguous": Fault(again=False, doubtful=False),
    "mismatch": Fault(again=False, doubtful=True),  # another record than was asked for
    "throttled.rule": Fault(again=True, doubtful=False),  # an hourly limit, with the headers that say so
    "throttled.queue": Fault(again=True, doubtful=False),  # a full queue; the call never ran
    "accepted": Fault(again=True, doubtful=True),  # 202: queued, and may run or not
    "unreachable": Fault(again=True, doubtful=False),
    "timeout.read": Fault(again=True, doubtful=True),
    "broken": Fault(again=True, doubtful=True),  # the connection, or the JSON
    "server": Fault(again=True, doubtful=True),
    "partial": Fault(again=True, doubtful=True),  # an error beside the result
    "not-api": Fault(again=False, doubtful=True),  # a login or maintenance page, a redirect
    "oversize": Fault(again=False, doubtful=True),
    "bug": Fault(again=False, doubtful=True),  # pysnow's own exceptions
}
"""The taxonomy: every way in which ServiceNow fails, as `RemoteError.code` has it."""


def failed(
    code: Code, message: str, *, commit: Commit = Commit.NO, status: int = 0, wait: float | None = None, hint: str = ""
) -> RemoteError:
    """The typed error of a code; `commit` is what is known of the write, which the code may know better."""
    fault = FAULTS[code]
    facts: dict[str, Any] = {"code": code, "status": status, "hint": hint}
    facts["commit"] = commit if fault.doubtful else Commit.NO
    return TemporaryRemoteError(message, wait=wait, **facts) if fault.again else PermanentRemoteError(message, **facts)


def judge(response: requests.Response, commit: Commit) -> None:
    """Raise what an answer of the Table or Attachment API means, unless it is whole and what was asked for."""
    status, method = response.status_code, response.request.method or ""
    if status == _ACCEPTED.get(method):
        body = body_of(response, commit) if status != 204 and not _is_file(response) else {}
        if "error" in body or body.get("status") == "failure":
            said = "ServiceNow broke off its answer: " + _message(response)
            raise failed("partial", said, status=status, commit=commit)
        return
    said = _message(response)
    code = _code(response, said)
    what = f"ServiceNow answered {status} to {method} {urlsplit(response.url).path}: {said or 'no message'}"
    if code == "refused.rule":
        what = f"{_refuser(said)} refused {method} {urlsplit(response.url).path}: {said}"
    wait = retry_after(response.headers) if status == 429 or status >= 500 else None
    raise failed(code, what, status=status, commit=commit, wait=wait, hint=_HINTS.get(code, ""))


_ACCEPTED = {"GET": 200, "POST": 201, "PATCH": 200, "DELETE": 204}
_STATUSES: dict[int, Code] = {
    202: "accepted",
    **dict.fromkeys((400, 405, 406, 415), "config"),
    401: "auth",
    404: "absent-or-hidden",
    499: "server",  # the instance says that we were gone
}
_HINTS: dict[Code, str] = {
    "config": "check the ticket system's host and tables",
    "auth": "check the PMGITOPS_SERVICENOW_ credentials; pmgitops does not try the same ones twice",
    "forbidden.api": "check the roles of the integration user (snc_platform_rest_api_access); "
    "`pmgitops ticket probe` tells what is missing",
    "forbidden.record": "check the roles and ACLs of the integration user; `pmgitops ticket probe` tells which",
    "refused.rule": "ask the instance's administrator about that rule, or move the ticket on so that it lets notes in",
    "not-api": "check the ticket system's host",
}


def _code(response: requests.Response, said: str) -> Code:
    status = response.status_code
    if status == 403:
        return _forbidden(said)
    if status == 429:
        return "throttled.rule" if "X-RateLimit-Limit" in response.headers else "throttled.queue"
    return "server" if status >= 500 else _STATUSES.get(status, "not-api")


def _forbidden(said: str) -> Code:
    """Which of the refusals that share 403 it is; one that says nothing may have been written."""
    if "API level ACL" in said:
        return "forbidden.api"
    return "refused.rule" if _RULE.search(said) or "Data Policy Exception" in said else "forbidden.record"


_RULE = re.compile(r"aborted by Business Rule '([^'^]{0,80})")


def _refuser(said: str) -> str:
    """Who refused, by the name that an administrator finds it under."""
    rule = _RULE.search(said)
    return f"ServiceNow's business rule '{rule[1]}'" if rule else "a data policy of ServiceNow"


def _message(response: requests.Response) -> str:
    """The vendor's message and detail as one bounded line; empty where there is none."""
    try:
        error = body_of(response, Commit.NO).get("error")
    except RemoteError:
        return ""
    if not isinstance(error, dict):
        return ""
    return discreet(f"{error.get('message') or ''} {error.get('detail') or ''}")


def _is_file(response: requests.Response) -> bool:
    """Whether the answer is a file's content, which may be anything."""
    path = urlsplit(response.url).path
    return response.request.method == "GET" and "/attachment/" in path and path.endswith("/file")
