"""What is known of a ServiceNow ticket: a record that was read, and the link that a request keeps to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import rfc8785


@dataclass(frozen=True, slots=True)
class User:
    """A user of the ticket system; `user_name` and `email` are empty where they may not be read."""

    sys_id: str
    user_name: str = ""
    name: str = ""
    email: str = ""

    def __str__(self) -> str:
        return self.email or self.user_name or self.name or self.sys_id


UserOrWhy = User | Literal["absent", "ambiguous", "malformed"]
"""The one active user that an identity stands for, or why there is none: nobody, several, or no identity at all."""


@dataclass(frozen=True, slots=True)
class Referred:
    """A record that a ticket refers to (a configuration item, a group), by its sys_id and by what it shows."""

    sys_id: str
    name: str = ""

    def is_called(self, wanted: str) -> bool:
        """Whether `wanted` is its sys_id or its name."""
        return wanted in {self.sys_id, self.name}


@dataclass(frozen=True, slots=True)
class Approval:
    """A row of `sysapproval_approver`: who was asked, what became of it, and who set it so (a user name)."""

    approver: User
    state: str
    decided_by: str = ""
    decided_on: str = ""
    """UTC, as stored."""

    def is_of(self, user: User) -> bool:
        """Whether this user was asked, or decided for who was (ServiceNow's delegates leave their name as updater)."""
        return self.approver.sys_id == user.sys_id or (bool(user.user_name) and self.decided_by == user.user_name)


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
    callers: tuple[User, ...] = ()
    """For whom it is, by its class: caller, requested-for, requested-by."""
    opened_by: User | None = None
    window_start: str = ""
    """The planned window of a change (UTC)."""
    window_end: str = ""
    configuration_item: Referred | None = None
    assignment_group: Referred | None = None
    approvals: tuple[Approval, ...] = ()
    """All rows, where they were read."""
    correlation_id: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Of the above, what may not be read: by its name here, the fields that it is made of. It is not the same as empty.
    """
    modifications: str = ""
    """`sys_mod_count`: evidence of when it was read; nothing is decided by it."""
    updated_on: str = ""
    updated_by: str = ""

    @property
    def submitters(self) -> tuple[User, ...]:
        """Everybody who may be called the ticket's submitter, each once."""
        people: dict[str, User] = {}
        for user in (*self.callers, *([self.opened_by] if self.opened_by else [])):
            people.setdefault(user.sys_id, user)
        return tuple(people.values())

    @property
    def approved(self) -> tuple[Approval, ...]:
        """The rows that say yes."""
        return tuple(row for row in self.approvals if row.state == "approved")

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """The planned window; None where it has no start, no end, or what cannot be read as one."""
        try:
            start, end = (
                datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
                for text in (self.window_start, self.window_end)
            )
        except ValueError:
            return None
        return start, end

    @property
    def judged(self) -> dict[str, Any]:
        """What the gate decides by, and nothing else: that somebody wrote a note is no change of the ticket."""
        return {
            "instance": self.instance,
            "table": self.table,
            "sys_id": self.sys_id,
            "number": self.number,
            "state": self.state,
            "active": self.active,
            "approval": self.approval,
            "submitters": sorted(user.sys_id for user in self.submitters),
            "window": [self.window_start, self.window_end],
            "configuration_item": asdict(self.configuration_item) if self.configuration_item else None,
            "assignment_group": asdict(self.assignment_group) if self.assignment_group else None,
            "approved": sorted([row.approver.sys_id, row.decided_by] for row in self.approved),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of what is judged in RFC 8785 form: the ticket snapshot that a plan and the ledger carry."""
        return hashlib.sha256(rfc8785.dumps(self.judged)).hexdigest()

    def link(self, system: str) -> TicketLink:
        """The tie that is kept: the record pinned by its sys_id, and what was read when it was judged."""
        return TicketLink(
            system,
            self.instance,
            self.table,
            self.sys_id,
            self.number,
            self.state_label,
            self.digest,
            self.approval,
            str(self.active).lower(),
        )


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
    approval: str = ""
    """Its approval then, as it is stored."""
    active: str = ""
    """`true` where it was open then."""

    def same(self, other: TicketLink | None) -> bool:
        """Whether both are tied to one record, however it looked when they were."""
        return other is not None and (self.instance, self.sys_id) == (other.instance, other.sys_id)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> TicketLink:
        """The link as the ledger wrote it."""
        return cls(**{name: str(data[name]) for name in cls.__slots__ if name in data})

    def as_json(self) -> dict[str, str]:
        """The link as the ledger writes it."""
        return asdict(self)
