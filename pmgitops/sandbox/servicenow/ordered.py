"""What was ordered from the service catalog: the item, and the answers to its questions."""

from __future__ import annotations

from .records import Record, Records

ITEM = "Access to a cloud subscription"
_ANSWERS = (
    ("subscription", "Subscription", "87eefd90-95a3-480a-ba42-56ff299a05ee"),
    ("role", "Role", "cdda3590-29a3-44f6-95f2-9f980659eb04"),
    ("hours", "For how many hours", "2"),
    ("reason", "What is done with the access", 'Read the analytics project\'s logs: see "#1"\nkind: gcp-roles'),
    ("remarks", "Anything else", ""),
)


def seed_order(admin: Records, order: Record) -> None:
    """Say what a requested item was ordered as, and how its questions were answered."""
    item = admin.insert("sc_cat_item", {"name": ITEM, "short_description": "Roles in Azure, for a while"})
    admin.update(order, {"cat_item": item.sys_id})
    for name, question, value in _ANSWERS:
        asked = admin.insert("item_option_new", {"name": name, "question_text": question, "cat_item": item.sys_id})
        answer = admin.insert("sc_item_option", {"item_option_new": asked.sys_id, "value": value})
        admin.insert("sc_item_option_mtom", {"request_item": order.sys_id, "sc_item_option": answer.sys_id})
