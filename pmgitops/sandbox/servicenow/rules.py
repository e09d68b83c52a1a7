"""Business rules, data policies and the state model of changes: what an instance makes of a write.

A rule is an object of the setting `rules`:

    {"name": "Freeze", "table": "incident", "when": {"state": "7"}, "abort": "message"}
    {"name": "Closing", "table": "incident", "when": {"state": "6"}, "mandatory": ["close_code", "close_notes"]}
    {"name": "Assign", "table": "task", "on": ["insert"], "writes": ["short_description"], "then": {"priority": "1"}}

It runs when a record of the table (or of one that extends it) is written as `on` says, if the write brings one of
`writes` (any, where none is named) and the record will then have the values of `when`. What it does: `abort` refuses,
and tells so in the error's `message` or `detail`; `mandatory` refuses while one of the fields is empty; `then` changes
fields after the write, as a write of its own by `system`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ServiceNowError, aborted_by_rule
from .tables import TABLES, lineage

# A normal change goes from one to the next, and may be canceled until it is closed.
_CHANGE_MODEL = ("-5", "-4", "-3", "-2", "-1", "0", "3")
_CANCELED = "4"


@dataclass(frozen=True)
class Rule:
    """One rule, as above."""

    name: str
    table: str
    on: list[str] = field(default_factory=lambda: ["insert", "update"])
    when: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    abort: str = ""
    mandatory: list[str] = field(default_factory=list)
    then: dict[str, Any] = field(default_factory=dict)

    @property
    def sys_id(self) -> str:
        """A record of its own, which nobody can read."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]

    def concerns(self, write: Write) -> bool:
        """Whether it runs on this write."""
        return (
            write.operation in self.on
            and self.table in lineage(write.table)
            and (not self.writes or bool(set(self.writes) & set(write.wanted)))
            and all(write.after.get(name) == value for name, value in self.when.items())
        )


@dataclass(frozen=True)
class Write:
    """One write: what was sent, and the record's values before it (none, for an insert) and after it."""

    table: str
    wanted: Mapping[str, Any]
    before: Mapping[str, str]
    after: Mapping[str, str]

    @property
    def operation(self) -> str:
        """How a rule's `on` calls it."""
        return "update" if self.before else "insert"


@dataclass(frozen=True)
class Rules:
    """All that run; none at all for the administrator behind the scenes."""

    rules: tuple[Rule, ...] = ()
    state_model: bool = False

    def check(self, write: Write) -> None:
        """ServiceNowError where one of them refuses."""
        for rule in self._concerned(write):
            if rule.abort:
                raise aborted_by_rule(write.table, rule.name, rule.sys_id, in_detail=rule.abort == "detail")
            missing = [name for name in rule.mandatory if not write.after.get(name)]
            if missing:
                labels = ", ".join(name.replace("_", " ").capitalize() for name in missing)
                text = f"Data Policy Exception: The following mandatory fields are not filled in: {labels}"
                raise ServiceNowError(403, text)
        if self.state_model and write.table == "change_request" and write.before:
            _check_model(write.before["state"], write.after["state"])

    def after(self, write: Write) -> list[dict[str, Any]]:
        """What they change once it is written."""
        return [rule.then for rule in self._concerned(write) if rule.then]

    def _concerned(self, write: Write) -> Iterable[Rule]:
        return (rule for rule in self.rules if rule.concerns(write))


def rules_of(wanted: list[dict[str, Any]]) -> tuple[Rule, ...]:
    """The rules of the setting; ValueError or TypeError says what is wrong with one."""
    rules = tuple(Rule(**one) for one in wanted)
    for rule in rules:
        if rule.table not in TABLES or not set(rule.on) <= {"insert", "update"}:
            raise ValueError(f"the rule '{rule.name}' wants a table that there is, and `on` insert or update")
        if rule.abort not in ("", "message", "detail"):
            raise ValueError(f"the rule '{rule.name}' may abort in 'message' or in 'detail'")
    return rules


def _check_model(before: str, after: str) -> None:
    if before == after:
        return
    place = _CHANGE_MODEL.index(before) if before in _CHANGE_MODEL[:-1] else None
    allowed = () if place is None else (_CHANGE_MODEL[place + 1], _CANCELED)
    if after not in allowed:
        rule = Rule("Change Model: Check State Transition", "change_request")
        raise aborted_by_rule(rule.table, rule.name, rule.sys_id)
