"""Access control lists as settings: what the caller of the REST API may read and write. The administrator is above it.

Four of them, each refusing in its own way (measured by peers on developer instances): a row that may not be read is
absent (404, or missing from a page that was cut before), a field that may not be read is left out, a field that may not
be written is dropped in silence, a row that may not be written and an API that may not be used are 403.
"""

from __future__ import annotations

from typing import Any

from pmgitops.sandbox.behaviour import Behaviour

from .errors import ServiceNowError
from .records import Record
from .tables import fields_of, lineage


class Acl:
    """The settings of the moment."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def admit(self, table: str) -> None:
        """403 where the API-level ACL stops everybody."""
        if {"*", table} & set(self._behaviour.api_closed):
            raise ServiceNowError(403, "User Not Authorized", "Failed API level ACL Validation")

    def shows(self, record: Record) -> bool:
        """Whether a row may be read."""
        return not _named(self._behaviour.hidden, record)

    def reads(self, table: str, field: str) -> bool:
        """Whether a field may be read."""
        return not _lists(self._behaviour.unreadable, table, field)

    def permit_query(self, fields: list[tuple[str, str]]) -> None:
        """403 where a query looks into a field that may not be read."""
        for start, name in fields:
            table = start
            for step in name.split("."):
                if not self.reads(table, step):
                    raise ServiceNowError(403, "Insufficient rights to query records")
                table = fields_of(table)[step].refers

    def permit_write(self, operation: str, table: str, record: Record | None = None) -> None:
        """403 where a row may not be written; `operation` is Insert, Update or Delete."""
        locked = self._behaviour.locked
        if set(lineage(table)) & set(locked) or (record and _named(locked, record)):
            detail = f"ACL Exception {operation} Failed due to security constraints"
            raise ServiceNowError(403, "Operation Failed", detail)

    def writable(self, table: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """What is left of a write when the fields that may not be written are dropped."""
        return {name: value for name, value in wanted.items() if not _lists(self._behaviour.unwritable, table, name)}


def _named(names: list[str], record: Record) -> bool:
    return record.sys_id in names or record.fields.get("number", "") in names


def _lists(names: list[str], table: str, field: str) -> bool:
    return field in names or any(f"{one}.{field}" in names for one in lineage(table))
