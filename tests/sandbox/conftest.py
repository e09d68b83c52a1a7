from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pysnc
import pysnow
import pytest
import requests
import trustme
from requests.auth import AuthBase, HTTPBasicAuth

from pmgitops.errors import RemoteError
from pmgitops.sandbox import Sandbox
from pmgitops.tickets.login import Session, judge
from pmgitops.tickets.servicenow import ServiceNow

BASIC = HTTPBasicAuth("pmgitops", "sandbox")

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
        self.root = f"{sandbox.control_url}/_control"

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


class Instance:
    """One ServiceNow, on http and on https, as its administrator has it and as its clients do.

    The clients are ours (pysnow under our own session), pysnow as its guide has it, and ServiceNow's own, which speaks
    https alone.
    """

    def __init__(self, sandbox: Sandbox, authority: Path, stack: contextlib.ExitStack) -> None:
        self.sandbox, self.authority, self._stack = sandbox, str(authority), stack
        self.control = Control(sandbox)
        self.url, self.secure_url = sandbox.url, f"https://{sandbox.secure_host}"

    # The clients

    def our_session(self, auth: AuthBase | None = BASIC, **options: Any) -> Session:
        session = self._stack.enter_context(
            Session(auth=auth, judge=judge, **{"pause": 0.001, "deadline": 5.0} | options)
        )
        session.verify = self.authority
        return session

    def ours(self, auth: AuthBase | None = BASIC, *, secure: bool = False, **options: Any) -> ServiceNow:
        return ServiceNow(self.secure_url if secure else self.url, self.our_session(auth, **options))

    def session(self, auth: AuthBase | None = BASIC) -> requests.Session:
        session = self._stack.enter_context(requests.Session())
        session.trust_env, session.auth, session.verify = False, auth, self.authority
        return session

    def bare(self, session: requests.Session | None = None, *, secure: bool = False) -> pysnow.Client:
        host = self.sandbox.secure_host if secure else self.sandbox.servicenow_host
        return pysnow.Client(host=host, use_ssl=secure, session=session or self.session())

    def theirs(self, session: requests.Session | None = None) -> pysnc.ServiceNowClient:
        return pysnc.ServiceNowClient(self.secure_url, auth=session or self.session())

    def rest(self, method: str, path: str, **options: Any) -> requests.Response:
        """The API without anybody in between."""
        session = options.pop("session", None) or self.session()
        return session.request(method, f"{self.url}/api/now{path}", timeout=10, **options)

    # The administrator

    def settings(self, **settings: Any) -> None:
        self.control.post("settings", **settings)

    def fault(self, **fault: Any) -> None:
        self.control.post("faults", **fault)

    def record(self, table: str, **fields: Any) -> dict[str, str]:
        made: dict[str, str] = self.control.post("tickets", **{"class": table, **fields})
        return made

    def ticket(self, number: str) -> dict[str, Any]:
        ticket: dict[str, Any] = self.control.get(f"tickets/{number}")
        return ticket

    def notes(self, number: str) -> list[str]:
        """The ticket's work notes, oldest first."""
        return [entry["value"] for entry in self.ticket(number)["journal"]]

    def log(self, method: str = "") -> list[dict[str, Any]]:
        return [entry for entry in self.control.get("log")["log"] if method in ("", entry["method"])]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A private one: no machine trusts it."""
    return trustme.CA()


@pytest.fixture
def handshake(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side: it shows a certificate of the authority's, and asks for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture
def instance(tmp_path: Path, authority: trustme.CA, handshake: ssl.SSLContext) -> Iterator[Instance]:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with Sandbox(tls=handshake) as sandbox, contextlib.ExitStack() as stack:
        yield Instance(sandbox, tmp_path / "authority.pem", stack)


@pytest.fixture
def ours(instance: Instance) -> ServiceNow:
    return instance.ours()


@pytest.fixture
def bare(instance: Instance) -> Callable[..., Any]:
    """A resource of pysnow's, new for each call: one keeps the parameters of the call before."""
    client = instance.bare()
    return lambda table="incident", base="/api/now", **options: client.resource(
        api_path=table if table.startswith("/") else f"/table/{table}", base_path=base, **options
    )


@pytest.fixture
def theirs(instance: Instance) -> Callable[[str], pysnc.GlideRecord]:
    """A record of pysnc's, of a table."""
    client = instance.theirs()
    return client.GlideRecord


@pytest.fixture
def refused() -> Callable[..., tuple[str, str]]:
    """What our adapter makes of a call that goes wrong: the code, and whether a write may have happened."""

    def call(act: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[str, str]:
        with pytest.raises(RemoteError) as error:
            act(*arguments, **options)
        return error.value.code, error.value.commit.value

    return call


@pytest.fixture
def create(ours: ServiceNow) -> Callable[..., Any]:
    """An incident, made in pysnow's words under our session: our adapter itself creates nothing."""
    resource = ours._client.resource(api_path="/table/incident")
    return lambda **fields: resource.request("POST", data=json.dumps(fields)).one()
