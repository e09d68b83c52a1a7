"""An item that was ordered from a ticket system's catalog, as far as a request can be filled from it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OrderedItem:
    """What ServiceNow calls a requested item (RITM), with the answers that whoever ordered it gave."""

    number: str
    form: str
    """The name of the catalog item that was ordered."""
    form_id: str
    """Its sys_id."""
    short_description: str = ""
    requested_for: str = ""
    """The e-mail address of whom it is for."""
    approver: str = ""
    """The e-mail address of who approved it, or else is asked to."""
    variables: dict[str, str] = field(default_factory=dict)
    """Name -> stored value. Written by anybody who may order: data, and nothing else."""
