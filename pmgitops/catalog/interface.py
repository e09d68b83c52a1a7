"""What fills a snapshot: the port, its values, its one rule.

Permissions Management is the first source (`discovery.py`), and is retired. ARM, Graph v1.0, AWS and GCP can fill the
same snapshot: what an entry is called here is what requests write, never an id that one service gave it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol

from pmgitops.catalog.operations import Cloud

Kind = Literal["action", "identity", "policy", "resource", "role", "service", "shared", "system"]
"""`shared` and `system` are the index's own: what of a cloud, and which systems, a snapshot has."""
Part = Literal["identities", "policies", "resources", "roles"]
"""What is read, and may be refused, in one go."""

PART_OF: dict[Kind, Part] = {
    "identity": "identities",
    "policy": "policies",
    "resource": "resources",
    "role": "roles",
}
PARTS: dict[Cloud, tuple[Part, ...]] = {
    "aws": ("identities", "policies", "resources"),  # an AWS role is an identity of the type `role`
    "azure": ("identities", "roles", "resources"),
    "gcp": ("identities", "roles", "resources"),
}


class Entry(NamedTuple):
    """Something that exists."""

    kind: Kind
    external_id: str
    """What requests call it: an ARN, an e-mail address, a role's GUID or name, an action."""
    facts: dict[str, Any] = {}  # noqa: RUF012  # read only: entries are shared
    """By kind, each left out where it is not known:

    all        `name`; `id`, the source's own, unless it is the base64 of `external_id`
    action     `severity` (normal, high), `does` (delete, read), `service` unless the name begins with it, `resources`
    identity   `type` (user, role, application, managedIdentity, serviceAccount ...), `source`, and of AWS roles
               `custom` (true), `trust`
    policy     `custom`
    role       `custom`, `scopes` (Azure: where it can be assigned; GCP: services); `actions`, `notActions` where the
               source tells (Permissions Management does not; ARM and GCP will)
    resource   `type`, `service`
    """

    @property
    def name(self) -> str:
        """For people; the external id where there is no other."""
        return str(self.facts.get("name") or self.external_id)

    @property
    def id(self) -> str:
        """The id that the source gave it."""
        return str(self.facts.get("id") or base64.b64encode(self.external_id.encode()).decode())


class Onboarded(NamedTuple):
    """An authorization system: an AWS account, an Azure subscription, a GCP project."""

    cloud: Cloud
    id: str
    """What requests write as `authorizationSystemId`."""
    name: str
    key: str
    """The id that the source gave it."""
    status: str = ""
    """`online`, `offline`; empty where the source does not collect from it."""
    capability: str = ""
    """`enabled`, `notConfigured`, `noRecentDataCollected`: whether permissions can be modified there."""


class Source(Protocol):
    """Where a snapshot comes from. Everything raises RemoteError; every iterator ends, and gives each entry once."""

    @property
    def place(self) -> str:
        """Its address: an interrupted pull goes on only from the same one."""

    def systems(self) -> list[Onboarded]:
        """Every system, each once."""

    def shared(self, system: Onboarded) -> Iterator[Entry]:
        """What is the same in every system of this one's cloud: its actions and services."""

    def part(self, system: Onboarded, part: Part) -> Iterator[Entry]:
        """One part of what is in a system."""
