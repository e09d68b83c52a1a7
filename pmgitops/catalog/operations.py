"""Every read of discovery as one table, and the one function that puts text of others into an address.

From Microsoft's published quick references (their rows are the table in docs/catalog.md), corrected where the metadata
says otherwise: a policy's type is `awsPolicyType`, Azure's roles are `roleDefinitions`, keys are quoted, each scope of
`assignableScopes` is compared by itself. Addresses are relative to `https://graph.microsoft.com/beta`.

No `$select` and no `$top` is sent to `/external`: the published description of these lists has no `$select`, and says
not whether `$top` is a page's size or an end. The legacy list of PIM has both.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote

from pmgitops.errors import UsageError
from pmgitops.model.problem import nearest, shown

Cloud = Literal["aws", "azure", "gcp"]
CLOUDS: tuple[Cloud, ...] = get_args(Cloud)

SYSTEMS = "/external/authorizationSystems"
CHANGES = "/identityGovernance/permissionsManagement/permissionsRequestChanges"
ARCHIVE = "/privilegedAccess/azureResources"
ARCHIVE_ENDED = "Microsoft stopped this list returning data on 2026-10-28: expect an empty one, or a refusal"

_ENTITLEMENTS = "dataCollectionInfo/entitlements/microsoft.graph.entitlementsDataCollection"
_SAFE = "/'(),:"
"""What may stand in a query as it is."""
_BLANK = re.compile(r"'\{(\w+)\}'|\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of GET.

    In `path` and `filter`, `'{name}'` is a value as OData's text literal, `{name}` one segment of the path, or in a
    filter an instant. `{each}` is `repeated` for every value of the last parameter, joined by `or`.
    """

    name: str
    title: str
    path: str
    filter: str = ""
    repeated: str = ""
    many: bool = True
    """Whether it answers with pages of a list, or with one object."""
    notice: str = ""
    """What whoever asks has to know."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """What it has to be given, in order; the last may be given several times where it is repeated."""
        text = self.path + self.filter.replace("{each}", self.repeated)
        return tuple(dict.fromkeys(match[1] or match[2] for match in _BLANK.finditer(text)))

    def address(self, arguments: Sequence[str]) -> str:
        """Path and query for these arguments. UsageError where they are too few, too many or no value at all."""
        values = self._values(arguments)
        path = _filled(self.path, values, encode=True)
        if not self.filter:
            return path
        condition = _filled(self._clauses(values), values, encode=False)
        return f"{path}?$filter={quote(condition, safe=_SAFE)}"

    def _clauses(self, values: dict[str, str | tuple[str, ...]]) -> str:
        if not self.repeated:
            return self.filter
        several = values.pop(self.parameters[-1])
        for number, value in enumerate(several):
            values[f"_{number}"] = value
        numbered = [_BLANK.sub(f"'{{_{number}}}'", self.repeated) for number in range(len(several))]
        return self.filter.replace("{each}", " or ".join(numbered))

    def _values(self, arguments: Sequence[str]) -> dict[str, str | tuple[str, ...]]:
        names = self.parameters
        if len(arguments) < len(names) or (len(arguments) > len(names) and not self.repeated):
            wanted = " ".join(name.upper() for name in names) or "no argument"
            raise UsageError(f"{self.name} takes {wanted}" + ("..." if self.repeated else ""))
        values: dict[str, str | tuple[str, ...]] = {}
        for name, text in zip(names, arguments, strict=False):
            values[name] = _value(name, text)
        if self.repeated:
            values[names[-1]] = tuple(_value(names[-1], text) for text in arguments[len(names) - 1 :])
        return values


def _value(name: str, text: str) -> str:
    """A value that an address can hold: `.` and `..` would be taken out of a path by whoever carries it."""
    if text in {"", ".", ".."} or not _encodable(text):
        raise UsageError(f"{name}: {shown(text)} is no id, name or text to look for")
    if name == "cloud" and text.lower() not in CLOUDS:
        raise UsageError(f"cloud: {shown(text)} is none of {', '.join(CLOUDS)}")
    if name == "instant" and not _INSTANT.fullmatch(text):
        raise UsageError(f"instant: {shown(text)} is no instant such as 2026-11-22T09:00:00Z")
    return system_key(text) if name == "system" else text.lower() if name == "cloud" else text


_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _filled(template: str, values: Mapping[str, str | tuple[str, ...]], *, encode: bool) -> str:
    """The template with its values in place: quotes doubled inside text literals, and all of a value percent-encoded
    where it stands in a path. A filter is encoded as a whole, by whoever puts it into a query.
    """

    def put(match: re.Match[str]) -> str:
        literal, segment = match[1], match[2]
        text = str(values[literal or segment])
        if literal:
            text = text.replace("'", "''")
        text = quote(text, safe="") if encode else text
        return f"'{text}'" if literal else text

    return _BLANK.sub(put, template)


_NATURAL = re.compile(
    r"\d{12}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", re.IGNORECASE
)


def system_key(text: str) -> str:
    """The id that Permissions Management gives a system, for an account, a subscription or a project; ids are kept.

    In every published response it is the base64 of `authorizationSystemId` (`OTU2OTg3ODg3NzM1` is 956987887735).
    """
    if not _NATURAL.fullmatch(text) or _named_by(text):
        return text
    return base64.b64encode(text.encode()).decode()


def _named_by(key: str) -> bool:
    """Whether a text that might be a project's id is the key of something."""
    if key == key.lower():
        return False
    try:
        return bool(_NATURAL.fullmatch(base64.b64decode(key, validate=True).decode("ascii")))
    except ValueError:
        return False


# The table

_COLLECTIONS: dict[Cloud, dict[str, tuple[str, str]]] = {
    "aws": {
        "identities": ("identity", "associatedIdentities/all"),
        "roles": ("role", "associatedIdentities/roles"),
        "users": ("user", "associatedIdentities/users"),
        "actions": ("action", "actions"),
        "policies": ("policy", "policies"),
        "resources": ("resource", "resources"),
        "services": ("service", "services"),
    },
    "azure": {
        "identities": ("identity", "associatedIdentities/all"),
        "managed-identities": ("managed-identity", "associatedIdentities/managedIdentities"),
        "users": ("user", "associatedIdentities/users"),
        "service-principals": ("service-principal", "associatedIdentities/servicePrincipals"),
        "actions": ("action", "actions"),
        "resources": ("resource", "resources"),
        "role-definitions": ("role-definition", "roleDefinitions"),
        "services": ("service", "services"),
    },
    "gcp": {
        "identities": ("identity", "associatedIdentities/all"),
        "users": ("user", "associatedIdentities/users"),
        "service-accounts": ("service-account", "associatedIdentities/serviceAccounts"),
        "actions": ("action", "actions"),
        "resources": ("resource", "resources"),
        "roles": ("role", "roles"),
        "services": ("service", "services"),
    },
}
"""Cloud -> what is listed -> one of it, and where it stands below a system of that cloud."""


def below(cloud: Cloud, collection: str) -> str:
    """The template of a collection's path."""
    return f"{SYSTEMS}/{{system}}/microsoft.graph.{cloud}AuthorizationSystem/{collection}"


def _all() -> Iterator[Operation]:
    yield Operation("systems", "all authorization systems", SYSTEMS)
    named = "contains(authorizationSystemName, '{text}')"
    yield Operation("systems-named", "systems whose name contains a text", SYSTEMS, named)
    yield Operation("system", "one authorization system", f"{SYSTEMS}/{{system}}", many=False)
    yield Operation("systems-of", "systems of a cloud, by filter", SYSTEMS, "authorizationSystemType eq '{cloud}'")
    ready = (
        f"authorizationSystemType eq '{{cloud}}' and {_ENTITLEMENTS}/permissionsModificationCapability eq 'enabled'"
        f" and {_ENTITLEMENTS}/status eq 'online'"
    )
    yield Operation("systems-ready", "systems of a cloud that are online and can be modified", SYSTEMS, ready)
    for cloud in CLOUDS:
        yield from _of(cloud)
    yield Operation("request-changes", "what happened to permission requests", CHANGES)
    since = "modificationDateTime gt {instant}"
    yield Operation("request-changes-since", "what happened to them after an instant", CHANGES, since)
    yield Operation("request-change", "one of these events, by its id", f"{CHANGES}/{{id}}", many=False)
    yield from _archive()


def _of(cloud: Cloud) -> Iterator[Operation]:
    yield Operation(
        f"{cloud}-systems", f"systems of {cloud}, by type cast", f"{SYSTEMS}/microsoft.graph.{cloud}AuthorizationSystem"
    )
    for several, (one, place) in _COLLECTIONS[cloud].items():
        path, words = below(cloud, place), one.replace("-", " ")
        yield Operation(f"{cloud}-{several}", f"all {several.replace('-', ' ')} of a system of {cloud}", path)
        yield Operation(f"{cloud}-{one}", f"one {words}, by its id", f"{path}/{{id}}", many=False)
        if several != "services":  # a service has no other name than its id
            key = f"{path}(externalId='{{externalId}}')"
            yield Operation(f"{cloud}-{one}-named", f"one {words}, by its externalId", key, many=False)
    actions = below(cloud, "actions")
    yield Operation(f"{cloud}-actions-of", f"actions of a service of {cloud}", actions, "service/id eq '{service}'")
    deleting = "service/id eq '{service}' and severity eq 'high' and actionType eq 'delete'"
    yield Operation(f"{cloud}-deletes-of", "high-severity deletes of a service", actions, deleting)
    if cloud == "aws":
        users, policies = below(cloud, "associatedIdentities/users"), below(cloud, "policies")
        yield Operation("aws-assumable-roles", "roles that a user may assume", f"{users}/{{id}}/assumableRoles")
        yield Operation("aws-policies-called", "policies of a name", policies, "displayName eq '{name}'")
        yield Operation(
            "aws-policies-containing",
            "policies whose name contains a text",
            policies,
            "contains(displayName, '{text}')",
        )
        yield Operation("aws-policies-custom", "policies of one's own", policies, "awsPolicyType eq 'custom'")
    if cloud == "azure":
        yield Operation(
            "azure-role-definitions-for",
            "role definitions that can be assigned at scopes",
            below(cloud, "roleDefinitions"),
            "assignableScopes/any(p:{each})",
            "p eq '{scope}'",
        )


def _archive() -> Iterator[Operation]:
    path = f"{ARCHIVE}/roleAssignmentRequests"
    on = f"{ARCHIVE}/resources/{{resource}}/roleAssignmentRequests"
    for name, title, where, condition in (
        ("pim-requests", "all of the legacy PIM list", path, ""),
        ("pim-requests-at", "legacy PIM requests on a resource, by its path", on, ""),
        ("pim-requests-on", "legacy PIM requests on a resource", path, "resourceId eq '{resource}'"),
        ("pim-requests-of", "legacy PIM requests of a subject", path, "subjectId eq '{subject}'"),
        ("pim-requests-pending", "legacy PIM requests that await an administrator", path,
         "status/subStatus eq 'PendingAdminDecision'"),
    ):  # fmt: skip
        yield Operation(name, title, where, condition, notice=ARCHIVE_ENDED)


OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in _all()}
"""By name, in the order of the quick references."""


def operation(name: str) -> Operation:
    """The operation of this name; UsageError with the nearest one where there is none."""
    if name in OPERATIONS:
        return OPERATIONS[name]
    meant = nearest(name, OPERATIONS)
    hint = f"did you mean {meant}?" if meant else ""
    raise UsageError(f"there is no operation {shown(name)}", hint=hint or "`pmgitops catalog get` lists them")
