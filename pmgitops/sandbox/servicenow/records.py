"""Records: finding them, and the rules that run when they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pmgitops.sandbox.behaviour import Behaviour
from pmgitops.sandbox.clock import moment
from pmgitops.sandbox.store import Store, compact

from .encoded_query import Query, Term
from .errors import aborted_by_rule
from .rules import Rules, Write
from .tables import TABLES, family, fields_of, lineage

Fields = dict[str, str]

_INDEXED = ("number", "element_id", "sysapproval", "table_sys_id", "email", "user_name", "sys_id")
_FIRST_NUMBER = 40000
_DECIDING = ("rejected", "requested", "approved")
_DEFAULTS = {
    "incident": {"state": "1"},
    "change_request": {"state": "-5", "type": "normal"},
    "problem": {"state": "101"},
}


@dataclass(frozen=True)
class Record:
    """One row: its class, and every stored value as text."""

    table: str
    fields: Fields

    @property
    def sys_id(self) -> str:
        """Its only stable key."""
        return self.fields["sys_id"]


class Records:
    """The database of the instance, as one caller works on it."""

    def __init__(self, store: Store, behaviour: Behaviour, user: str, rules: Rules | None = None) -> None:
        self._store, self._behaviour, self._user, self._rules = store, behaviour, user, rules or Rules()

    def get(self, table: str, sys_id: str) -> Record | None:
        """One record of a table or of one that extends it."""
        row = self._store.one("SELECT class, fields FROM records WHERE sys_id = ?", sys_id)
        record = Record(row["class"], json.loads(row["fields"])) if row else None
        return record if record and table in lineage(record.table) else None

    def find(self, table: str, query: Query) -> list[Record]:
        """Every record that a query finds, in the order it asks for, otherwise as they came."""
        found = [record for record in self._candidates(table, query) if query.holds(self.reader(record))]
        for name, descending in reversed(query.order):
            found.sort(key=lambda record: self.look(record, name) or "", reverse=descending)
        return found

    def _candidates(self, table: str, query: Query) -> Iterator[Record]:
        classes = family(table)
        conditions, values = [f"class IN ({','.join('?' * len(classes))})"], [*classes]
        for term in query.sure(_INDEXED):
            conditions.append("sys_id = ?" if term.field == "sys_id" else f"json_extract(fields, '$.{term.field}') = ?")
            values.append(term.value)
        sql = f"SELECT class, fields FROM records WHERE {' AND '.join(conditions)} ORDER BY seq"  # noqa: S608 - bound
        for row in self._store.all(sql, *values):
            yield Record(row["class"], json.loads(row["fields"]))

    def reader(self, record: Record) -> Any:
        """A record as a function from a name to a value."""
        return lambda name: self.look(record, name)

    def look(self, record: Record, name: str) -> str | None:
        """A value by its name, walking over references at the dots; None where there is no such field."""
        first, _, rest = name.partition(".")
        if not rest:
            return record.fields.get(first)
        referred = self.referred(record, first)
        return self.look(referred, rest) if referred else None

    def referred(self, record: Record, name: str) -> Record | None:
        """The record that a reference field points to."""
        declared = fields_of(record.table).get(name)
        value = record.fields.get(name)
        return self.get(declared.refers, value) if declared and declared.refers and value else None

    def insert(self, table: str, wanted: dict[str, Any]) -> Record:
        """A new record, numbered and stamped."""
        declared = fields_of(table)
        written = self._written(table, wanted)
        fields = dict.fromkeys(declared, "") | _born(table) | written
        if "number" in declared and not fields["number"]:
            fields["number"] = self._next_number(table)
        self._refuse_duplicate(table, fields)
        now = self._now()
        fields |= {
            "sys_id": self._store.new_sys_id(), "sys_class_name": table, "sys_mod_count": "0",
            "sys_created_on": now, "sys_created_by": self._user, "sys_updated_on": now, "sys_updated_by": self._user,
        }  # fmt: skip
        if "opened_at" in declared:
            fields |= {"opened_at": fields["opened_at"] or now, "opened_by": fields["opened_by"] or self._own_id()}
        record = self._ruled(Record(table, fields), {})
        write = Write(table, wanted, {}, record.fields)
        self._rules.check(write)
        self._store.run(
            "INSERT INTO records (sys_id, class, fields) VALUES (?, ?, ?)", record.sys_id, table, compact(record.fields)
        )
        self._journal(record, wanted)
        if table == "sysapproval_approver" and fields["state"] in _DECIDING:
            self._derive_approval(record)
        return self._followed_up(record, write)

    def update(self, record: Record, wanted: dict[str, Any]) -> Record:
        """Change the fields given and no other; a write that changes nothing leaves no trace."""
        changed = Record(record.table, record.fields | self._written(record.table, wanted))
        noted = self._journal(record, wanted)
        if changed.fields == record.fields and not noted:
            return record
        changed = self._ruled(changed, record.fields)
        write = Write(record.table, wanted, record.fields, changed.fields)
        self._rules.check(write)
        changed.fields.update(
            sys_updated_on=self._now(), sys_updated_by=self._user,
            sys_mod_count=str(int(record.fields["sys_mod_count"]) + 1),
        )  # fmt: skip
        self._save(changed)
        if changed.table == "sysapproval_approver":
            self._derive_approval(changed)
        return self._followed_up(changed, write)

    def delete(self, record: Record) -> None:
        """Remove one record."""
        self._store.run("DELETE FROM records WHERE sys_id = ?", record.sys_id)
        if record.table == "sysapproval_approver":
            self._derive_approval(record)
        self._store.run("DELETE FROM contents WHERE sys_id = ?", record.sys_id)

    def _followed_up(self, record: Record, write: Write) -> Record:
        """What rules make of a record after it was written, in their own name."""
        for change in self._rules.after(write):
            record = Records(self._store, self._behaviour, "system").update(record, change)
        return record

    def _save(self, record: Record) -> None:
        self._store.run("UPDATE records SET fields = ? WHERE sys_id = ?", compact(record.fields), record.sys_id)

    def _written(self, table: str, wanted: dict[str, Any]) -> Fields:
        """What of a write counts: known fields that the system does not set itself, as text."""
        written = {}
        for name, value in wanted.items():
            declared = fields_of(table).get(name)
            if declared is None or declared.kind == "journal" or name.startswith("sys_"):
                continue
            text = as_text(value)
            written[name] = self._resolved(declared.refers, text) if declared.refers else text
        return written

    def _resolved(self, table: str, text: str) -> str:
        """A reference may be given as a sys_id or as what the referred record shows."""
        if not text or self.get(table, text):
            return text
        shown = ("user_name", "email") if table == "sys_user" else ("number",)
        for name in (*shown, TABLES[table].shows):
            found = self.find(table, Query(groups=[[[Term(name, "=", text)]]]))
            if found:
                return found[0].sys_id
        return text

    def _next_number(self, table: str) -> str:
        return f"{TABLES[table].prefix}{self._store.next_count(f'number:{table}', _FIRST_NUMBER):07d}"

    def _refuse_duplicate(self, table: str, fields: Fields) -> None:
        if self._behaviour.refuse_duplicate_numbers and fields.get("number"):
            sql = "SELECT sys_id FROM records WHERE json_extract(fields, '$.number') = ?"
            row = self._store.one(sql, fields["number"])
            if row:
                raise aborted_by_rule(table, "Unique number", row["sys_id"])

    def _ruled(self, record: Record, before: Fields) -> Record:
        """What the class's business rules make of a write."""
        fields = dict(record.fields)
        if "number" in fields and fields.get("state") != before.get("state"):
            closed = fields["state"] in TABLES[record.table].closed
            fields["active"] = "false" if closed else "true"
            fields["closed_at"] = self._now() if closed else ""
            if record.table == "incident":
                fields["incident_state"] = fields["state"]
        if "approval_set" in fields and fields["approval"] != before.get("approval", "not requested"):
            fields["approval_set"] = self._now() if fields["approval"] in ("approved", "rejected") else ""
        return Record(record.table, fields)

    def _derive_approval(self, approver: Record) -> None:
        """A ticket is rejected by one, and approved when nobody is left to be asked; who withdraws is asked again."""
        ticket = self.get("task", approver.fields["sysapproval"])
        if ticket is None:
            return
        sql = (
            "SELECT json_extract(fields, '$.state') AS state FROM records"
            " WHERE json_extract(fields, '$.sysapproval') = ?"
        )
        states = {row["state"] for row in self._store.all(sql, ticket.sys_id)}
        for state in _DECIDING:
            if state in states:
                self.update(ticket, {"approval": state})
                return
        self.update(ticket, {"approval": "not requested"})

    def _journal(self, record: Record, wanted: dict[str, Any]) -> bool:
        """Append what was written into journal fields; the same text twice is two entries."""
        noted = False
        for name, declared in fields_of(record.table).items():
            if declared.kind == "journal" and as_text(wanted.get(name, "")):
                self.insert("sys_journal_field", {
                    "name": record.table, "element": name, "element_id": record.sys_id, "value": wanted[name],
                })  # fmt: skip
                noted = True
        return noted

    def _own_id(self) -> str:
        return self._resolved("sys_user", self._user)

    def _now(self) -> str:
        return f"{moment(self._store.clock.now()):%Y-%m-%d %H:%M:%S}"


def as_text(value: object) -> str:
    """A JSON value as it is stored: everything is text."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case {"value": inner}:
            return as_text(inner)
        case dict() | list():
            return json.dumps(value)
        case _:
            return str(value)


def _born(table: str) -> Fields:
    """What a record starts with."""
    fields = fields_of(table)
    start = {"active": "true"} if "active" in fields else {}
    if "number" in fields:
        start |= {"state": "1", "approval": "not requested", "impact": "3", "urgency": "3", "priority": "4"}
    return start | _DEFAULTS.get(table, {})
