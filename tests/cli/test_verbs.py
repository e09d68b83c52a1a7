"""Every verb: what it prints, in which form, and with which exit code it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pmgitops import wiring
from tests.world import POLICY, REQUEST, ROOT, World, git, run, spawn

CASES = ROOT / "tests" / "cases" / "requests"
FINDING = {"path", "line", "column", "rule", "message", "severity"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a policy and a request, and no git in sight."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/short-lived.yaml").write_text(POLICY)
    (tmp_path / "pmgitops.yaml").write_text("apiVersion: pmgitops/v1\n")
    place(tmp_path, "alex-groups")
    return tmp_path


def place(folder: Path, name: str, text: str = REQUEST) -> None:
    file = folder / "requests" / "team" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


BAD_REQUEST = {"requests/team/bad.yaml": "kind: nothing\n"}
REFUSED = {"requests/team/long.yaml": REQUEST.replace("PT1H", "PT9H")}
AWAITING = {"policies/short-lived.yaml": POLICY.replace("severity: error", "severity: approval"), **REFUSED}
WARNED = {"policies/short-lived.yaml": POLICY.replace("severity: error", "severity: warning"), **REFUSED}
BAD_POLICY = {"policies/short-lived.yaml": POLICY.replace("request.schedule", "request.schedul")}
BAD_CASE = {"policies/short-lived.yaml": POLICY.replace("PT9H", "PT7H")}
BAD_CONFIG = {"pmgitops.yaml": "apiVersion: pmgitops/v1\nbranhc: main\n"}
NO_ROUTE = {"pmgitops.yaml": "routes: [{kinds: [gcp-roles], target: permissions-management}]\n"}

CODES: list[tuple[str, dict[str, str], int]] = [
    ("check", {}, 0),
    ("check", BAD_REQUEST, 1),
    ("check", REFUSED, 1),
    ("check", AWAITING, 0),
    ("check", WARNED, 0),
    ("check", BAD_POLICY, 1),
    ("check", BAD_CONFIG, 2),
    ("check nowhere.yaml", {}, 2),
    ("check --base HEAD", {}, 2),
    ("check --format xml", {}, 2),
    ("check --frobnicate", {}, 2),
    ("render requests/team/alex-groups.yaml", {}, 0),
    ("render requests", BAD_REQUEST, 1),
    ("render requests", REFUSED, 0),
    ("render requests", BAD_CONFIG, 2),
    ("render requests", NO_ROUTE, 1),
    ("render", {}, 2),
    ("render nowhere.yaml", {}, 2),
    ("plan", {}, 2),
    ("apply", {}, 2),
    ("status", {}, 2),
    ("policy list", {}, 0),
    ("policy list", BAD_POLICY, 1),
    ("policy test", {}, 0),
    ("policy test", BAD_CASE, 1),
    ("policy test", BAD_POLICY, 1),
    ("policy test", BAD_CONFIG, 2),
    ("policy", {}, 2),
    ("policy frobnicate", {}, 2),
    ("schema", {}, 0),
    ("schema request", {}, 0),
    ("schema policy", {}, 0),
    ("schema config", {}, 0),
    ("schema frobnicate", {}, 2),
    ("sandbox --port 65536", {}, 2),
    ("frobnicate", {}, 2),
    ("", {}, 2),
    ("--help", {}, 0),
    ("--version", {}, 0),
]


@pytest.mark.parametrize(
    ("line", "files", "code"),
    CODES,
    ids=[f"{line or 'nothing'} {'+'.join(files)} {code}" for line, files, code in CODES],
)
def test_exit_codes(folder: Path, line: str, files: dict[str, str], code: int) -> None:
    for path, text in files.items():
        (folder / path).write_text(text)
    ran = run("-C", str(folder), *line.split())
    assert ran.code == code, ran
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(("line", "forms"), [
    ("check", ["text", "json", "github", "sarif", "junit", "markdown"]),
    ("policy list", ["text", "json"]),
    ("policy test", ["text", "json", "junit"]),
])  # fmt: skip
@pytest.mark.parametrize("files", [{}, BAD_REQUEST, REFUSED, AWAITING, BAD_POLICY, BAD_CASE], ids=range(6))
def test_the_exit_code_never_depends_on_the_format(
    folder: Path, line: str, forms: list[str], files: dict[str, str]
) -> None:
    for path, text in files.items():
        (folder / path).write_text(text)
    codes = {form: run("-C", str(folder), *line.split(), "--format", form).code for form in forms}
    assert len(set(codes.values())) == 1, codes


@pytest.mark.parametrize("duration", ["PT1H", "PT9H"])
def test_nor_does_that_of_plan_and_apply(world: World, duration: str) -> None:
    world.request("alex-groups", duration=duration)
    world.push("access")
    codes = {world.run("plan", "--format", form).code for form in ("text", "json", "markdown")}
    assert codes == {0 if duration == "PT1H" else 1}
    codes = {world.run("apply", "--format", form).code for form in ("text", "json")}
    assert codes == {0 if duration == "PT1H" else 1}
    assert {world.run("status", "--format", form).code for form in ("text", "json")} == {0}


# JSON, exactly


def test_json_of_check(folder: Path) -> None:
    place(folder, "long", REQUEST.replace("PT1H", "PT9H"))
    assert run("-C", str(folder), "check", "--format", "json").json == {
        "requests": 2,
        "findings": [
            {
                "path": "requests/team/long.yaml",
                "line": 8,
                "column": 26,
                "rule": "short-lived",
                "message": "asks for more than 8 hours",
                "severity": "error",
            }
        ],
    }


def test_json_of_render(folder: Path) -> None:
    one = run("-C", str(folder), "render", "requests/team/alex-groups.yaml")
    assert one.json["justification"] == "I need to add a user to a group"
    folder_with_one = run("-C", str(folder), "render", "requests")
    assert list(map(json.loads, folder_with_one.out.splitlines())) == [
        {"name": "alex-groups", "target": "permissions-management", "payload": one.json}
    ]
    place(folder, "maria-groups")
    for paths in (["requests"], ["requests/team/alex-groups.yaml", "requests/team/maria-groups.yaml"]):
        several = run("-C", str(folder), "render", *paths)
        lines = [json.loads(line) for line in several.out.splitlines()]
        assert [(line["name"], line["target"]) for line in lines] == [
            ("alex-groups", "permissions-management"),
            ("maria-groups", "permissions-management"),
        ]
        assert all(line.keys() == {"name", "target", "payload"} for line in lines)
        assert lines[0]["payload"] == one.json


def test_the_healthy_are_rendered_beside_the_broken(folder: Path) -> None:
    place(folder, "broken", "kind: nothing\n")
    ran = run("-C", str(folder), "render", "requests")
    assert ran.code == 1
    assert '"name":"alex-groups"' in ran.out
    assert "requests/team/broken.yaml:1:7: error [value]" in ran.err


def test_rendering_needs_neither_git_nor_configuration(tmp_path: Path) -> None:
    file = tmp_path / "alone.yaml"
    file.write_text(REQUEST)
    assert run("render", str(file)).json["ticketInfo"]["ticketNumber"] == "INC1234567"


def test_json_of_plan_apply_and_status(world: World) -> None:
    world.request("alex-groups")
    world.push("access")
    plan = world.run("plan", "--format", "json").json
    assert plan.keys() == {"digest", "changes", "findings"}
    (change,) = plan["changes"]
    assert change.keys() == {"action", "name", "target", "why", "payload"}
    assert (change["action"], change["name"], change["target"]) == ("create", "alex-groups", "permissions-management")

    applied = world.run("apply", "--format", "json").json
    assert applied.keys() == {
        *("commit", "digest", "applied", "followed", "failed", "deferred", "refused", "notes", "findings")
    }
    (remote,) = world.remote()
    assert applied["applied"] == [
        {"name": "alex-groups", "action": "create", "state": "submitted", "remoteId": remote["id"]}
    ]
    assert [applied[key] for key in ("followed", "failed", "deferred", "refused", "notes", "findings")] == [[]] * 6

    (row,) = world.run("status", "--format", "json").json
    assert row.keys() == {"name", "revision", "target", "state", "remoteId", "ticket"}
    assert (row["name"], row["target"], row["state"], row["remoteId"]) == (
        *("alex-groups", "permissions-management", "submitted"),
        remote["id"],
    )
    assert row["ticket"].keys() == {"number", "sysId", "state", "recordState"}
    assert row["ticket"]["number"] == "INC1234567"


def test_status_of_some_names(world: World) -> None:
    for name in ("alex-groups", "maria-roles"):
        world.request(name)
    world.push("access")
    assert world.run("apply").code == 0
    (row,) = world.run("status", "maria-roles", "--format", "json").json
    assert row["name"] == "maria-roles"
    unknown = world.run("status", "maria-roles", "zoe", "anna")
    assert unknown.code == 2
    assert "the ledger knows no request zoe, anna" in unknown.err
    assert world.run("status", "Not a/name").code == 2


def test_status_of_an_empty_ledger(world: World) -> None:
    assert world.run("status", "--format", "json").json == []


# Where: -C, PATH


def test_from_a_folder_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(folder, "broken", "kind: nothing\n")
    monkeypatch.chdir(folder / "requests" / "team")
    for arguments in (["check"], ["check", "broken.yaml"], ["check", "./../team"], ["check", "../../requests"]):
        ran = run(*arguments, "--format", "json")
        assert {found["path"] for found in ran.json["findings"]} == {"requests/team/broken.yaml"}, arguments
    assert run("check", "alex-groups.yaml", "--format", "json").json == {"requests": 1, "findings": []}


def test_a_relative_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert run("-C", "requests/team", "check", "alex-groups.yaml").code == 0
    assert run("-C", ".", "check").code == 0


def test_a_file_outside_the_repository(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "long.yaml"
    outside.write_text(REQUEST.replace("PT1H", "PT9H"))
    (found,) = run("-C", str(folder), "check", str(outside), "--format", "json").json["findings"]
    assert (found["path"], found["rule"]) == (outside.as_posix(), "short-lived")
    assert run("-C", str(folder), "check", str(outside.parent), "--format", "json").json["requests"] == 1


def test_a_file_that_is_not_there(folder: Path) -> None:
    ran = run("-C", str(folder), "check", "requests/team/alex-groups.yaml", "requests/team/nobody.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("pmgitops: requests/team/nobody.yaml is not there")


def test_a_path_named_twice_is_judged_once(folder: Path) -> None:
    ran = run(
        "-C", str(folder), "check", "requests", "requests/team", "requests/team/alex-groups.yaml", "--format", "json"
    )
    assert ran.json == {"requests": 1, "findings": []}


def test_a_folder_without_requests(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/short-lived.yaml").write_text(POLICY)
    assert run("-C", str(tmp_path), "check", "--format", "json").json == {"requests": 0, "findings": []}


def test_a_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    (folder / "requests/team/passwd.yaml").symlink_to("/etc/passwd")
    (folder / "requests/etc").symlink_to("/etc", target_is_directory=True)
    ran = run("-C", str(folder), "check", "--format", "json")
    assert {(found["path"], found["rule"]) for found in ran.json["findings"]} == {
        ("requests/team/passwd.yaml", "symlink"),
        ("requests/etc", "symlink"),
    }
    named = run("-C", str(folder), "check", "requests/team/passwd.yaml", "--format", "json")
    assert [found["rule"] for found in named.json["findings"]] == ["symlink"]


def test_in_a_worktree_and_a_subfolder_of_a_clone(world: World) -> None:
    world.request("alex-groups")
    world.push("access")
    git("worktree", "add", "-q", str(world.folder / "tree"), at=world.clone)
    assert world.run("plan", at=world.folder / "tree" / "requests" / "team").code == 0
    assert world.run("apply", at=world.clone / "requests").code == 0


# Many files


def test_sixty_broken_files_and_some_healthy_ones(folder: Path) -> None:
    broken, healthy = sorted(CASES.glob("rejected/*/*.yaml"))[:150], sorted(CASES.glob("accepted/*/*.yaml"))
    assert len(broken) >= 60
    for file in broken:
        shutil.copy(file, folder / "requests" / f"broken-{file.parent.name}-{file.stem}.yaml")
    for file in healthy:
        shutil.copy(file, folder / "requests" / f"healthy-{file.parent.name}-{file.stem}.yaml")
    (folder / "policies/short-lived.yaml").write_text(POLICY.replace("PT9H", "P10D").replace("'8h'", "'10000h'"))
    ran = run("-C", str(folder), "check", "--format", "json")
    assert ran.code == 1
    reported = {found["path"] for found in ran.json["findings"] if found["rule"] != "short-lived"}
    assert reported == {f"requests/broken-{file.parent.name}-{file.stem}.yaml" for file in broken}
    assert ran.json["requests"] == len(healthy) + 1
    assert all(
        found.keys() == FINDING and found["line"] >= 1 and found["column"] >= 1 for found in ran.json["findings"]
    )
    rules = {file.parent.name for file in broken} - {"several"}
    assert rules <= {found["rule"] for found in ran.json["findings"]}


def test_each_at_its_line(folder: Path) -> None:
    """Twelve files, each broken in a line of its own."""
    lines = REQUEST.splitlines()
    for number in range(len(lines)):
        if lines[number].startswith("  "):
            spoilt = lines[number].replace(": ", "X: ", 1)
            place(folder, f"broken-{number + 1:02}", "\n".join([*lines[:number], spoilt, *lines[number + 1 :]]) + "\n")
    ran = run("-C", str(folder), "check", "--format", "json")
    found = {found["path"]: found["line"] for found in ran.json["findings"]}
    assert len(found) == 5
    assert all(path.endswith(f"broken-{line:02}.yaml") for path, line in found.items())


def test_findings_stand_in_the_order_of_files_and_lines(folder: Path) -> None:
    for name in ("zoe", "alex", "maria"):
        place(folder, name, "kind: nothing\nnotes: x\n")
    ran = run("-C", str(folder), "check", "--format", "json")
    places = [(found["path"], found["line"], found["column"]) for found in ran.json["findings"]]
    assert places == sorted(places)


# What was not foreseen


def test_a_bug_is_told_as_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by nobody")

    monkeypatch.setattr(wiring, "clock", broken)
    ran = run("-C", str(folder), "check")
    assert (ran.code, ran.out) == (70, "")
    assert "ZeroDivisionError: by nobody" in ran.err
    assert ran.err.splitlines()[-1].startswith("pmgitops: a bug: ZeroDivisionError; please report it")


def test_an_interruption_is_no_bug(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wiring, "clock", interrupted)
    ran = run("-C", str(folder), "check")
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "interrupted")


def test_the_same_from_a_shell(folder: Path) -> None:
    place(folder, "broken", "kind: nothing\n")
    ran = spawn("-C", str(folder), "check")
    assert ran.code == 1
    assert ran.out == run("-C", str(folder), "check").out
    assert ran.err == ""


def test_output_that_nobody_reads_any_more_is_no_bug(folder: Path) -> None:
    for number in range(200):
        place(folder, f"broken-{number}", "kind: nothing\n" + f"x{number}: y\n" * 40)
    script = f"{sys.executable} -m pmgitops -C {folder} check | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] != "70"
