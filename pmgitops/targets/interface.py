"""The port of a target: rendering is pure, reading and writing are two ports with two identities.

`check` and `plan` are never given a Writer, so there is no dry run to switch on or to forget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from pmgitops.model.request import AnyRequest

Payload = Mapping[str, Any]

RemoteState = Literal["submitted", "approved", "active", "completed", "rejected", "canceled", "failed"]
"""Where a request stands at the target, in the words of DESIGN section 5."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A request that the target has: what a send returned, or what a read-back found."""

    remote_id: str
    adopted: bool = False
    """Found by its correlation after a send whose outcome was unknown."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One change of one request at the target."""

    id: str
    """The change's own id."""
    remote_id: str
    state: RemoteState
    detail: str
    """The target's own words, such as `approved/granting`."""
    transitions: tuple[str, ...]
    """What the ticket is told: the members of the target's state that this change set."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """A request as the target has it, whoever made it."""

    remote_id: str
    state: RemoteState
    detail: str
    """The target's own words, such as `approved/granting`."""
    body: Payload | None = None
    """What was asked for, without what the target says of it itself; None where only its changes could be read, and
    where it has ended.
    """
    mark: str = ""
    """A correlation, ours or another repository's; empty where it carries none."""
    created: datetime | None = None
    approved: datetime | None = None
    """When it was approved, where the target still tells."""
    changed: datetime | None = None
    """When it last changed."""

    @property
    def ended(self) -> bool:
        """Whether it gives no access, and never will."""
        return self.state in {"completed", "rejected", "canceled"}


@dataclass(frozen=True, slots=True)
class Inexpressible:
    """Why a body cannot be written as a request: the member, by its path in the body, and what is wrong with it."""

    member: str
    why: str


class Reader(Protocol):
    """All that a pull request may hold: it looks and cannot change anything."""

    def changes(self, since: datetime | None) -> list[Observation]:
        """What changed after `since` (everything where None), oldest first. Raises RemoteError."""

    def find(self, correlations: frozenset[str]) -> dict[str, Receipt]:
        """The requests that carry these correlations; absent ones are certainly absent. RemoteError where it cannot
        tell.
        """

    def grants(self) -> Iterator[Grant]:
        """Every request that can be read, whoever made it; those that have ended, too.

        Raises RemoteError once everything that could be read was told: what is missing may then be there all the same.
        """


class Writer(Protocol):
    """Built by `wiring` for `apply` alone."""

    def submit(self, payload: Payload) -> Receipt:
        """Send a new request, once. Raises RemoteError, whose `commit` says whether it may have arrived."""

    def cancel(self, remote_id: str) -> None:
        """End a request: canceled while it is pending or scheduled, revoked once it is active. Raises RemoteError."""


class Target(Protocol):
    """A target's pure half, the same for everyone."""

    @property
    def name(self) -> str:
        """As routes name it."""

    @property
    def host(self) -> str:
        """The host of its public endpoint."""

    @property
    def retired(self) -> str:
        """Why its public endpoint delivers no more, and what to do instead; empty where it does."""

    def render(self, request: AnyRequest) -> dict[str, Any]:
        """The exact body that the target is sent, but for the correlation."""

    def parse(self, body: Payload) -> AnyRequest | Inexpressible:
        """The request that is rendered as this body, which the target may write in its own way."""

    def comparable(self, body: Payload) -> dict[str, Any]:
        """A body in the one form of all bodies that mean the same."""

    def correlated(self, payload: Payload, correlation: str) -> dict[str, Any]:
        """The body with the mark by which it is found again."""
