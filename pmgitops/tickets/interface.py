"""The port of a ticket system: reading for the gate, writing for notes and files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pmgitops.model.ticket import Approval, TicketLink, TicketRecord, User, UserOrWhy


@dataclass(frozen=True, slots=True)
class Journal:
    """What could be read of a ticket's work notes."""

    markers: frozenset[str]
    """Markers of ours among them."""
    readable: bool
    """Whether entries were seen at all: an empty answer may also mean that reading them is not allowed."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that a ticket has; `sha256` is empty where the system does not tell."""

    sys_id: str
    name: str
    sha256: str


class TicketReader(Protocol):
    """What the gate holds. May be used by several threads at once."""

    def find(self, number: str) -> list[TicketRecord]:
        """The tickets with this number: none, one, or two where it is not unique; with what every class has, and no
        more. Raises RemoteError.
        """

    def snapshot(self, ticket: TicketRecord | TicketLink) -> TicketRecord | None:
        """The record behind a sys_id with everything but its approvals, as it is now; None where it is absent or
        hidden. Raises RemoteError.
        """

    def approvals(self, sys_ids: Collection[str]) -> Mapping[str, tuple[Approval, ...]]:
        """The approval rows of these tickets, each of which is a key. Raises RemoteError."""

    def users(self, identities: Collection[str]) -> Mapping[str, UserOrWhy]:
        """The one active user that each identity is, by e-mail address or else by user name. Raises RemoteError."""

    def myself(self) -> User | None:
        """Who pmgitops is logged in as; None where that cannot be told. Raises RemoteError."""

    def pinned(self, links: Sequence[TicketLink]) -> Mapping[str, TicketRecord]:
        """The records of these links as they are now, by sys_id; who is not there, or not for us, is left out. Raises
        RemoteError.
        """


class TicketWriter(Protocol):
    """What `apply` holds: work notes and files; state, approval and assignment are never written."""

    def markers(self, link: TicketLink) -> Journal:
        """The markers of ours among the ticket's work notes. Raises RemoteError."""

    def sees_notes(self) -> bool:
        """Whether work notes of any ticket can be seen: only then a ticket that shows none has none. Raises
        RemoteError.
        """

    def add_note(self, link: TicketLink, text: str) -> None:
        """Append one work note, once. Raises RemoteError, whose `commit` says whether it may have been written."""

    def correlate(self, link: TicketLink, name: str) -> None:
        """Leave the request's name on the ticket where nobody has left another yet; doing it again changes nothing.
        Raises RemoteError.
        """

    def attachments(self, link: TicketLink, name: str) -> list[StoredFile]:
        """The ticket's files of exactly this name. Raises RemoteError."""

    def sees_files(self) -> bool:
        """Whether files of any ticket can be seen: only then a ticket that shows none has none. Raises RemoteError."""

    def attach(self, link: TicketLink, name: str, content: bytes) -> StoredFile:
        """Upload one file, once. Raises RemoteError, whose `commit` says whether it may have been written."""

    def fetch(self, file: StoredFile) -> bytes:
        """A file's content. Raises RemoteError."""
