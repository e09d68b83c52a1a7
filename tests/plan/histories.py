"""Histories of one request as the ledger holds them, from words: `intended submitted active removing`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pmgitops.ledger.interface import Event
from pmgitops.ledger.standing import Standing, standing
from pmgitops.model.scalars import instant_text

NAME = "alex-groups"
START = datetime(2026, 1, 15, 9, tzinfo=UTC)
FORMER = "f" * 64
"""A revision that no file of these tests has."""
TICKET = {
    "system": "ServiceNow",
    "instance": "example.service-now.com",
    "table": "incident",
    "sys_id": "9" * 32,
    "number": "INC1234567",
    "state": "New",
    "snapshot": "5" * 64,
}
FINDING = {
    "path": "requests/alex-groups.yaml",
    "line": 1,
    "column": 1,
    "rule": "r",
    "message": "m",
    "severity": "error",
}
LEASE = {"owner": "runner", "until": "2026-01-15T09:01:00Z"}


def observed(state: str, *words: str, minute: int = 5, change: str = "change-1") -> dict[str, Any]:
    """What the target reported at a minute past nine."""
    modified = instant_text(START + timedelta(minutes=minute))
    return {
        "event": "observed",
        "id": change,
        "state": state,
        "detail": "/".join(words),
        "transitions": list(words),
        "modified": modified,
    }


def _intended(revision: str) -> dict[str, Any]:
    return {
        "event": "intended",
        "revision": revision,
        "path": f"requests/{NAME}.yaml",
        "commit": "c" * 40,
        "target": "permissions-management",
        "payload": {"justification": "because"},
        "digest": "d" * 64,
        "correlation": f"pmgitops:{NAME}@{revision[:12]}",
        "access": "AWS 956987887735: policy AddUserToGroup",
        "grants": ["aws 956987887735 alex@contoso.com arn:aws:iam::956987887735:policy/AddUserToGroup @ "],
        "identity": "alex@contoso.com",
        **LEASE,
    }


def data_of(word: str, revision: str) -> dict[str, Any]:
    """The event that a word stands for, with the data that it needs."""
    judged = {"revision": revision, "path": f"requests/{NAME}.yaml", "commit": "c" * 40, "findings": [FINDING]}
    return {
        "refused": {"event": "refused", **judged},
        "deferred": {"event": "deferred", **judged},
        "withdrawn": {"event": "withdrawn", "commit": "c" * 40},
        "intended": _intended(revision),
        "linked": {**_intended(revision), "ticket": TICKET},
        "claimed": {"event": "claimed", "owner": "another", "until": "2026-01-15T09:02:00Z"},
        "submitted": {"event": "submitted", "remoteId": "remote-1"},
        "adopted": {"event": "submitted", "remoteId": "remote-1", "adopted": True},
        "imported": {**_intended(revision), "event": "imported", "remoteId": "remote-1", "state": "approved"}
        | {"since": "2026-01-10T09:00:00Z"},
        "unknown": {"event": "unknown", "why": "no answer"},
        "failed": {"event": "failed", "why": "400", "code": "400", "again": "2026-01-15T09:05:00Z"},
        "approved": observed("approved", "approved", "granting"),
        "active": observed("active", "approved", "granted"),
        "granting-failed": observed("failed", "approved", "grantingFailed"),
        "revoking": observed("active", "canceled", "revoking", minute=6),
        "completed": observed("completed", "completed", minute=7),
        "rejected": observed("rejected", "rejected", minute=7),
        "canceled": observed("canceled", "canceled", minute=7),
        "removing": {"event": "cancel-intended", "why": "removed", "commit": "c" * 40, **LEASE},
        "replacing": {"event": "cancel-intended", "why": "replaced", "commit": "c" * 40, **LEASE},
        "cancel-sent": {"event": "cancel-sent"},
        "cancel-failed": {"event": "cancel-failed", "why": "503", "code": "503", "again": "2026-01-15T09:05:00Z"},
    }[word]


def events(words: Iterable[str | dict[str, Any]], revision: str = FORMER) -> Iterator[Event]:
    """The events behind words, a minute apart; an event itself stands for itself."""
    for seq, word in enumerate(words, start=1):
        data = dict(data_of(word, revision) if isinstance(word, str) else word)
        yield Event(seq, instant_text(START + timedelta(minutes=seq)), data.pop("event"), data, "")


def stands(words: str, revision: str = FORMER) -> Standing | None:
    """Where a request stands after a history."""
    return standing(NAME, events(words.split(), revision))
