from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import requests

from pmgitops.sandbox import Sandbox

CONTRACT = Path(__file__).parents[3] / "shared" / "contract"

AWS_POLICY: dict[str, Any] = {
    "requestedPermissions": {
        "@odata.type": "#microsoft.graph.awsPermissionsDefinition",
        "authorizationSystemInfo": {"authorizationSystemId": "956987887735", "authorizationSystemType": "AWS"},
        "actionInfo": {
            "@odata.type": "#microsoft.graph.awsPolicyPermissionsDefinitionAction",
            "policies": [{"id": "arn:aws:iam::956987887735:policy/AddUserToGroup"}],
        },
        "identityInfo": {
            "externalId": "rsn:alex@contoso.com",
            "source": {"@odata.type": "#microsoft.graph.samlIdentitySource"},
            "identityType": "user",
        },
    },
    "justification": "I add users to a group",
    "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT1H"}},
    "ticketInfo": {"ticketNumber": "INC1234567", "ticketApproverIdentityId": "alexmanager@contoso.com"},
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def body() -> dict[str, Any]:
    """A request that is accepted, for a test to spoil."""
    return deepcopy(AWS_POLICY)


class Graph:
    """Graph as one caller."""

    def __init__(self, sandbox: Sandbox, caller: str) -> None:
        self.root = f"{sandbox.graph_url}/identityGovernance/permissionsManagement"
        self.discovery = f"{sandbox.graph_url}/external/authorizationSystems"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {caller}"

    def create(self, body: object) -> requests.Response:
        return self.session.post(f"{self.root}/scheduledPermissionsRequests", json=body)

    def created(self, body: object) -> str:
        answer = self.create(body)
        assert answer.status_code == 201, answer.text
        request_id: str = answer.json()["id"]
        return request_id

    def cancel(self, request_id: str) -> requests.Response:
        return self.session.post(f"{self.root}/scheduledPermissionsRequests/{request_id}/cancelAll")

    def get(self, path: str, **query: object) -> requests.Response:
        return self.session.get(f"{self.root}/{path}", params={f"${key}": str(value) for key, value in query.items()})

    def changes(self, request_id: str) -> list[tuple[str, str | None]]:
        """What happened to a request: statusDetail and activeOccurrenceStatus, oldest first."""
        answer = self.get("permissionsRequestChanges", filter=f"permissionsRequestId eq '{request_id}'").json()
        return [(change["statusDetail"], change.get("activeOccurrenceStatus")) for change in answer["value"]]


class Control:
    """The sandbox from behind the scenes."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.root = f"{sandbox.url}/_control"

    def post(self, path: str, /, **body: object) -> Any:
        answer = requests.post(f"{self.root}/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def patch(self, path: str, /, **body: object) -> Any:
        answer = requests.patch(f"{self.root}/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self.root}/{path}", timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def approve(self, request_id: str) -> Any:
        return self.post(f"requests/{request_id}/approve")

    def advance(self, seconds: float) -> None:
        self.post("advance", seconds=seconds)


@pytest.fixture
def graph(sandbox: Sandbox) -> Iterator[Graph]:
    caller = Graph(sandbox, "alex@contoso.com")
    with caller.session:
        yield caller


@pytest.fixture
def control(sandbox: Sandbox) -> Control:
    return Control(sandbox)


@pytest.fixture
def contract() -> Path:
    """The published descriptions and bodies, where this checkout has them beside it."""
    if not CONTRACT.is_dir():
        pytest.skip("the contract is not beside this checkout")
    return CONTRACT


@pytest.fixture
def published(contract: Path) -> dict[str, Any]:
    """The published request bodies, corrected, by kind."""
    return {path.stem: json.loads(path.read_text()) for path in (contract / "examples" / "canonical").glob("*.json")}
