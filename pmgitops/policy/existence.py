"""Does what a request names exist? Every name of it, looked up in the snapshot of the catalog; pure.

None of it is said where there is no snapshot. Findings, by rule:

* unknown-system, unknown-identity, unknown-role, unknown-policy, unknown-action, unknown-resource
                   the snapshot knows nothing of that name; with the nearest one that it knows
* undecided        the snapshot cannot tell: what it would have to know was refused when it was pulled
* system-offline   nobody hears from the account, subscription or project
* system-read-only its permissions cannot be changed
* narrower-role    a role covers the actions that are asked for one by one

Those of `pmgitops.catalog.snapshot` stand at the snapshot's own files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from pmgitops.errors import CatalogError
from pmgitops.load import RequestFile
from pmgitops.model.finding import Finding, Severity
from pmgitops.model.problem import Path
from pmgitops.model.request import AnyRequest, AzureActions, GcpActions, Provider, Statement
from pmgitops.policy import meaning

if TYPE_CHECKING:
    from pmgitops.catalog.snapshot import Catalog, System

T = TypeVar("T")
Named = Literal["system", "identity", "role", "policy", "action", "resource"]
_Place = tuple[Path, Named, str]
"""Where a name stands, what it is the name of, and the name."""


@dataclass(slots=True)
class Existence:
    """What the snapshot says of one request's names."""

    system: System | None = None
    unknown: list[_Place] = field(default_factory=list)
    """Names that the snapshot knows nothing of."""
    undecided: list[tuple[_Place, CatalogError]] = field(default_factory=list)
    """Names of which it cannot tell, and why."""

    @property
    def unknown_names(self) -> tuple[str, ...]:
        """What the snapshot does not know, each once."""
        return tuple(dict.fromkeys(name for _, _, name in self.unknown))

    @property
    def undecided_names(self) -> tuple[str, ...]:
        """What it cannot tell, each once."""
        return tuple(dict.fromkeys(name for (_, _, name), _ in self.undecided))


def look_up(request: AnyRequest, catalog: Catalog) -> Existence:
    """Look every name up. Raises nothing: what cannot be told is undecided."""
    seen, system_id = Existence(), request.authorization_system_id
    seen.system = _tried(
        seen,
        (("authorizationSystemId",), "system", system_id),
        lambda: catalog.system(request.provider, system_id),
    )
    expanded = not meaning.too_many(request)
    for place in _places(request):
        _, kind, name = place
        if kind == "action":
            if expanded or not meaning.is_pattern(name):
                _tried(seen, place, partial(_matching, catalog, request.provider, name))
        elif seen.system is not None:
            _tried(seen, place, partial(_LOOKS[kind], seen.system, name))
    return seen


def _tried(seen: Existence, place: _Place, look: Callable[[], T | None]) -> T | None:
    try:
        found = look()
    except CatalogError as error:
        seen.undecided.append((place, error))
        return None
    if found is None:
        seen.unknown.append(place)
    return found


def _matching(catalog: Catalog, cloud: Provider, pattern: str) -> object | None:
    return catalog.actions_matching(cloud, pattern) or None


_LOOKS: dict[Named, Callable[[System, str], object | None]] = {
    "identity": lambda system, name: system.identity(name),
    "role": lambda system, name: system.role(name),
    "policy": lambda system, name: system.policy(name),
    "resource": lambda system, name: system.resource(name),
}


def _places(request: AnyRequest) -> Iterator[_Place]:
    """Every name in a request that a snapshot may know, but for the system's own."""
    if request.identity.account_id in {None, request.authorization_system_id}:  # others' identities are listed there
        yield ("identity", "externalId"), "identity", request.identity.external_id
    parts = vars(request)
    if parts.get("assign_to_role_id"):
        yield ("assignToRoleId",), "role", parts["assign_to_role_id"]
    for field_name, kind in _LISTS:
        for place, name in enumerate(parts.get(field_name, ())):
            yield (field_name, place), kind, name
    for place, statement in enumerate(parts.get("statements", ())):
        yield from _of_statement(("statements", place), statement)
    if parts.get("resource_id") and not _is_the_system(request, parts["resource_id"]):
        yield ("resourceId",), "resource", parts["resource_id"]


_LISTS: tuple[tuple[str, Named], ...] = (("policies", "policy"), ("roles", "role"), ("actions", "action"))


def _of_statement(at: Path, statement: Statement) -> Iterator[_Place]:
    for member, actions in (("actions", statement.actions), ("notActions", statement.not_actions)):
        for place, name in enumerate(actions or ()):
            if name != "*":
                yield (*at, member, place), "action", name
    for member, resources in (("resources", statement.resources), ("notResources", statement.not_resources)):
        for place, name in enumerate(resources or ()):
            if "*" not in name and "?" not in name:
                yield (*at, member, place), "resource", name


def _is_the_system(request: AnyRequest, resource: str) -> bool:
    system = request.authorization_system_id.lower()
    return resource.lower().rstrip("/") in {system, f"/subscriptions/{system}", f"projects/{system}"}


# In words


def findings(file: RequestFile, seen: Existence, catalog: Catalog, severity: Severity) -> list[Finding]:
    """Everything that can be said of a request's names; what is unknown has `severity`, everything else warns."""
    from pmgitops.catalog.snapshot import finding as broken  # noqa: PLC0415  # most repositories begin without one

    found = [_unknown(file, place, catalog, severity) for place in seen.unknown]
    for (path, kind, name), error in seen.undecided:
        if error.rule == "catalog-unknown":
            found.append(file.finding(path, "undecided", f"whether there is {_a(kind)} {name!r}: {error}", "warning"))
        else:
            found.append(broken(error))
    system = seen.system
    if system is not None:
        if not (system.online and system.modifiable):
            found += _about(file, system)
        if isinstance(file.request, AzureActions | GcpActions):
            found += _narrower(file, file.request, system)
    return found


def _unknown(file: RequestFile, place: _Place, catalog: Catalog, severity: Severity) -> Finding:
    path, kind, name = place
    request = file.request
    nearest = _nearest(request, kind, name, catalog)
    where = "" if kind == "system" else f" of {request.authorization_system_id}"
    advice = f"; did you mean {nearest!r}?" if nearest else "; is it new? then pmgitops catalog pull"
    # Not every resource is collected, so that one which is not listed may well be there.
    grave: Severity = "warning" if kind == "resource" else severity
    return file.finding(path, f"unknown-{kind}", f"the catalog knows no {kind} {name!r}{where}{advice}", grave)


def _nearest(request: AnyRequest, kind: Named, name: str, catalog: Catalog) -> str | None:
    try:
        if kind == "system":
            return catalog.nearest_system(request.provider, name)
        return catalog.nearest(kind, name, cloud=request.provider, system=request.authorization_system_id)
    except CatalogError:
        return None


def _about(file: RequestFile, system: System) -> Iterator[Finding]:
    at: Path = ("authorizationSystemId",)
    if not system.online:
        said = f"{system.name} is {system.status or 'not collected from'}: what the catalog knows of it may be old"
        yield file.finding(at, "system-offline", said, "warning")
    if not system.modifiable:
        said = f"the permissions of {system.name} cannot be changed ({system.capability or 'not configured'})"
        yield file.finding(at, "system-read-only", said, "warning")


def _narrower(file: RequestFile, request: AzureActions | GcpActions, system: System) -> Iterator[Finding]:
    """The role with the fewest actions that has all that are asked for, where the snapshot lists what roles have."""
    try:
        role = system.covering(request.actions)
    except CatalogError:
        return
    if role is not None:
        kind = f"{request.provider}-roles"
        said = f"the role {role.name} ({role.external_id}) has all of these actions; {kind} asks for it"
        yield file.finding(("actions",), "narrower-role", said, "warning")


def _a(kind: Named) -> str:
    return f"{'an' if kind[0] in 'ai' else 'a'} {kind}"
