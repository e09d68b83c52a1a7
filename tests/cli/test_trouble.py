"""Repositories, remotes and ledgers in a bad way: one clear line with a hint, the right exit code, nothing sent."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.world import Ran, World, git, run

LEDGER = "refs/heads/pmgitops/ledger"


def told(ran: Ran, code: int, *words: str) -> None:
    """It ended with `code`, told in one line with a hint, and printed nothing else."""
    assert ran.code == code, ran
    assert ran.out == ""
    line, *rest = ran.err.rstrip("\n").split("\n")
    assert line.startswith("pmgitops: ")
    assert len(rest) == 1, ran.err
    assert rest[0].startswith("    hint: ")
    for word in words:
        assert word in ran.err, ran.err


def nothing_was_sent(world: World) -> None:
    assert [call for call in world.control("GET", "log")["log"] if call["method"] != "GET"] == []


@pytest.fixture
def merged(world: World) -> World:
    """One request that waits to be applied."""
    world.request("alex-groups")
    world.push("access")
    return world


VERBS = pytest.mark.parametrize("verb", ["plan", "apply", "status"])


@VERBS
def test_not_a_repository(tmp_path: Path, verb: str) -> None:
    told(run("-C", str(tmp_path), verb), 2, str(tmp_path))


@VERBS
def test_a_folder_that_is_not_there(tmp_path: Path, verb: str) -> None:
    ran = run("-C", str(tmp_path / "nowhere"), verb)
    assert ran.code == 2
    assert ran.err.startswith("pmgitops: ")
    assert "nowhere" in ran.err


@VERBS
def test_a_repository_without_a_commit(tmp_path: Path, verb: str) -> None:
    git("init", "-q", "-b", "main", str(tmp_path / "new"), at=tmp_path)
    ran = run("-C", str(tmp_path / "new"), verb)
    assert ran.code == 2, ran
    assert ran.err.startswith("pmgitops: ")


@VERBS
def test_no_origin(merged: World, verb: str) -> None:
    git("remote", "remove", "origin", at=merged.clone)
    told(merged.run(verb), 2, "origin")
    nothing_was_sent(merged)


@VERBS
def test_an_origin_that_is_gone(merged: World, verb: str) -> None:
    shutil.rmtree(merged.origin)
    told(merged.run(verb), 6, "origin")
    nothing_was_sent(merged)


@VERBS
def test_a_shallow_clone(merged: World, verb: str) -> None:
    shallow = merged.folder / "shallow"
    git("clone", "-q", "--depth", "1", merged.origin.as_uri(), str(shallow), at=merged.folder)
    told(merged.run(verb, at=shallow), 2, "fetch-depth: 0")
    nothing_was_sent(merged)


def test_a_branch_that_origin_does_not_have(merged: World) -> None:
    merged.configure("branch: production\n")
    merged.push("another branch")
    told(merged.run("apply"), 2, "production")
    nothing_was_sent(merged)


# The ledger


def hook(world: World, name: str, script: str) -> None:
    file = world.origin / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_a_refused_push(merged: World) -> None:
    hook(merged, "pre-receive", "echo protected by somebody >&2; exit 1")
    told(merged.run("apply"), 6, "protected by somebody")
    nothing_was_sent(merged)
    (merged.origin / "hooks/pre-receive").unlink()
    assert merged.run("apply").code == 0
    assert len(merged.remote()) == 1


def test_a_push_refused_in_the_middle(merged: World) -> None:
    """What was sent and could not be recorded is found again by the next run, not sent again."""
    hook(merged, "pre-receive", "test -e ../once || { touch ../once; exit 0; }; exit 1")
    ran = merged.run("apply")
    assert ran.code == 6, ran
    assert len(merged.remote()) == 1
    (merged.origin / "hooks/pre-receive").unlink()
    merged.run("apply")
    assert len(merged.remote()) == 1, "its lease is still running"


def rewrite(world: World, pattern: str, instead: str) -> None:
    """Change a history on the ledger's branch, by a commit that looks like any other."""
    head = git("rev-parse", LEDGER, at=world.origin).strip()
    listed = git("ls-tree", "-r", "--name-only", head, at=world.origin).splitlines()
    (path,) = [line for line in listed if line.endswith("/alex-groups.jsonl")]
    text = git("show", f"{head}:{path}", at=world.origin)
    changed = re.sub(pattern, instead, text, count=1)
    assert changed != text
    scratch = world.folder / "scratch"
    git("clone", "-q", "-b", LEDGER.removeprefix("refs/heads/"), str(world.origin), str(scratch), at=world.folder)
    (scratch / path).write_text(changed)
    git("commit", "-q", "-am", "submitted alex-groups 2", at=scratch)
    git("push", "-q", "origin", f"HEAD:{LEDGER}", at=scratch)


@pytest.mark.parametrize(
    ("verb", "pattern", "instead"),
    [
        ("apply", "PT1H", "PT8H"),
        ("plan", "PT1H", "PT8H"),
        ("status", "PT1H", "PT8H"),
        ("apply", r"[^\n]*\n", ""),
        ("apply", r"\n([^\n]*)\n$", r"\n\1"),
        ("apply", r"^", "not json\n"),
    ],
    ids=["changed", "changed, plan", "changed, status", "first line left out", "last line cut off", "not JSON"],
)
def test_a_ledger_whose_chain_is_broken(merged: World, verb: str, pattern: str, instead: str) -> None:
    assert merged.run("apply").code == 0
    rewrite(merged, pattern, instead)
    merged.request("zoe-roles")
    merged.push("more")
    merged.control("DELETE", "log")
    told(merged.run(verb), 4, "the ledger is broken", "alex-groups.jsonl:")
    nothing_was_sent(merged)


@VERBS
def test_a_ledger_that_was_rewritten(merged: World, verb: str) -> None:
    assert merged.run("apply").code == 0
    git("push", "-q", "--force", "origin", f"HEAD:{LEDGER}", at=merged.clone)
    told(merged.run(verb), 4, "was rewritten")


@VERBS
def test_a_ledger_that_is_gone(merged: World, verb: str) -> None:
    assert merged.run("apply").code == 0
    git("push", "-q", "origin", f":{LEDGER}", at=merged.clone)
    told(merged.run(verb), 4, "is gone", "restore it")


@VERBS
def test_a_branch_that_is_no_ledger(merged: World, verb: str) -> None:
    git("push", "-q", "origin", f"HEAD:{LEDGER}", at=merged.clone)
    told(merged.run(verb), 2, "is not a ledger")
    nothing_was_sent(merged)


@VERBS
def test_a_ledger_that_cannot_be_read(merged: World, verb: str) -> None:
    """Its branch points at an object that the remote has lost."""
    assert merged.run("apply").code == 0
    second = merged.folder / "second"
    git("clone", "-q", "--single-branch", "-b", "main", merged.origin.as_uri(), str(second), at=merged.folder)
    head = git("rev-parse", LEDGER, at=merged.origin).strip()
    (merged.origin / "objects" / head[:2] / head[2:]).unlink()
    ran = merged.run(verb, at=second)
    assert ran.code == 6, ran
    assert ran.err.startswith("pmgitops: ")


# Secrets


def test_no_credentials_for_the_ticket_system(merged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PMGITOPS_SERVICENOW_USER")
    told(merged.run("apply"), 2, "PMGITOPS_SERVICENOW_USER")
    nothing_was_sent(merged)


def test_half_of_the_credentials(merged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PMGITOPS_SERVICENOW_PASSWORD")
    told(merged.run("apply"), 2, "PMGITOPS_SERVICENOW_USER and _PASSWORD")
    nothing_was_sent(merged)


def test_wrong_credentials_for_the_ticket_system(merged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMGITOPS_SERVICENOW_PASSWORD", "guessed")
    applied = merged.run("apply", "--format", "json")
    assert applied.code == 6, applied
    assert "401" in applied.json["deferred"][0]["why"]
    assert "guessed" not in applied.out + applied.err
    assert merged.remote() == []


def test_no_token_for_graph(merged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, and the ledger knows it: the next run with a token delivers."""
    monkeypatch.delenv("PMGITOPS_GRAPH_TOKEN")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")  # the rest of the chain asks the machine
    applied = merged.run("apply", "--format", "json")
    assert applied.code == 6, applied
    (failed,) = applied.json["failed"]
    assert "PMGITOPS_GRAPH_TOKEN" in failed["why"]
    assert merged.remote() == []
    assert merged.states() == {"alex-groups": "failed"}


def test_a_wrong_token(merged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    merged.control("POST", "faults", {"do": "status", "status": 401, "path": "/beta/", "times": 0})
    monkeypatch.setenv("PMGITOPS_GRAPH_TOKEN", "guessed")
    applied = merged.run("apply", "--format", "json")
    assert applied.code == 6, applied
    assert "401" in applied.json["failed"][0]["why"]
    assert "guessed" not in applied.out + applied.err
    assert merged.states() == {"alex-groups": "failed"}


@pytest.mark.parametrize("name", ["GRAPH_TOKEN", "SERVICENOW_USER", "SERVICENOW_PASSWORD"])
@pytest.mark.parametrize("secret", ["swordfish\nX-Other: header", "sword\tfish", "swordfish\u200b"])
def test_a_secret_that_cannot_be_one_is_not_printed(
    merged: World, monkeypatch: pytest.MonkeyPatch, name: str, secret: str
) -> None:
    monkeypatch.setenv(f"PMGITOPS_{name}", secret)
    ran = merged.run("apply")
    told(ran, 2, f"PMGITOPS_{name}")
    assert "sword" not in ran.err
    nothing_was_sent(merged)


def test_a_secret_pasted_with_its_line_break_is_good(merged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMGITOPS_GRAPH_TOKEN", "pmgitops\n")
    monkeypatch.setenv("PMGITOPS_SERVICENOW_PASSWORD", "sandbox\r\n")
    assert merged.run("apply").code == 0


# Wrong configuration


@VERBS
def test_a_wrong_configuration(merged: World, verb: str) -> None:
    text = "apiVersion: pmgitops/v1\nbranhc: main\nledger: {lease: 1s}\ntickets:\n  ServiceNow: {gate: maybe}\n"
    merged.write("pmgitops.yaml", text)
    merged.push("wrong")
    ran = merged.run(verb)
    assert ran.code == 2
    assert [line.rsplit("pmgitops.yaml:", 1)[-1].split(":")[0] for line in ran.err.splitlines()[:-1]] == [
        "2",
        "3",
        "5",
        "5",
    ]
    assert "did you mean 'branch'?" in ran.err
    assert "pmgitops schema config" in ran.err.splitlines()[-1]
    nothing_was_sent(merged)
