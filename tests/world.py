"""A user's machine: a clone with its real bare origin, the command line, and the sandbox as the world outside."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pmgitops.cli import main
from pmgitops.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
CONTRACT = ROOT.parent / "shared" / "contract"

needs_contract = pytest.mark.skipif(not CONTRACT.exists(), reason="the published bodies are not beside this checkout")

ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "alex",
    "GIT_AUTHOR_EMAIL": "alex@contoso.com",
    "GIT_COMMITTER_NAME": "alex",
    "GIT_COMMITTER_EMAIL": "alex@contoso.com",
    "PMGITOPS_GRAPH_TOKEN": "pmgitops",
    "PMGITOPS_SERVICENOW_USER": "pmgitops",
    "PMGITOPS_SERVICENOW_PASSWORD": "sandbox",
}

POLICY = """\
apiVersion: pmgitops/v1
id: short-lived
title: Access is short-lived
why: Long-lived grants are the ones nobody remembers to take back.
severity: error
require: request.schedule.duration <= duration('8h')
message: asks for more than 8 hours
at: scheduleInfo.expiration.duration
cases:
  - it: lets eight hours pass
    request: {kind: aws-policies, scheduleInfo: {expiration: {duration: PT8H}}}
    expect: pass
  - it: refuses nine
    request: {kind: aws-policies, scheduleInfo: {expiration: {duration: PT9H}}}
    expect: fail
"""

REQUEST = """\
apiVersion: pmgitops/v1
kind: aws-policies
authorizationSystemId: "956987887735"
identity: {externalId: alex@contoso.com, source: saml, type: user}
policies: [arn:aws:iam::956987887735:policy/AddUserToGroup]
justification: I need to add a user to a group
scheduleInfo:
  expiration: {duration: PT1H}
ticketInfo:
  ticketNumber: INC1234567
  ticketSystem: ServiceNow
  ticketSubmitterIdentityId: alex@contoso.com
  ticketApproverIdentityId: alexmanager@contoso.com
"""


class World:
    """A clone with its bare origin, delivered to a sandbox: what a user has on their machine."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        self.clone = folder / "clone"
        self.sandbox = sandbox

    def found(self) -> None:
        """One policy, a configuration, no request yet."""
        git("init", "-q", "--bare", "-b", "main", str(self.origin), at=self.folder)
        git("clone", "-q", str(self.origin), str(self.clone), at=self.folder)
        git("symbolic-ref", "HEAD", "refs/heads/main", at=self.clone)
        self.write("policies/short-lived.yaml", POLICY)
        self.configure()
        self.write("requests/README.md", "One file for each request.\n")
        self.push("founded")

    def configure(self, extra: str = "", *, tickets: bool = True, gate: str = "required", system: str = "") -> None:
        """Write pmgitops.yaml for the sandbox; `system` are more settings of its ticket system (`, name: value`)."""
        text = f"apiVersion: pmgitops/v1\ntargets:\n  permissions-management: {{endpoint: {self.sandbox.graph_url}}}\n"
        if tickets:
            text += f"tickets:\n  ServiceNow: {{host: 'http://{self.sandbox.servicenow_host}', gate: {gate}{system}}}\n"
        self.write("pmgitops.yaml", text + extra)

    def write(self, path: str, text: str) -> None:
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def request(self, name: str, **changes: str) -> None:
        """A request file; each change replaces a piece of the standard one by another."""
        text = REQUEST
        for what, instead in changes.items():
            text = text.replace({"duration": "PT1H", "ticket": "INC1234567", "policy": "AddUserToGroup"}[what], instead)
        self.write(f"requests/team/{name}.yaml", text)

    def push(self, message: str) -> str:
        """Commit everything on main and push it: what is merged."""
        git("add", "--all", at=self.clone)
        git("commit", "-q", "-m", message, at=self.clone)
        git("push", "-q", "origin", "HEAD:main", at=self.clone)
        return git("rev-parse", "HEAD", at=self.clone).strip()

    def run(self, *arguments: str, at: Path | None = None) -> Ran:
        """`pmgitops ARGUMENTS` in this process."""
        return run("-C", str(at or self.clone), *arguments)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The sandbox's control route."""
        request = urllib.request.Request(
            f"{self.sandbox.url}/_control/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def remote(self) -> list[dict[str, Any]]:
        """Every request at the sandbox."""
        return list(self.control("GET", "requests")["requests"])

    def approve(self) -> None:
        """A manager approves what is pending."""
        for request in self.remote():
            if request["status"] == "submitted":
                self.control("POST", f"requests/{request['id']}/approve")

    def advance(self, seconds: int) -> None:
        self.control("POST", "advance", {"seconds": seconds})

    def states(self) -> dict[str, str]:
        return {row["name"]: row["state"] for row in self.run("status", "--format", "json").json}

    def notes(self, number: str = "INC1234567") -> list[str]:
        """First lines of the ticket's work notes, oldest first."""
        return [note["value"].splitlines()[0] for note in self.control("GET", f"tickets/{number}")["journal"]]


class Ran:
    """What a command came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"


def run(*arguments: str) -> Ran:
    """`pmgitops ARGUMENTS` in this process: the same road as from a shell, but for the start of Python."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        main(arguments)
    code = left.value.code
    assert isinstance(code, int)
    return Ran(code, out.getvalue(), err.getvalue())


def spawn(*arguments: str, at: Path = ROOT) -> Ran:
    """`pmgitops ARGUMENTS` as a process of its own."""
    command = [sys.executable, "-m", "pmgitops", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=at, timeout=120)
    return Ran(done.returncode, done.stdout, done.stderr)


def git(*arguments: str, at: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=at, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
