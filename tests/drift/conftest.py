"""Other hands at the target: another client of Graph, and the service itself, by its control routes."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pmgitops import wiring
from tests.world import Ran, World

PM = "/beta/identityGovernance/permissionsManagement/scheduledPermissionsRequests"
BODY: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "targets" / "golden" / "aws-policies.json").read_text("utf-8")
)


class Others(World):
    """A world in which somebody else works at the target, too."""

    ahead = timedelta()
    monkeypatch: pytest.MonkeyPatch

    def token(self, caller: str) -> None:
        """Who pmgitops is at the target from here on."""
        self.monkeypatch.setenv("PMGITOPS_GRAPH_TOKEN", caller)

    def later(self, seconds: int) -> None:
        """Time passes for pmgitops; at the sandbox, only what is not held goes on."""
        self.ahead += timedelta(seconds=seconds)

    def post(self, path: str, body: Any = None, caller: str = "somebody") -> Any:
        """A call of Graph by another client."""
        request = urllib.request.Request(
            self.sandbox.url + PM + path,
            method="POST",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {caller}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def ask(self, **members: Any) -> str:
        """Somebody asks for access in the portal; the id that it is given."""
        return str(self.post("", {**BODY, **members})["id"])

    def id_of(self, name: str) -> str:
        return next(row["remoteId"] for row in self.run("status", "--format", "json").json if row["name"] == name)

    def active(self, *names: str, **changes: str) -> None:
        """Requests that are merged, delivered, approved and granted, which the ledger knows."""
        for name in names:
            self.request(name, policy=name.title(), **changes)
        self.push("access")
        assert self.run("apply").code == 0
        self.approve()
        self.advance(60)
        assert self.run("apply").code == 0

    def drift(self) -> dict[str, dict[str, Any]]:
        """What `drift` says of each request, or of each id that has none."""
        ran = self.run("drift", "--format", "json")
        found = {one["name"] or one["remoteId"]: one for one in ran.json["grants"]}
        assert ran.code == (3 if {one["class"] for one in found.values()} - {"managed"} else 0), ran
        return found

    def classes(self) -> dict[str, str]:
        return {name: one["class"] for name, one in self.drift().items()}

    def everything(self) -> tuple[str, Any]:
        """Where the ledger stands, and all that the target has."""
        ledger = (self.origin / "refs/heads/pmgitops/ledger").read_text()
        return ledger, self.control("GET", "state")["changes"]

    def applied(self, *arguments: str) -> Ran:
        return self.run("apply", "--format", "json", *arguments)


@pytest.fixture
def world(tmp_path, sandbox, monkeypatch) -> Others:
    world = Others(tmp_path, sandbox)
    world.monkeypatch = monkeypatch
    monkeypatch.setattr(wiring, "clock", lambda: datetime.now(UTC) + world.ahead)
    world.found()
    return world
