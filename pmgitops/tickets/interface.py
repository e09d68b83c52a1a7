"""The port of a ticket system: reading for the gate, writing for the notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pmgitops.model.ticket import TicketLink, TicketRecord


@dataclass(frozen=True, slots=True)
class Journal:
    """What could be read of a ticket's work notes."""

    markers: frozenset[str]
    """Markers of ours among them."""
    readable: bool
    """Whether entries were seen at all: an empty answer may also mean that reading them is not allowed."""


class TicketReader(Protocol):
    """What the gate holds."""

    def find(self, number: str) -> list[TicketRecord]:
        """The tickets with this number: none, one, or two where it is not unique. Raises RemoteError."""


class TicketWriter(Protocol):
    """What `apply` holds: work notes and nothing else; state, approval and assignment are never written."""

    def markers(self, link: TicketLink) -> Journal:
        """The markers of ours among the ticket's work notes. Raises RemoteError."""

    def sees_notes(self) -> bool:
        """Whether work notes of any ticket can be seen: only then a ticket that shows none has none. Raises
        RemoteError.
        """

    def add_note(self, link: TicketLink, text: str) -> None:
        """Append one work note, once. Raises RemoteError, whose `commit` says whether it may have been written."""
