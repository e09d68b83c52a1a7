"""What is known of a ServiceNow ticket: a record that was read, and the link that a request keeps to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import rfc8785


@dataclass(frozen=True, slots=True)
class TicketRecord:
    """The named fields of a ticket as they were read; stored values, as ServiceNow keeps them (UTC, strings)."""

    instance: str
    table: str
    sys_id: str
    number: str
    state: str
    state_label: str
    active: bool
    approval: str
    short_description: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the named fields in RFC 8785 form: the ticket snapshot that a plan and the ledger carry."""
        return hashlib.sha256(rfc8785.dumps(asdict(self))).hexdigest()

    def link(self, system: str) -> TicketLink:
        """The tie that is kept: the record pinned by its sys_id, and what was read when it was judged."""
        return TicketLink(system, self.instance, self.table, self.sys_id, self.number, self.state_label, self.digest)


@dataclass(frozen=True, slots=True)
class TicketLink:
    """The tie between a request and its ticket, pinned by sys_id (numbers are not unique in ServiceNow)."""

    system: str
    instance: str
    table: str
    sys_id: str
    number: str
    state: str
    snapshot: str
    """Digest of the record as it was judged."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> TicketLink:
        """The link as the ledger wrote it."""
        return cls(**{name: str(data[name]) for name in cls.__slots__})

    def as_json(self) -> dict[str, str]:
        """The link as the ledger writes it."""
        return asdict(self)
