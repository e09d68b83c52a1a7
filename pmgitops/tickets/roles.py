"""Which right of the integration user opens what: the roles of stock instances, and the ACL where no role is for it.

Roles are an instance's own business, so these are where an administrator would look first.
"""

from __future__ import annotations

READS: dict[str, str] = {
    "incident": "the role itil, or sn_incident_read",
    "change_request": "the role itil, or sn_change_read",
    "change_task": "the role itil, or sn_change_read",
    "sysapproval_approver": "a read ACL on sysapproval_approver",
    "sys_user": "a read ACL on sys_user",
    "sys_journal_field": "a read ACL on sys_journal_field",
    "sys_attachment": "a read ACL on sys_attachment",
}
"""By table; of every other table see `to_read`."""
WRITES: dict[str, str] = {
    "incident": "the role itil, or sn_incident_write",
    "change_request": "the role itil, or sn_change_write",
    "change_task": "the role itil, or sn_change_write",
}
API = "the role snc_platform_rest_api_access"
"""Where the Table API has an ACL of its own."""


def to_read(table: str) -> str:
    """What lets the integration user read a table."""
    return READS.get(table, "the role itil")


def to_write(table: str) -> str:
    """What lets it write work notes there."""
    return WRITES.get(table, "the role itil")
