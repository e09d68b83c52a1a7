"""Discovery, asked: Permissions Management as a source of the snapshot, and any single operation for whoever asks.

Nothing here believes an answer: pages have to bring something new, to end, and to stay with the host that our token is
for; an entry that is listed twice is the same both times, or the list changed while it was read.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

from pmgitops.catalog.interface import Entry, Kind, Onboarded, Part
from pmgitops.catalog.operations import CLOUDS, OPERATIONS, Operation
from pmgitops.errors import Commit, PermanentRemoteError, TemporaryRemoteError
from pmgitops.transport import body_of

MOST_PAGES = 20_000
MOST_BARREN = 50
"""Pages one after the other that may bring nothing: filters leave gaps, but not for ever."""

Get = Callable[[str, str], requests.Response]
"""Method and address -> a judged answer, as `Transport.request`."""

Json = dict[str, Any]


class Graph:
    """Reads addresses below one root of Microsoft Graph."""

    def __init__(self, get: Get, endpoint: str) -> None:
        self._get = get
        self.endpoint = endpoint.rstrip("/")

    def many(self, operation: Operation, arguments: Sequence[str] = ()) -> Iterator[Json]:
        """Everything that a list holds, page by page."""
        return self._pages(operation.address(arguments))

    def one(self, operation: Operation, arguments: Sequence[str] = ()) -> Json:
        """One object, without what Graph says about it."""
        body = self._body(self.endpoint + operation.address(arguments))
        return {key: value for key, value in body.items() if key != "@odata.context"}

    def _pages(self, address: str) -> Iterator[Json]:
        url = self.endpoint + address
        asked, known, barren = {url}, dict[str, Json](), 0
        for _ in range(MOST_PAGES):
            body = self._body(url)
            rows = body.get("value")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise _unexpected(url, "a page without a list of values")
            new = [row for row in rows if _is_new(row, known, url)]
            yield from new
            following = body.get("@odata.nextLink")
            if following is None:
                return
            barren = 0 if new else barren + 1
            if (rows and not new) or barren > MOST_BARREN:
                raise _unexpected(url, "pages that bring nothing new")
            url = self._own(following, url)
            if url in asked:
                raise _unexpected(url, "a page that leads back to itself")
            asked.add(url)
        raise _unexpected(url, "more pages than can be read")

    def _body(self, url: str) -> Json:
        body = body_of(self._get("GET", url), Commit.NO)
        if "error" in body:
            raise _unexpected(url, "an error in a page that began well")
        return body

    def _own(self, link: object, url: str) -> str:
        """A nextLink as it is (blanks are quoted when it is sent), but only to where our token belongs."""
        try:
            ours, theirs = urlsplit(self.endpoint), urlsplit(str(link))
        except ValueError:
            raise _unexpected(url, "a next page that is no address") from None
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise _unexpected(url, "a next page on another host")
        return str(link)


def _is_new(row: Json, known: dict[str, Json], url: str) -> bool:
    """Whether an entry has not been listed yet. One that now reads otherwise was changed meanwhile: read it all
    again.
    """
    key = str(row.get("id") or row.get("externalId") or "")
    if not key:
        raise _unexpected(url, "an entry without an id")
    if known.setdefault(key, row) is row:
        return True
    if known[key] != row:
        what = f"{urlsplit(url).path} changed while it was read"
        raise TemporaryRemoteError(what, hint="try again", code="changed")
    return False


def _unexpected(url: str, what: str) -> PermanentRemoteError:
    return PermanentRemoteError(f"{urlsplit(url).path} answered with {what}", code="unexpected")


# Graph's words as ours

_COLLECTION: dict[tuple[str, Part], str] = {
    ("aws", "identities"): "aws-identities",
    ("aws", "policies"): "aws-policies",
    ("aws", "resources"): "aws-resources",
    ("azure", "identities"): "azure-identities",
    ("azure", "roles"): "azure-role-definitions",
    ("azure", "resources"): "azure-resources",
    ("gcp", "identities"): "gcp-identities",
    ("gcp", "roles"): "gcp-roles",
    ("gcp", "resources"): "gcp-resources",
}
_KINDS: dict[Part, Kind] = {"identities": "identity", "policies": "policy", "resources": "resource", "roles": "role"}


class PermissionsManagement:
    """The source that this project began with; `interface.Source`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @property
    def place(self) -> str:
        """The root of Graph that is asked."""
        return self._graph.endpoint

    def systems(self) -> list[Onboarded]:
        """Every system of the clouds that requests can be written for."""
        found = (_system(row) for row in self._graph.many(OPERATIONS["systems"]))
        return sorted(system for system in found if system.cloud in CLOUDS)

    def shared(self, system: Onboarded) -> Iterator[Entry]:
        """Actions and services: Graph's types say that they are of a system's type
        (`authorizationSystemTypeAction`).
        """
        for row in self._graph.many(OPERATIONS[f"{system.cloud}-actions"], [system.key]):
            yield _action(row)
        for row in self._graph.many(OPERATIONS[f"{system.cloud}-services"], [system.key]):
            yield Entry("service", _named(row, "id", "service"))

    def part(self, system: Onboarded, part: Part) -> Iterator[Entry]:
        """Identities, policies, roles or resources."""
        kind = _KINDS[part]
        for row in self._graph.many(OPERATIONS[_COLLECTION[system.cloud, part]], [system.key]):
            yield _entry(kind, row)


def _system(row: Json) -> Onboarded:
    collected = _inner(_inner(row, "dataCollectionInfo"), "entitlements")
    natural = _named(row, "authorizationSystemId", "system")
    cloud: Any = _text(row.get("authorizationSystemType")).lower()
    return Onboarded(
        cloud,
        natural,
        _text(row.get("authorizationSystemName")) or natural,
        _named(row, "id", "system"),
        _text(collected.get("status")),
        _text(collected.get("permissionsModificationCapability")),
    )


def _action(row: Json) -> Entry:
    entry = _entry("action", row)
    service = _text(_inner(row, "service").get("id"))
    begins = entry.external_id.lower().startswith(service.lower())
    more = {
        "does": _text(row.get("actionType")),
        "severity": _text(row.get("severity")),
        "resources": sorted({_text(name) for name in _list(row, "resourceTypes")} - {""}),
        "service": "" if begins else service,
    }
    name = entry.facts.pop("name", "")
    return Entry("action", entry.external_id, _said({**entry.facts, **more, "name": name}))


_MADE = ("awsPolicy", "role", "azureRoleDefinition", "gcpRole")
"""Whose `...Type` says whether they are the cloud's or one's own."""

_TYPES = {
    "awsUser": "user", "awsRole": "role", "awsGroup": "group", "azureUser": "user", "azureGroup": "group",
    "azureManagedIdentity": "managedIdentity", "azureServicePrincipal": "application", "gcpUser": "user",
    "gcpGroup": "group", "gcpServiceAccount": "serviceAccount",
}  # fmt: skip
"""Graph's type of an identity -> `identity.type` of a request, where it has one."""


def _entry(kind: Kind, row: Json) -> Entry:
    given = _named(row, "externalId", kind)
    external = _plain(given) if kind == "policy" else given
    key = _text(row.get("id"))
    facts = {
        "name": _text(row.get("displayName")),
        "id": "" if key == base64.b64encode(external.encode()).decode() else key,
        "custom": any(row.get(f"{which}Type") == "custom" for which in _MADE),
        "trust": _text(row.get("trustEntityType")),
        "scopes": _scopes(row),
    }
    if kind == "identity":
        cast = _text(row.get("@odata.type")).rpartition(".")[2]
        facts["type"] = _TYPES.get(cast, cast) or ("role" if ":role/" in external else "")
        facts["source"] = _text(_inner(row, "source").get("identityProviderType"))
    if kind == "resource":
        facts["type"] = _text(row.get("resourceType"))
        facts["service"] = _text(_inner(row, "service").get("id"))
    if facts["name"] == external:
        del facts["name"]
    return Entry(kind, external, _said(facts))


def _scopes(row: Json) -> list[str]:
    """Where an Azure role can be assigned; of which services a GCP role is."""
    services = {_text(_inner(scope, "service").get("id")) for scope in _list(row, "scopes")}
    return sorted((services | {_text(scope) for scope in _list(row, "assignableScopes")}) - {""})


def _plain(external: str) -> str:
    """A policy's externalId is documented as base64, and shown as an ARN: requests write the ARN."""
    if re.match(r"arn:", external):
        return external
    try:
        decoded = base64.b64decode(external, validate=True).decode()
    except ValueError:
        return external
    return decoded if decoded.startswith("arn:") else external


def _said(facts: Json) -> Json:
    return {key: value for key, value in facts.items() if value}


def _named(row: Json, member: str, what: str) -> str:
    name = _text(row.get(member))
    if not name:
        raise PermanentRemoteError(f"Graph answered with a {what} without {member}", code="unexpected")
    return name


def _list(row: Json, member: str) -> list[Any]:
    value = row.get(member)
    return value if isinstance(value, list) else []


def _inner(row: object, member: str) -> Json:
    inner = row.get(member) if isinstance(row, dict) else None
    return inner if isinstance(inner, dict) else {}


def _text(value: object) -> str:
    """Text that can be written as UTF-8; empty for anything else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
