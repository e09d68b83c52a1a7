"""What happens to a request over time, each step a change event. No background work: reads settle what is due.

submitted -> rejected
          -> canceled
          -> approved -> (granting -> granted | grantingFailed -> revoking -> revoked | revokingFailed)* -> completed
                      -> canceled, by way of revoking and revoked where access is held
"""

from __future__ import annotations

import json
import sqlite3

from pmgitops.sandbox.behaviour import Behaviour
from pmgitops.sandbox.clock import SECOND
from pmgitops.sandbox.store import Json, Store, compact

from .errors import GraphError, bad_request, not_found
from .schedule import next_window

_HELD = ("granting", "granted", "revokingFailed")


class Lifecycle:
    """Creates, decides, cancels and ages requests."""

    def __init__(self, store: Store, behaviour: Behaviour) -> None:
        self._store = store
        self._moment = round(behaviour.step_seconds * SECOND)
        self._failing = behaviour.failing

    def submit(self, body: Json, caller: str) -> sqlite3.Row:
        """Keep a valid body as a new request."""
        ticket = body.get("ticketInfo") or {}
        request_id = self._store.new_uuid()
        now = self._settle()
        self._store.run(
            "INSERT INTO requests (id, body, caller, principal, approver, ticket, status, created)"
            " VALUES (?, ?, ?, ?, ?, ?, 'submitted', ?)",
            request_id,
            compact(_kept(body)),
            caller,
            body["requestedPermissions"]["identityInfo"]["externalId"].removeprefix("rsn:"),
            ticket.get("ticketApproverIdentityId") or "",
            ticket.get("ticketNumber"),
            now,
        )
        self._record(self._find(request_id), "submitted", None, now)
        return self._find(request_id)

    def approve(self, request_id: str) -> None:
        """An approver says yes; the schedule begins to run."""
        now, request = self._pending(request_id)
        self._record(request, "approved", None, now)
        self._store.run("UPDATE requests SET approved = ? WHERE id = ?", now, request_id)
        self._plan_next_window(request_id, now)

    def reject(self, request_id: str) -> None:
        """An approver says no."""
        now, request = self._pending(request_id)
        self._record(request, "rejected", None, now)

    def cancel(self, request_id: str, caller: str, *, administrator: bool) -> None:
        """The requestor, or an administrator once it is approved, takes a request back."""
        now = self._settle()
        request = self._find(request_id)
        if request["status"] not in ("submitted", "approved"):
            raise bad_request(f"The request is {request['status']} and cannot be canceled.")
        if caller != request["caller"] and not (administrator and request["status"] == "approved"):
            raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        if request["occurrence"] in _HELD:
            at = self._record(request, "canceled", "revoking", now)
            self._plan(request_id, "revoked", at + self._moment)
        else:
            # Being revoked already, or nothing held: the running revocation goes on to its end by itself.
            revoking = request["occurrence"] == "revoking"
            self._record(request, "canceled", "revoking" if revoking else None, now)
            self._plan(request_id, "revoked" if revoking else None, request["next_at"] if revoking else None)

    def hold(self, request_id: str) -> None:
        """The service forgets to go on with it: what is held stays held when its time is over."""
        self._settle()
        self._find(request_id)
        self._plan(request_id, None, None)

    def settle(self) -> None:
        """Let everything happen that is due by now."""
        self._settle()

    def _settle(self) -> int:
        now = self._store.clock.now()
        while due := self._store.one("SELECT * FROM requests WHERE next_at <= ? ORDER BY next_at, seq LIMIT 1", now):
            with self._store.transaction():
                self._take_step(due)
        return now

    def _take_step(self, request: sqlite3.Row) -> None:
        due, status = request["next_at"], request["status"]
        match request["next_step"]:
            case "granting":
                at = self._record(request, status, "granting", due)
                self._plan(request["id"], "granted", at + self._moment)
            case "granted":
                self._record(request, status, "grantingFailed" if "granting" in self._failing else "granted", due)
                self._plan(request["id"], "revoking", request["window_end"])
            case "revoking" if request["occurrence"] == "grantingFailed":
                self._plan_next_window(request["id"], due)
            case "revoking":
                at = self._record(request, status, "revoking", due)
                self._plan(request["id"], "revoked", at + self._moment)
            case "revoked":
                self._record(request, status, "revokingFailed" if "revoking" in self._failing else "revoked", due)
                if status == "canceled":
                    self._plan(request["id"], None, None)
                else:
                    self._plan_next_window(request["id"], max(due, request["window_end"]))
            case "completed":
                self._record(request, "completed", None, due)
                self._plan(request["id"], None, None)

    def _plan_next_window(self, request_id: str, after: int) -> None:
        request = self._find(request_id)
        window = next_window(json.loads(request["body"]).get("scheduleInfo"), request["approved"], after)
        if window is None:
            self._plan(request_id, "completed", after)
        else:
            self._store.run("UPDATE requests SET window_end = ? WHERE id = ?", window.end, request_id)
            self._plan(request_id, "granting", window.start)

    def _plan(self, request_id: str, step: str | None, at: int | None) -> None:
        self._store.run("UPDATE requests SET next_step = ?, next_at = ? WHERE id = ?", step, at, request_id)

    def _pending(self, request_id: str) -> tuple[int, sqlite3.Row]:
        now = self._settle()
        request = self._find(request_id)
        if request["status"] != "submitted":
            raise bad_request(f"The request is {request['status']}, not pending.")
        return now, request

    def _find(self, request_id: str) -> sqlite3.Row:
        request = self._store.one("SELECT * FROM requests WHERE id = ?", request_id)
        if request is None:
            raise not_found(f"There is no scheduledPermissionsRequest '{request_id}'.")
        return request

    def _record(self, request: sqlite3.Row, status: str, occurrence: str | None, at: int) -> int:
        taken = self._store.next_instant(at)
        self._store.run(
            "INSERT INTO changes (id, request, at, status, occurrence, ticket) VALUES (?, ?, ?, ?, ?, ?)",
            self._store.new_uuid(), request["id"], taken, status, occurrence, request["ticket"],
        )  # fmt: skip
        self._store.run(
            "UPDATE requests SET status = ?, occurrence = ? WHERE id = ?", status, occurrence, request["id"]
        )
        return taken


def _kept(body: Json) -> Json:
    set_by_the_service = ("createdDateTime", "statusDetail", "@odata.type", "id")
    return {key: value for key, value in body.items() if key not in set_by_the_service}
