"""How a record is shown: stored values, display values or both; references with or without links; journals as text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pmgitops.sandbox.behaviour import Behaviour
from pmgitops.sandbox.store import Store

from .acl import Acl
from .records import Record, Records
from .tables import TABLES, Field, fields_of

_LABELS = {"work_notes": "Work notes", "comments": "Additional comments"}


@dataclass(frozen=True)
class Manner:
    """What the caller asked for."""

    display: str  # false, true, all
    links: bool
    fields: tuple[str, ...]
    api: str  # the address of the Table API that the caller uses, for links


class Rendering:
    """Shows records in one manner."""

    def __init__(self, store: Store, records: Records, behaviour: Behaviour, manner: Manner) -> None:
        self._store, self._records, self._behaviour, self._manner = store, records, behaviour, manner
        self._acl = Acl(behaviour)

    def show(self, record: Record, table: str) -> dict[str, Any]:
        """A record as seen through a table: one asked as a task has no fields but a task's."""
        names = self._manner.fields or tuple(sorted(fields_of(table)))
        shown = {}
        for name in names:
            reached, leaf = self._reach(record, name, table)
            if reached is not None and not self._acl.reads(reached.table, leaf):
                continue
            if reached is not None:
                declared = fields_of(reached.table)[leaf]
                shown[name] = self._value(reached, leaf, declared)
            elif leaf:
                shown[name] = self._pair("", "")
        return shown

    def _reach(self, record: Record, name: str, table: str) -> tuple[Record | None, str]:
        """Walk over the dots; an unknown name is ignored (''), a known one behind an empty reference is empty."""
        first, _, rest = name.partition(".")
        declared = fields_of(table).get(first)
        if declared is None:
            return None, ""
        if not rest:
            return record, first
        referred = self._records.referred(record, first)
        if referred is not None:
            return self._reach(referred, rest, referred.table)
        return None, rest if declared.refers and known_field(declared.refers, rest) else ""

    def _value(self, record: Record, name: str, declared: Field) -> Any:
        value = record.fields.get(name, "")
        match declared.kind:
            case "reference":
                return self._reference(record, name, declared, value)
            case "journal":
                return self._pair("", self._journal(record, name))
            case "time":
                return self._pair(value, self._local(value))
            case "class":
                return self._pair(value, TABLES[value].label if value in TABLES else value)
            case "choice":
                return self._pair(value, declared.choices.get(value, value))
            case _:
                return self._pair(value, value)

    def _pair(self, value: str, display: str) -> Any:
        match self._manner.display:
            case "true":
                return display
            case "all":
                return {"display_value": display, "value": value}
            case _:
                return value

    def _reference(self, record: Record, name: str, declared: Field, value: str) -> Any:
        referred = self._records.referred(record, name)
        display = referred.fields.get(TABLES[referred.table].shows, "") if referred else ""
        if not value or not self._manner.links:
            return self._pair(value, display)
        link = f"{self._manner.api}/table/{referred.table if referred else declared.refers}/{value}"
        match self._manner.display:
            case "true":
                return {"display_value": display, "link": link}
            case "all":
                return {"display_value": display, "value": value, "link": link}
            case _:
                return {"link": link, "value": value}

    def _journal(self, record: Record, name: str) -> str:
        """All entries, newest first, each under its time, author and label."""
        if not self._behaviour.notes_readable or self._manner.display == "false":
            return ""
        sql = (
            "SELECT json_extract(fields, '$.value') AS text, json_extract(fields, '$.sys_created_on') AS at,"
            " json_extract(fields, '$.sys_created_by') AS author FROM records"
            " WHERE json_extract(fields, '$.element_id') = ? AND json_extract(fields, '$.element') = ?"
            " ORDER BY seq DESC"
        )
        entries = self._store.all(sql, record.sys_id, name)
        label = _LABELS.get(name, name)
        return "".join(
            f"{self._local(entry['at'])} - {self._full_name(entry['author'])} ({label})\n{entry['text']}\n\n"
            for entry in entries
        )

    def _full_name(self, user_name: str) -> str:
        sql = (
            "SELECT json_extract(fields, '$.name') AS name FROM records"
            " WHERE class = 'sys_user' AND json_extract(fields, '$.user_name') = ?"
        )
        row = self._store.one(sql, user_name)
        return str(row["name"]) if row else user_name

    def _local(self, stored: str) -> str:
        if not stored:
            return ""
        try:
            when = datetime.strptime(stored, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            return stored
        local = when + timedelta(hours=self._behaviour.display_offset_hours)
        return local.strftime(self._behaviour.display_format)


def known_field(table: str, name: str) -> bool:
    """Whether a (dot-walked) name leads to a field, through the tables that references declare."""
    first, _, rest = name.partition(".")
    declared = fields_of(table).get(first) if table in TABLES else None
    if declared is None or not rest:
        return declared is not None
    return bool(declared.refers) and known_field(declared.refers, rest)
