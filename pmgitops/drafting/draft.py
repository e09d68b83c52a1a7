"""
A draft: what is known of a request, as the nested mapping of text that its file would be read as. It is judged by the
request's own model, in part while it grows and as a whole when it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

from pydantic import ValidationError

from pmgitops.drafting.fields import EXPIRATION, flag_at
from pmgitops.errors import UsageError
from pmgitops.model.problem import Path, Problem, nearest, problems
from pmgitops.model.request import KINDS, REQUEST, AnyRequest

Draft = dict[str, Any]

VERSION: Final = "pmgitops/v1"
LENGTH: Final = "PT1H"
"""How long access lasts where nobody says."""
_MOST: Final = 100


def provider(kind: str) -> str:
    """`aws`, `azure` or `gcp`."""
    return kind.partition("-")[0]


def of_kind(kind: str) -> Draft:
    """A draft of nothing but its kind. UsageError where there is no such kind."""
    if kind not in KINDS:
        meant = nearest(kind, KINDS)
        raise UsageError(
            f"{kind!r} is not a kind of request" + (f"; did you mean {meant!r}?" if meant else ""),
            hint=f"one of {', '.join(KINDS)}",
        )
    return {"apiVersion": VERSION, "kind": kind}


def put(draft: Draft, path: tuple[str, ...], value: Any) -> None:
    """Fill a place; nothing is nothing."""
    if value in (None, "", [], ()):
        return
    for part in path[:-1]:
        draft = draft.setdefault(part, {})
    draft[path[-1]] = value


def get(draft: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What stands at a place; None where nothing does."""
    found: Any = draft
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def laid_over(draft: Draft, other: Mapping[str, Any]) -> Draft:
    """`draft` with what `other` says instead; another end takes the place of the first."""
    merged = dict(draft)
    for name, value in other.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping) and name != "expiration"
        merged[name] = laid_over(merged[name], value) if both else value
    return merged


def completed(draft: Draft, *, me: str | None, system: str | None) -> Draft:
    """The draft with what most people mean: themselves, for an hour, under a ticket of the configured `system`."""
    kind = provider(draft["kind"])
    whole = {"apiVersion": VERSION, **deepcopy(draft)}
    if me:
        put(whole, ("identity", "externalId"), get(whole, ("identity", "externalId")) or me)
    put(whole, ("identity", "source"), get(whole, ("identity", "source")) or ("saml" if kind == "aws" else "ed"))
    put(whole, ("identity", "type"), get(whole, ("identity", "type")) or "user")
    if not get(whole, EXPIRATION):
        put(whole, (*EXPIRATION, "duration"), LENGTH)
    place = whole.get("authorizationSystemId")
    if kind != "aws" and place and "resourceId" not in whole:
        whole["resourceId"] = f"/subscriptions/{place}" if kind == "azure" else place
    ticket = whole.get("ticketInfo")
    if ticket:
        ticket.setdefault("ticketSystem", system) if system else None
        if whole["identity"]["type"] == "user" and "externalId" in whole["identity"]:
            ticket.setdefault("ticketSubmitterIdentityId", whole["identity"]["externalId"])
    return whole


def request_of(draft: Draft) -> AnyRequest:
    """The draft as a request. UsageError with everything that is wrong with it, each by the flag that mends it."""
    found = wrong(draft)
    if isinstance(found, list):
        said = [f"{_named(problem.path)}{problem.message}" for problem in found]
        raise UsageError("\n".join(said), hint="pmgitops new --help lists what each flag takes")
    return found


def problem_at(draft: Draft, path: Path) -> str | None:
    """What is wrong with one place of a draft that is not finished, if anything is."""
    found = wrong(draft)
    about = [] if not isinstance(found, list) else found
    return next((problem.message for problem in about if problem.path[: len(path)] == path), None)


def lacking(draft: Draft) -> set[tuple[str, ...]]:
    """The places of a draft that have to be filled and are not."""
    found = wrong(draft)
    missing = found if isinstance(found, list) else []
    return {
        tuple(part for part in problem.path if isinstance(part, str))
        for problem in missing
        if problem.rule == "missing"
    }


def wrong(draft: Draft) -> AnyRequest | list[Problem]:
    """The draft as a request, or what the model refuses."""
    try:
        request: AnyRequest = REQUEST.validator.validate_python(draft, by_alias=True, by_name=False)
    except ValidationError as error:
        return problems(error, REQUEST.core_schema, _MOST)
    return request


def _named(path: Path) -> str:
    flag, place = flag_at(path), ".".join(map(str, path))
    return f"{flag} ({place}): " if flag else f"{place}: " if place else ""


def slug(parts: Iterable[str]) -> str:
    """A name from some text, as files of requests are named; at most 80 characters, so that a number fits behind it."""
    text = "-".join(parts).lower()
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in text)
    return "-".join(part for part in kept.split("-") if part)[:80].rstrip("-")
