"""The tables of the instance: which extends which, their fields, choices, and the numbers they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache


@dataclass(frozen=True)
class Field:
    """One column of the dictionary."""

    kind: str = "string"  # string, integer, boolean, time, reference, journal, choice, class
    refers: str = ""
    choices: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One table: `shows` is what references to it display, `closed` are the states in which a record is not active."""

    label: str
    fields: dict[str, Field]
    parent: str = ""
    shows: str = "number"
    prefix: str = ""
    closed: tuple[str, ...] = ()


_TEXT, _NUMBER, _FLAG, _TIME, _JOURNAL = (Field(kind) for kind in ("string", "integer", "boolean", "time", "journal"))


def _to(table: str) -> Field:
    return Field("reference", table)


def _choice(**choices: str) -> Field:
    """Stored values as keywords: `_1` is 1, `_m5` is -5."""
    return Field("choice", choices={key[1:].replace("m", "-"): label for key, label in choices.items()})


_LEVEL = _choice(_1="1 - High", _2="2 - Medium", _3="3 - Low")
_APPROVAL = Field("choice", choices={
    "not requested": "Not Yet Requested", "requested": "Requested", "approved": "Approved", "rejected": "Rejected",
    "cancelled": "Cancelled", "duplicate": "Duplicate", "not_required": "Not Required",
})  # fmt: skip
_APPROVER_STATE = Field("choice", choices={**_APPROVAL.choices, "cancelled": "No Longer Required"})
_INCIDENT_STATE = _choice(_1="New", _2="In Progress", _3="On Hold", _6="Resolved", _7="Closed", _8="Canceled")
_TASK_STATE = _choice(_m5="Pending", _1="Open", _2="Work in Progress", _3="Closed Complete", _4="Closed Incomplete",
                      _7="Closed Skipped")  # fmt: skip
_CHANGE_STATE = _choice(_m5="New", _m4="Assess", _m3="Authorize", _m2="Scheduled", _m1="Implement", _0="Review",
                        _3="Closed", _4="Canceled")  # fmt: skip
_CHANGE_TASK_STATE = _choice(_m5="Pending", _1="Open", _2="In Progress", _3="Closed", _4="Canceled")
_PROBLEM_STATE = _choice(_101="New", _102="Assess", _103="Root Cause Analysis", _104="Fix in Progress",
                         _106="Resolved", _107="Closed")  # fmt: skip

_SYSTEM = {
    "sys_id": _TEXT, "sys_class_name": Field("class"), "sys_created_on": _TIME, "sys_created_by": _TEXT,
    "sys_updated_on": _TIME, "sys_updated_by": _TEXT, "sys_mod_count": _NUMBER,
}  # fmt: skip
_TASK = {
    "number": _TEXT, "short_description": _TEXT, "description": _TEXT, "state": _TASK_STATE, "active": _FLAG,
    "approval": _APPROVAL, "approval_set": _TIME, "assigned_to": _to("sys_user"),
    "assignment_group": _to("sys_user_group"), "opened_by": _to("sys_user"), "opened_at": _TIME, "closed_at": _TIME,
    "priority": _choice(_1="1 - Critical", _2="2 - High", _3="3 - Moderate", _4="4 - Low", _5="5 - Planning"),
    "impact": _LEVEL, "urgency": _LEVEL, "parent": _to("task"), "correlation_id": _TEXT, "correlation_display": _TEXT,
    "work_notes": _JOURNAL, "comments": _JOURNAL, "cmdb_ci": _to("cmdb_ci"),
}  # fmt: skip

_CLOSED_TASK = ("3", "4", "7")
TABLES = {
    "task": Table("Task", _TASK, prefix="TASK", closed=_CLOSED_TASK),
    "incident": Table("Incident", {
        "state": _INCIDENT_STATE, "incident_state": _INCIDENT_STATE, "caller_id": _to("sys_user"), "category": _TEXT,
        "close_code": _TEXT, "close_notes": _TEXT, "hold_reason": _TEXT,
    }, "task", prefix="INC", closed=("7", "8")),
    "sc_request": Table("Request", {
        "requested_for": _to("sys_user"), "request_state": _TEXT,
    }, "task", prefix="REQ", closed=_CLOSED_TASK),
    "sc_req_item": Table("Requested Item", {
        "requested_for": _to("sys_user"), "request": _to("sc_request"), "stage": _TEXT,
        "cat_item": _to("sc_cat_item"),
    }, "task", prefix="RITM", closed=_CLOSED_TASK),
    "sc_task": Table("Catalog Task", {
        "request": _to("sc_request"), "request_item": _to("sc_req_item"),
    }, "task", prefix="SCTASK", closed=_CLOSED_TASK),
    "change_request": Table("Change Request", {
        "state": _CHANGE_STATE, "requested_by": _to("sys_user"), "start_date": _TIME, "end_date": _TIME, "type": _TEXT,
        "risk": _TEXT,
    }, "task", prefix="CHG", closed=("3", "4")),
    "change_task": Table("Change Task", {
        "state": _CHANGE_TASK_STATE, "change_request": _to("change_request"), "planned_start_date": _TIME,
        "planned_end_date": _TIME,
    }, "task", prefix="CTASK", closed=("3", "4")),
    "problem": Table("Problem", {"state": _PROBLEM_STATE}, "task", prefix="PRB", closed=("107",)),
    "problem_task": Table("Problem Task", {"problem": _to("problem")}, "task", prefix="PTASK", closed=_CLOSED_TASK),
    "sys_user": Table("User", {
        "user_name": _TEXT, "name": _TEXT, "first_name": _TEXT, "last_name": _TEXT, "email": _TEXT, "active": _FLAG,
    }, shows="name"),
    "sys_user_group": Table("Group", {"name": _TEXT, "active": _FLAG}, shows="name"),
    "sc_cat_item": Table("Catalog Item", {"name": _TEXT, "short_description": _TEXT, "active": _FLAG}, shows="name"),
    "item_option_new": Table("Variable", {
        "name": _TEXT, "question_text": _TEXT, "cat_item": _to("sc_cat_item"),
    }, shows="question_text"),
    "sc_item_option": Table("Options", {
        "item_option_new": _to("item_option_new"), "value": _TEXT,
    }, shows="sys_id"),
    "sc_item_option_mtom": Table("Variable Ownership", {
        "request_item": _to("sc_req_item"), "sc_item_option": _to("sc_item_option"),
    }, shows="sys_id"),
    "cmdb_ci": Table("Configuration Item", {"name": _TEXT}, shows="name"),
    "sysapproval_approver": Table("Approval", {
        "approver": _to("sys_user"), "sysapproval": _to("task"), "document_id": _TEXT, "source_table": _TEXT,
        "state": _APPROVER_STATE, "comments": _JOURNAL, "due_date": _TIME,
    }, shows="sys_id"),
    "sys_journal_field": Table("Journal Entry", {
        "name": _TEXT, "element": _TEXT, "element_id": _TEXT, "value": _TEXT,
    }, shows="sys_id"),
    "sys_attachment": Table("Attachment", {
        "file_name": _TEXT, "content_type": _TEXT, "size_bytes": _NUMBER, "size_compressed": _NUMBER,
        "compressed": _FLAG, "table_name": _TEXT, "table_sys_id": _TEXT, "hash": _TEXT, "download_link": _TEXT,
    }, shows="file_name"),
}  # fmt: skip


@cache
def lineage(name: str) -> list[str]:
    """A table and those it extends, nearest first."""
    chain = [name]
    while parent := TABLES[chain[-1]].parent:
        chain.append(parent)
    return chain


@cache
def family(name: str) -> list[str]:
    """A table and those that extend it."""
    return [table for table in TABLES if name in lineage(table)]


@cache
def fields_of(name: str) -> Mapping[str, Field]:
    """Every field of a table, its own overriding those it inherits."""
    fields = dict(_SYSTEM)
    for table in reversed(lineage(name)):
        fields |= TABLES[table].fields
    return fields
