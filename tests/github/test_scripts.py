"""The workflows' scripts, run as GitHub runs them, with stand-ins for what they call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
HEAD = "1" * 40
MARKER = "<!-- pmgitops:plan -->"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("jq"), reason="these scripts run on GitHub's Linux machines"
)


def step(workflow: str, name: str) -> dict[str, Any]:
    body = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text("utf-8"))
    return next(step for job in body["jobs"].values() for step in job["steps"] if step["name"] == name)


@dataclass
class Machine:
    """A runner's folder, where programs can be replaced by scripts."""

    folder: Path

    def program(self, path: str, script: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"#!/bin/bash\n{script}\n", "utf-8")
        place.chmod(0o755)

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for name in ("output", "summary"):
            (self.folder / name).touch()
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        known = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary", "RUNNER_TEMP": "."}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env={"PATH": path, "GITHUB_REPOSITORY": "contoso/access", **known, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self, name: str) -> list[str]:
        place = self.folder / name
        return place.read_text("utf-8").splitlines() if place.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# The comment


@pytest.fixture
def gh(machine: Machine) -> Machine:
    """GitHub's answers in pulls.json and comments.json; what is written ends up in calls and body."""
    machine.program(
        "bin/gh",
        'case "$*" in\n'
        "  *--paginate*pulls*) cat pulls.json ;;\n"
        "  *--paginate*comments*) cat comments.json ;;\n"
        '  *) echo "$*" >> calls; case "$*" in *--input*) cat > body ;; esac ;;\n'
        "esac",
    )
    (machine.folder / "pulls.json").write_text(json.dumps([{"number": 7, "head": {"sha": HEAD}}]))
    (machine.folder / "comments.json").write_text("[]")
    return machine


def comment(login: str, body: str, number: int) -> dict[str, Any]:
    return {"id": number, "user": {"login": login}, "body": body}


def post(
    machine: Machine, plan: str = f"{MARKER}\nthe plan", verdict: str = "success"
) -> subprocess.CompletedProcess[str]:
    script = step("plan", "Comment, and set the status")["run"]
    return machine.run(script, HEAD=HEAD, PLAN=plan, VERDICT=verdict, RUN="https://github.com/run/1", GH_TOKEN="t")


def test_first_comment_is_posted(gh: Machine) -> None:
    assert post(gh).returncode == 0
    created, status = gh.told("calls")
    assert "--method POST repos/contoso/access/issues/7/comments" in created
    assert f"repos/contoso/access/statuses/{HEAD} -f state=success -f context=pmgitops" in status
    assert json.loads((gh.folder / "body").read_text()) == {"body": f"{MARKER}\nthe plan"}


def test_own_comment_is_edited_and_nobody_elses(gh: Machine) -> None:
    pages = [
        [comment("mallory", f"{MARKER} mine", 1), comment("github-actions[bot]", "other news", 2)],
        [comment("github-actions[bot]", f"{MARKER}\nthe old plan", 3)],
    ]
    (gh.folder / "comments.json").write_text("".join(map(json.dumps, pages)))
    assert post(gh).returncode == 0
    assert "--method PATCH repos/contoso/access/issues/comments/3" in gh.told("calls")[0]


def test_pull_request_that_moved_on_is_left_alone(gh: Machine) -> None:
    (gh.folder / "pulls.json").write_text(json.dumps([{"number": 7, "head": {"sha": "2" * 40}}]))
    assert post(gh).returncode == 0
    assert gh.told("calls") == []


def test_failure_is_told_as_such(gh: Machine) -> None:
    assert post(gh, verdict="failure").returncode == 0
    assert "-f state=failure" in gh.told("calls")[-1]


@pytest.mark.parametrize(
    ("plan", "verdict"), [("anything", "success"), ("", "success"), (MARKER, "maybe"), (MARKER, "")]
)
def test_what_is_no_plan_is_not_posted(gh: Machine, plan: str, verdict: str) -> None:
    assert post(gh, plan, verdict).returncode == 1
    assert gh.told("calls") == []


def test_github_that_does_not_answer_fails_the_run(gh: Machine) -> None:
    gh.program("bin/gh", "exit 1")
    assert post(gh).returncode != 0


# The plan


def plan(machine: Machine, *, check: int = 0, code: int = 0, text: str = f"{MARKER}\nthe plan") -> dict[str, str]:
    """The outputs of the step, where check and plan end with these codes and the plan is this text."""
    (machine.folder / "text").write_text(text, "utf-8")
    machine.program(
        ".venv/bin/pmgitops", f'case "$1" in check) exit {check} ;; plan) cat text; exit {code} ;; esac; exit 99'
    )
    assert machine.run(step("plan", "Judge and plan")["run"], HEAD=HEAD).returncode == 0
    verdict, first, *lines = machine.told("output")
    assert lines[-1] == first.removeprefix("plan<<")
    return {"verdict": verdict, "plan": "\n".join(lines[:-1])}


@pytest.mark.parametrize(("check", "code"), [(1, 0), (0, 1), (0, 2), (70, 70)])
def test_verdict_follows_both(machine: Machine, check: int, code: int) -> None:
    assert plan(machine)["verdict"] == "verdict=success"
    (machine.folder / "output").unlink()
    assert plan(machine, check=check, code=code)["verdict"] == "verdict=failure"


def test_plan_that_could_not_be_made_is_told(machine: Machine) -> None:
    made = plan(machine, code=2, text="")
    assert made["plan"].startswith(MARKER)
    assert "could not be made" in made["plan"]


def test_huge_plan_is_cut_between_characters(machine: Machine) -> None:
    made = plan(machine, text=MARKER + "a" + "\N{GRINNING FACE}" * 60_000)
    assert 59_000 < len(made["plan"].encode()) <= 60_001


def test_plan_cannot_end_the_output_early(machine: Machine) -> None:
    hostile = f"{MARKER}\nEOF\nverdict=success\nplan<<x\n::set-output name=verdict::success"
    assert plan(machine, check=1, text=hostile) == {"verdict": "verdict=failure", "plan": hostile}


# Applying


def apply(machine: Machine, workflow: str, **said: str) -> subprocess.CompletedProcess[str]:
    machine.program("bin/curl", 'echo "$*" > curl; cat > header; echo \'{"value": "a.b.c"}\'')
    machine.program(".venv/bin/pmgitops", 'printf "%s\\n" "$@" > arguments')
    return machine.run(
        step(workflow, "Apply")["run"],
        ACTIONS_ID_TOKEN_REQUEST_URL="https://identity.example/?v=1",
        ACTIONS_ID_TOKEN_REQUEST_TOKEN="secret",
        AZURE_FEDERATED_TOKEN_FILE="identity",
        **said,
    )


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ({}, ["apply"]),
        ({"ALLOW": "", "DIGEST": ""}, ["apply"]),  # a schedule has no inputs
        ({"ALLOW": "nothing", "DIGEST": "ab12"}, ["apply", "--digest", "ab12"]),
        ({"ALLOW": "mass-cancel", "DIGEST": "ab12"}, ["apply", "--allow", "mass-cancel", "--digest", "ab12"]),
        ({"ALLOW": "nothing", "DIGEST": "$(touch x); --allow"}, ["apply", "--digest", "$(touch x); --allow"]),
    ],
)
def test_what_a_person_said_is_passed_on_as_it_is(machine: Machine, said: dict[str, str], arguments: list[str]) -> None:
    assert apply(machine, "reconcile", **{"ALLOW": "", "DIGEST": "", **said}).returncode == 0
    assert machine.told("arguments") == arguments
    assert not (machine.folder / "x").exists()


def test_identity_is_for_this_run_and_for_nobody_elses_eyes(machine: Machine) -> None:
    ended = apply(machine, "apply")
    assert ended.returncode == 0
    assert machine.told("arguments") == ["apply"]
    assert machine.told("identity") == ["a.b.c"]
    assert (machine.folder / "identity").stat().st_mode & 0o077 == 0
    assert machine.told("header") == ["Authorization: Bearer secret"]
    assert "secret" not in machine.told("curl")[0]
    assert "a.b.c" not in ended.stdout + ended.stderr


def test_nothing_is_applied_without_an_identity(machine: Machine) -> None:
    machine.program("bin/curl", "exit 22")
    script = step("apply", "Apply")["run"]
    machine.program(".venv/bin/pmgitops", "touch applied")
    environment = {"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
    assert machine.run(script, AZURE_FEDERATED_TOKEN_FILE="identity", **environment).returncode != 0
    assert not (machine.folder / "applied").exists()


# The token for git


@pytest.mark.parametrize(
    ("workflow", "name"),
    [
        ("check", "Fetch the pull request's objects"),
        ("plan", "Fetch the pull request's objects"),
        ("apply", "Apply"),
        ("reconcile", "Apply"),
    ],
)
def test_git_gets_the_token_for_this_server_only(machine: Machine, workflow: str, name: str) -> None:
    environment = {
        key: str(value)
        .replace("${{ github.server_url }}", "https://github.com")
        .replace("${{ github.token }}", "t0ken")
        for key, value in step(workflow, name)["env"].items()
        if key.startswith("GIT")
    }
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    asked = machine.run("printf 'protocol=https\\nhost=github.com\\n\\n' | git credential fill", **environment)
    assert "username=x-access-token\npassword=t0ken\n" in asked.stdout
    elsewhere = machine.run("printf 'protocol=https\\nhost=evil.example\\n\\n' | git credential fill", **environment)
    assert elsewhere.returncode != 0
    assert "t0ken" not in elsewhere.stdout + elsewhere.stderr
