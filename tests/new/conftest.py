"""A repository to write requests in, and a GitHub as small as one pull request needs."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.world import git

FLAGS = {
    "aws-policies": ["--policy", "arn:aws:iam::956987887735:policy/AddUserToGroup"],
    "aws-actions": ["--statement", "allow s3:GetObject on arn:aws:s3:::contoso-logs/*"],
    "azure-actions": ["--action", "Microsoft.Authorization/roleAssignments/read"],
    "azure-roles": ["--role", "cdda3590-29a3-44f6-95f2-9f980659eb04"],
    "gcp-actions": ["--action", "aiplatform.dataItems.create"],
    "gcp-roles": ["--role", "roles/dialogflow.aamAdmin"],
}
SYSTEMS = {
    "aws": "956987887735",
    "azure": "87eefd90-95a3-480a-ba42-56ff299a05ee",
    "gcp": "carbide-bonsai-205017",
}
WHY = "I need to do this because the logs are read by our auditors"


def flags(kind: str = "aws-policies", *more: str) -> list[str]:
    """What a script says at least."""
    system = SYSTEMS[kind.partition("-")[0]]
    ticket = ["--ticket", "INC1234567", "--ticket-approver", "alexmanager@contoso.com"]
    return ["new", kind, "--system", system, *FLAGS[kind], "--justification", WHY, *ticket, *more]


@pytest.fixture
def home(starter, monkeypatch):
    """The starter set as a repository of its own, whose remote is a bare one beside it."""
    for name in ("GITHUB_TOKEN", "GITHUB_API_URL"):  # a CI has them
        monkeypatch.delenv(name, raising=False)
    for file in (starter / "requests" / "examples").iterdir():
        file.unlink()
    (starter / "pmgitops.yaml").write_text("apiVersion: pmgitops/v1\ntickets:\n  ServiceNow: {host: x.example}\n")
    (starter / "requests" / "README.md").write_text("One file for each request.\n")
    origin = starter.parent / "origin.git"
    git("init", "-q", "--bare", "-b", "main", str(origin), at=starter)
    git("init", "-q", "-b", "main", at=starter)
    git("add", "--all", at=starter)
    git("commit", "-q", "-m", "founded", at=starter)
    git("remote", "add", "origin", str(origin), at=starter)
    git("push", "-q", "origin", "main", at=starter)
    return starter


class GitHub:
    """Lists and opens pull requests, and may be told to fail."""

    def __init__(self) -> None:
        self.pulls: list[dict] = []
        self.asked: list[tuple[str, str, str]] = []
        self.failing: list[int] = []
        """Statuses of the next POSTs; 1 hangs up after having opened the pull request."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(("GET", self.path, self.headers["Authorization"]))
                asked = parse_qs(urlsplit(self.path).query)
                (head,) = asked["head"]
                self.answer(200, [one for one in outer.pulls if f"contoso:{one['head']['ref']}" == head])

            def do_POST(self) -> None:
                outer.asked.append(("POST", self.path, self.headers["Authorization"]))
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = outer.failing.pop(0) if outer.failing else 201
                if status not in {1, 201}:
                    self.answer(status, {"message": "Resource not accessible by personal access token"})
                    return
                url = f"https://github.com/contoso/access/pull/{len(outer.pulls) + 1}"
                outer.pulls.append({"html_url": url, **body, "head": {"ref": body["head"]}})
                if status == 1:
                    self.close_connection = True
                    return
                self.answer(201, outer.pulls[-1])

            def answer(self, status: int, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def github(monkeypatch, home):
    """The remote is GitHub's by its address; git itself goes to the bare repository."""
    hub = GitHub()
    thread = threading.Thread(target=hub.server.serve_forever, args=(0.01,))
    thread.start()
    origin = git("remote", "get-url", "origin", at=home).strip()
    git("config", f"url.{origin}.insteadOf", "https://github.com/contoso/access.git", at=home)
    git("remote", "set-url", "origin", "https://github.com/contoso/access.git", at=home)
    monkeypatch.setenv("GITHUB_API_URL", hub.url)
    monkeypatch.setenv("GITHUB_TOKEN", "token-of-alex")
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
    thread.join()
