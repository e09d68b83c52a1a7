"""`pmgitops demo`: the whole road once, told as a story and really walked.

A throwaway repository with a bare `origin`, the sandbox on loopback, and this very command line as separate processes.
Every step is held against what it should have come to; the first that did not ends the story with exit code 1.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pmgitops.errors import PmgitopsError
from pmgitops.sandbox import Sandbox

PACKAGE = Path(__file__).parent
WHO = {"alex": "alex@contoso.com", "manager": "alexmanager@contoso.com"}
BRANCH = "alex/access"
SIX = 6
CHANGE = ("azure-roles", "CHG0030002")
"""The request that stands on a change which nobody has approved yet, and that change."""

FIXED = {  # what Alex changes in aws-actions.yaml, line by line, after the policies have said why
    'resources: ["*"]': 'resources: ["arn:aws:s3:::contoso-uploads", "arn:aws:s3:::contoso-uploads/*"]',
    "actions: [s3:Delete*]": "actions: [s3:DeleteObject]",
    "  startDateTime: 2023-02-08T12:15:00Z\n": "",
    "  recurrence: # on the fifth of every month\n": "",
    "    pattern: {type: absoluteMonthly, interval: 1, dayOfMonth: 5}\n": "",
    "    range: {type: noEnd, startDate: 2023-02-08}\n": "",
}


class StoryError(PmgitopsError):
    """A step did not come to what it should have."""

    exit_code = 1


def tell(*, keep: bool) -> None:
    """Tell the story; StoryError where a step did not happen."""
    folder = Path(tempfile.mkdtemp(prefix="pmgitops-demo-"))
    try:
        with Sandbox() as sandbox:
            Story(folder, sandbox).tell()
    finally:
        if keep:
            click.echo(f"\nkept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


class Story:
    """One telling: a clone, its origin and the sandbox."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self._clone = folder / "access"
        self._origin = folder / "origin.git"
        self._sandbox = sandbox
        self._chapter = 0

    def tell(self) -> None:
        """Every chapter, in order."""
        self._found_the_repository()
        self._propose_six_requests()
        self._mend_the_refused_one()
        self._merge()
        self._deliver()
        self._approve_the_change()
        self._approve_and_follow()
        self._end()
        self._repeat()
        self._read_the_ticket()
        click.secho("\nThat was the whole road, and every step of it happened.", bold=True)

    # The chapters

    def _found_the_repository(self) -> None:
        self._heading("A team keeps its access in git: requests, policies, configuration")
        self._run(
            "git", "init", "--quiet", "--bare", "--initial-branch=main", str(self._origin), at=self._origin.parent
        )
        self._run("git", "init", "--quiet", "--initial-branch=main", str(self._clone), at=self._origin.parent)
        self._run("git", "remote", "add", "origin", str(self._origin))
        shutil.copytree(starter("policies"), self._clone / "policies")
        without_exceptions(self._clone / "policies" / "data.yaml")
        (self._clone / "pmgitops.yaml").write_text(self._configuration(), "utf-8")
        (self._clone / "requests").mkdir()
        (self._clone / "requests" / "README.md").write_text("One file for each request.\n", "utf-8")
        self._commit("Policies and configuration", "manager")
        self._run("git", "push", "--quiet", "--set-upstream", "origin", "main")
        self._show(self._pmgitops("policy", "test"), last=1)

    def _propose_six_requests(self) -> None:
        self._heading(
            "Alex needs six kinds of access, and opens a pull request with the bodies that Microsoft published"
        )
        self._run("git", "switch", "--quiet", "--create", BRANCH)
        requests = self._clone / "requests" / "platform"
        shutil.copytree(starter("requests") / "examples", requests)
        name, change = CHANGE
        text = (requests / f"{name}.yaml").read_text("utf-8")
        (requests / f"{name}.yaml").write_text(text.replace("INC1234567", change), "utf-8")
        self._commit("Access for the upload project", "alex")
        refused = self._pmgitops("check", "--base", "main", "--head", BRANCH, expect=1)
        self._show(refused)
        found = self._json("check", "--base", "main", "--head", BRANCH, expect=1)["findings"]
        paths = {finding["path"] for finding in found if finding["severity"] == "error"}
        _hold(paths == {"requests/platform/aws-actions.yaml"}, f"one of the six is refused, not {sorted(paths)}")

    def _mend_the_refused_one(self) -> None:
        self._heading("The policies said what may not be, and where. Alex mends it")
        file = self._clone / "requests" / "platform" / "aws-actions.yaml"
        text = file.read_text("utf-8")
        for what, instead in FIXED.items():
            _hold(what in text, f"the published request has {what!r}")
            text = text.replace(what, instead)
        file.write_text(text, "utf-8")
        self._show(self._run("git", "diff", "--unified=0", "--no-color"), only=("+ ", "- "))
        self._commit("Only what the uploads need", "alex")
        self._show(self._pmgitops("check", "--base", "main", "--head", BRANCH), last=1)

    def _merge(self) -> None:
        self._heading("The pull request shows what merging will do, and whose ticket is not approved yet")
        self._show(self._pmgitops("plan", "--base", "main", "--head", BRANCH, expect=5))
        self._run("git", "switch", "--quiet", "main")
        self._run("git", "merge", "--quiet", "--no-ff", "-m", "Merge: access for the upload project", BRANCH)
        self._run("git", "push", "--quiet")

    def _deliver(self) -> None:
        self._heading("Merged all the same: five are delivered, each once; the sixth waits for its ticket")
        self._show(self._pmgitops("apply", expect=5))
        name, change = CHANGE
        states = {request["name"]: request["state"] for request in self._json("status")}
        _hold(states.pop(name) == "refused", f"the request on {change} is refused")
        _hold(len(states) == SIX - 1 and set(states.values()) == {"submitted"}, f"five are submitted, not {states}")

    def _approve_the_change(self) -> None:
        _, change = CHANGE
        self._heading(f"The manager approves {change} on the sandbox's page ({self._sandbox.url}/), and it passes")
        self._click(f"tickets/{change}/approve")
        self._show(self._pmgitops("apply"))
        self._are("submitted")

    def _approve_and_follow(self) -> None:
        self._heading("The manager approves the six requests on the same page")
        for request in self._control("GET", "requests")["requests"]:
            self._click(f"requests/{request['id']}/approve")
        self._control("POST", "advance", {"seconds": 60})
        self._show(self._pmgitops("apply"))
        self._show(self._pmgitops("status"))
        self._are("active")

    def _end(self) -> None:
        self._heading("An hour later the access is over")
        self._control("POST", "advance", {"seconds": 2 * 3600})
        self._pmgitops("apply")
        self._show(self._pmgitops("status"))
        self._are("completed")

    def _repeat(self) -> None:
        self._heading("Running it again changes nothing")
        again = self._pmgitops("apply")
        self._show(again)
        _hold(again.strip() == "nothing to do", "a run without anything to do says so")
        posts = [call["path"] for call in self._control("GET", "log")["log"] if call["method"] == "POST"]
        sent = sum(path.endswith("/scheduledPermissionsRequests") for path in posts)
        _hold(sent == SIX, f"each of the six was sent once, not {sent} times")

    def _read_the_ticket(self) -> None:
        name, change = CHANGE
        self._heading(f"What {change} was told: an auditor finds it there")
        ticket = self._control("GET", f"tickets/{change}")
        notes = [note["value"] for note in ticket["journal"]]
        for note in notes:
            click.echo("\n".join(f"    {line}" for line in note.splitlines()) + "\n")
        files = [file["file_name"] for file in ticket["attachments"]]
        for file in files:
            click.echo(f"    attached: {file}")
        told = [note.splitlines()[0].removeprefix("pmgitops: ") for note in notes]
        _hold(
            told[0].startswith("this ticket") and told[-1].startswith("this request is over"),
            f"the ticket was told all: {told}",
        )
        _hold(len(set(notes)) == len(notes), "no note stands twice")
        _hold(len(set(files)) == len(files) == len(("linked", "closed-out")), f"the evidence is attached once: {files}")
        self._show(self._pmgitops("ticket", "verify", name))

    # What the chapters are made of

    def _heading(self, text: str) -> None:
        self._chapter += 1
        click.secho(f"\n{self._chapter}. {text}", bold=True)

    def _show(self, text: str, *, last: int = 0, only: tuple[str, ...] = ()) -> None:
        lines = [line for line in text.splitlines() if not only or line.startswith(only)]
        for line in lines[-last:]:
            click.echo(f"    {line}")

    def _pmgitops(self, *arguments: str, expect: int = 0) -> str:
        click.secho(f"  $ pmgitops {' '.join(arguments)}", fg="cyan")
        return self._run(sys.executable, "-m", "pmgitops", *arguments, expect=expect)

    def _json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self._run(sys.executable, "-m", "pmgitops", *arguments, "--format", "json", expect=expect))

    def _run(self, *command: str, at: Path | None = None, author: str = "alex", expect: int = 0) -> str:
        done = subprocess.run(  # noqa: S603  # our own words
            command, cwd=at or self._clone, env=_environment(author), capture_output=True, encoding="utf-8", check=False
        )
        if done.returncode != expect:
            name = command[0] if command[0] == "git" else "pmgitops"
            raise StoryError(f"{name} exited with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _commit(self, message: str, author: str) -> None:
        self._run("git", "add", "--all")
        self._run("git", "commit", "--quiet", "--message", message, author=author)

    def _are(self, state: str) -> None:
        states = {request["name"]: request["state"] for request in self._json("status")}
        _hold(len(states) == SIX and set(states.values()) == {state}, f"all six are {state}, not {states}")

    def _click(self, button: str) -> None:
        """A button of the sandbox's page."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self._sandbox.url}/page/{button}", method="POST", headers={"Origin": self._sandbox.url}
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310  # loopback
            pass

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The sandbox's own control route: what a manager, an administrator and the passing of time do in the world."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self._sandbox.url}/_control/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # loopback
            return json.load(answer)

    def _configuration(self) -> str:
        return f"""\
apiVersion: pmgitops/v1
targets:
  permissions-management: {{endpoint: {self._sandbox.graph_url}}}
routes:
  - target: permissions-management
tickets:
  ServiceNow:
    host: http://{self._sandbox.servicenow_host}
    gate: required
    pattern: ^((INC|REQ|RITM|SCTASK|CHG|CTASK|PRB|PTASK|TASK)[0-9]{{7,10}}|[0-9]{{6}})$
"""


def starter(what: str) -> Path:
    """The starter set: beside the package in a wheel, at the top of the repository in a checkout."""
    packed = PACKAGE / "starter" / what
    return packed if packed.exists() else PACKAGE.parent / what


def without_exceptions(data: Path) -> None:
    """Take the exceptions out of the starter set's data: here the published requests are judged as they are."""
    before, found, _ = data.read_text("utf-8").partition("\nexceptions:")
    _hold(bool(found), "the starter set has exceptions")
    data.write_text(before + "\n", "utf-8")


def _environment(author: str) -> dict[str, str]:
    """A machine of nobody's: no git configuration, and no credentials but the sandbox's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PMGITOPS_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # a dozen processes would each compile everything anew
    identity = {f"GIT_{role}_NAME": author for role in ("AUTHOR", "COMMITTER")}
    address = {f"GIT_{role}_EMAIL": WHO[author] for role in ("AUTHOR", "COMMITTER")}
    ours = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PMGITOPS_GRAPH_TOKEN": "pmgitops",
        "PMGITOPS_SERVICENOW_USER": "pmgitops",
        "PMGITOPS_SERVICENOW_PASSWORD": "sandbox",
    }
    return {**kept, **identity, **address, **ours}


def _hold(true: bool, what: str) -> None:  # noqa: FBT001  # an assertion that survives python -O
    if not true:
        raise StoryError(f"this did not happen: {what}")
