"""What may be meant: names that the repository uses already, and those of the catalog's snapshot.

Nothing here decides: a value that nobody suggests may be right, and is for the model, the policies and the catalog's
own rules to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from pmgitops.document import read
from pmgitops.drafting.fields import What
from pmgitops.errors import CatalogError
from pmgitops.model.request import AnyRequest

if TYPE_CHECKING:
    from pmgitops.catalog.operations import Cloud
    from pmgitops.catalog.snapshot import Catalog, System

MOST: Final = 50
"""Suggestions that a person is shown at once."""


class Suggestion(NamedTuple):
    """A value, and what a person should know about it."""

    value: str
    about: str = ""


class Known(Protocol):
    """One source of suggestions."""

    def values(self, what: What, cloud: str, system: str = "") -> Iterable[Suggestion]:
        """Everything of a kind in a cloud, or in one `system` of it; each as often as the source likes."""


def suggested(known: Iterable[Suggestion], typed: str) -> list[Suggestion]:
    """No more than `MOST` of those that begin with what was typed, or else have it anywhere in them."""
    wanted = typed.casefold()
    found = [one for one in known if wanted in f"{one.value} {one.about}".casefold()]
    found.sort(key=lambda one: not one.value.casefold().startswith(wanted))
    return found[:MOST]


def every(sources: Sequence[Known], what: What, cloud: str, system: str = "") -> Iterator[Suggestion]:
    """Everything that is known, each value once, as the first source tells it that has anything to tell about it."""
    found: dict[str, Suggestion] = {}
    for source in sources:
        for one in source.values(what, cloud, system):
            if one.value not in found or (one.about and not found[one.value].about):
                found[one.value] = one
    return iter(found.values())


class Repository:
    """What stands in requests/ and in policies/data.yaml, read when somebody first asks."""

    def __init__(
        self, requests: Callable[[], Iterable[AnyRequest]], data: bytes | None, tickets: Iterable[str]
    ) -> None:
        self._load = requests
        self._data = data
        self._tickets = tuple(tickets)

    def values(self, what: What, cloud: str, system: str = "") -> Iterator[Suggestion]:
        """What requests of the cloud name, those in `system` before the others; and the accounts of the rules."""
        if what == "ticket-system":
            yield from map(Suggestion, self._tickets)
            return
        if what == "system":
            yield from (Suggestion(one) for one in self._accounts if _looks_like(one, cloud))
        ours = [one for one in self._requests if one.provider == cloud]
        for request in sorted(ours, key=lambda one: one.authorization_system_id != system):
            yield from (Suggestion(value) for value in _named(request, what) if value)

    @cached_property
    def _requests(self) -> list[AnyRequest]:
        return list(self._load())

    @cached_property
    def _accounts(self) -> list[str]:
        document = read(self._data, "data") if self._data else []
        listed = document.value.get("allowedAccounts", []) if not isinstance(document, list) else []
        return [one for one in listed if isinstance(one, str)]


def _looks_like(system: str, cloud: str) -> bool:
    kind = "aws" if system.isdigit() else "azure" if system.count("-") == 4 and len(system) == 36 else "gcp"
    return kind == cloud


def _named(request: AnyRequest, what: What) -> Iterable[str | None]:
    ticket = request.ticket_info
    named: dict[What, Iterable[str | None]] = {
        "system": (request.authorization_system_id,),
        "identity": (request.identity.external_id,),
        "approver": (ticket.ticket_approver_identity_id if ticket else None,),
        "resource": (getattr(request, "resource_id", None),),
        "assignable": (getattr(request, "assign_to_role_id", None),),
        "policy": getattr(request, "policies", ()),
        "role": getattr(request, "roles", ()),
        "action": (
            *getattr(request, "actions", ()),
            *(action for one in getattr(request, "statements", ()) for action in one.actions or one.not_actions or ()),
        ),
    }
    return named.get(what, ())


class Snapshot:
    """What the catalog's snapshot lists. Where it cannot tell, it says nothing; `check` says why."""

    def __init__(self, catalog: Callable[[], Catalog]) -> None:
        self._make = catalog

    @cached_property
    def _catalog(self) -> Catalog:
        return self._make()

    def values(self, what: What, cloud: str, system: str = "") -> Iterator[Suggestion]:
        """Those of one system, or of every system of the cloud; actions are the cloud's."""
        try:
            yield from self._values(what, cast("Cloud", cloud), system)
        except CatalogError:
            return

    def _values(self, what: What, cloud: Cloud, system: str) -> Iterator[Suggestion]:
        match what:
            case "system":
                yield from (Suggestion(one.id, _about_system(one)) for one in self._catalog.systems(cloud))
            case "action":
                yield from self._actions(cloud)
            case "identity" | "policy" | "resource" | "role":
                yield from self._entries(what, cloud, system)
            case "assignable":
                yield from self._entries("role", cloud, system)
            case "approver":
                people = self._entries("identity", cloud, system)
                yield from (one for one in people if "@" in one.value)

    def _entries(self, kind: str, cloud: Cloud, system: str) -> Iterator[Suggestion]:
        one = self._catalog.system(cloud, system) if system else None
        for place in [one] if one else self._catalog.systems(cloud):
            try:
                for entry in place.each(kind):  # type: ignore[arg-type]  # one of the kinds above
                    name = "" if entry.name == entry.external_id else entry.name
                    value = entry.external_id.removeprefix("rsn:")  # which the renderer puts before it again
                    yield Suggestion(value, ", ".join(filter(None, (name, str(entry.facts.get("type", ""))))))
            except CatalogError:  # what of one system was refused hides nothing of the others
                continue

    def _actions(self, cloud: Cloud) -> Iterator[Suggestion]:
        from pmgitops.catalog import aws  # noqa: PLC0415  # 15 ms, for those who ask

        for name in self._catalog.actions(cloud).all:
            known = aws.action(name) if cloud == "aws" else None
            if known:
                yield Suggestion(known.name, known.level)
                continue
            entry = self._catalog.action(cloud, name)
            yield Suggestion(
                entry.external_id if entry else name, str(entry.facts.get("severity", "")) if entry else ""
            )


def _about_system(system: System) -> str:
    return ", ".join(filter(None, (system.name if system.name != system.id else "", system.status)))
