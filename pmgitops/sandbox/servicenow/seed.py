"""The users and tickets that every sandbox starts with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pmgitops.sandbox.behaviour import Behaviour
from pmgitops.sandbox.clock import moment
from pmgitops.sandbox.store import Store

from .ordered import seed_order
from .records import Records

_USERS = (
    ("admin", "System Administrator", "admin@contoso.com"),
    ("pmgitops", "pmgitops Integration", "pmgitops@contoso.com"),
    ("alex", "Alex Wilber", "alex@contoso.com"),
    ("alexmanager", "Alex Manager", "alexmanager@contoso.com"),
    ("megan", "Megan Bowen", "megan@contoso.com"),
)
_INCIDENTS = (
    ("INC1234567", "Need to add a user to a group", "2"),
    ("123456", "Need the dialogflow administrator role", "2"),
    ("INC0000007", "Could not read the logs bucket", "7"),
)


def seed_records(store: Store) -> None:
    """Furnish an empty instance, as its administrator would have."""
    admin = Records(store, Behaviour(), "admin")
    for user_name, name, email in _USERS:
        first, _, last = name.partition(" ")
        admin.insert("sys_user", {
            "user_name": user_name, "name": name, "first_name": first, "last_name": last, "email": email,
        })  # fmt: skip
    admin.insert("sys_user_group", {"name": "Cloud Operations"})
    for number, text, state in _INCIDENTS:
        admin.insert("incident", {
            "number": number, "short_description": text, "state": state, "caller_id": "alex", "opened_by": "alex",
            "assigned_to": "alexmanager", "assignment_group": "Cloud Operations",
        })  # fmt: skip
    now = moment(store.clock.now())
    _change(admin, "CHG0030001", "Rotate the keys of the logs bucket", "approved", now)
    _change(admin, "CHG0030002", "Open the reporting database", "requested", now)
    item = admin.insert("sc_req_item", {
        "number": "RITM0012345", "short_description": "Access to the analytics project", "requested_for": "alex",
        "request": admin.insert("sc_request", {"number": "REQ0012345", "requested_for": "alex"}).sys_id,
        "opened_by": "alex", "state": "2", "approval": "requested",
    })  # fmt: skip
    seed_order(admin, item)
    _approval(admin, item.sys_id, "sc_req_item", "approved")  # last: what is known of the item here is from before it


def _change(admin: Records, number: str, text: str, approval: str, now: datetime) -> None:
    window = {"start_date": _stored(now - timedelta(hours=1)), "end_date": _stored(now + timedelta(hours=8))}
    change = admin.insert("change_request", {
        "number": number, "short_description": text, "requested_by": "alex", "opened_by": "alex",
        "assigned_to": "alexmanager", "state": "-1" if approval == "approved" else "-4", "approval": "requested",
        **window,
    })  # fmt: skip
    _approval(admin, change.sys_id, "change_request", approval)


def _approval(admin: Records, sys_id: str, table: str, state: str) -> None:
    row: dict[str, Any] = {
        "approver": "alexmanager", "sysapproval": sys_id, "document_id": sys_id, "source_table": table,
        "state": "requested",
    }  # fmt: skip
    approver = admin.insert("sysapproval_approver", row)
    if state != "requested":
        admin.update(approver, {"state": state})


def _stored(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"
