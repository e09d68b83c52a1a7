"""A snapshot, made: whole or not at all, going on where it was, and what is different told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pmgitops.catalog import stage as staging
from pmgitops.catalog.codec import decoded, digest, encoded
from pmgitops.catalog.interface import Entry
from pmgitops.catalog.pull import Difference, Pulled, Severed
from pmgitops.catalog.snapshot import INDEX, Catalog, header
from pmgitops.catalog.stage import Stage, on_disk, path_of
from pmgitops.errors import CatalogError, RemoteError
from pmgitops.report import catalogs
from tests.catalog.conftest import NOW
from tests.sandbox.conftest import Control
from tests.world import ROOT, run

AWS = "956987887735"
KEY = "OTU2OTg3ODg3NzM1"


@pytest.fixture
def control(sandbox):
    return Control(sandbox)


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.jsonl")}


def asked(control: Control) -> list[str]:
    return [entry["path"] for entry in control.get("log")["log"]]


def test_the_same_world_is_the_same_bytes(puller, root: Path) -> None:
    first = puller()
    assert (first.systems, first.whole, first.resumed, first.difference.first) == (7, True, 0, True)
    assert len(first.difference.added) == 7
    before = files(root)
    assert len(before) == 1 + 3 + 7
    again = puller()
    assert not again.difference
    assert files(root) == before
    assert not (root / "catalog" / ".pull").exists()


def test_a_later_pull_changes_one_line(puller, root: Path) -> None:
    puller()
    before = files(root)
    puller(now=NOW + timedelta(days=1))
    after = files(root)
    assert {path for path in after if after[path] != before[path]} == {INDEX}
    lines = zip(before[INDEX].splitlines(), after[INDEX].splitlines(), strict=True)
    assert [old == new for old, new in lines] == [False, *[True] * 10]


def test_the_actions_of_a_cloud_are_read_once(puller, control: Control) -> None:
    puller()
    assert len([path for path in asked(control) if path.endswith("/actions")]) == 3


def test_a_system_that_refuses_stops_nothing(puller, control: Control, opened) -> None:
    control.post(
        "faults", do="status", status=403, path=f"{KEY}.*/policies", body={"error": {"code": "Forbidden"}}, times=0
    )
    pulled = puller()
    assert pulled.whole
    ((where, part, why),) = pulled.refused
    assert (where, part) == (f"aws/{AWS}", "policies")
    assert "403" in why
    system = opened().system("aws", AWS)
    assert system
    assert not system.knows("policies")
    assert system.knows("identities")
    assert system.identity("alex@contoso.com")
    with pytest.raises(CatalogError, match="policies of aws 956987887735 are not known") as told:
        system.policy("x")
    assert told.value.rule == "catalog-unknown"
    assert opened().findings() == []


def test_what_is_now_refused_is_not_taken_for_removed(puller, control: Control) -> None:
    puller()
    control.post("faults", do="status", status=403, path=f"{KEY}.*/policies", body={}, times=0)
    assert puller().difference.removed == ()


def test_actions_come_from_a_system_that_lets_us(puller, control: Control, opened) -> None:
    control.post("faults", do="status", status=403, path="/actions", query="^$", body={}, times=1)
    assert puller().whole
    assert opened().action("aws", "s3:GetObject")


def test_actions_that_nobody_lets_us_read_are_unknown(puller, control: Control, opened) -> None:
    control.post("faults", do="status", status=403, path="gcpAuthorizationSystem/actions", body={}, times=0)
    pulled = puller()
    assert [(where, part) for where, part, _ in pulled.refused] == [("gcp", "actions")]
    with pytest.raises(CatalogError, match="no actions of gcp"):
        opened().action("gcp", "compute.instances.list")
    assert opened().action("aws", "s3:GetObject")


def test_an_endpoint_that_refuses_everything_ends_it(puller, control: Control, root: Path) -> None:
    control.post("faults", do="status", status=404, path="AuthorizationSystem/", body={}, times=0)
    with pytest.raises(RemoteError, match="404"):
        puller()
    assert not (root / INDEX).exists()


def test_a_tenant_without_systems_does_not_empty_the_snapshot(puller, control: Control, root: Path) -> None:
    puller()
    before = files(root)
    control.post("faults", do="status", status=200, path="authorizationSystems$", body={"value": []})
    with pytest.raises(RemoteError, match="no authorization system"):
        puller()
    assert {path: data for path, data in files(root).items() if ".pull" not in path} == before


def test_what_fails_is_left_to_the_next_pull(puller, control: Control, root: Path) -> None:
    control.post("faults", do="status", status=500, path=f"{KEY}.*/resources", body={}, times=0)
    pulled = puller()
    assert not pulled.whole
    assert [where for where, _ in pulled.failed] == [f"aws/{AWS}"]
    assert not (root / INDEX).exists()
    control.post("reset")
    again = puller()
    assert again.whole
    assert again.resumed == 9
    assert (root / INDEX).exists()


def test_a_list_that_changes_is_read_again(puller, control: Control, sandbox) -> None:
    link = f"{sandbox.graph_url}/external/authorizationSystems/{KEY}/microsoft.graph.awsAuthorizationSystem/policies?x"
    row: dict[str, Any] = {"id": "a", "externalId": "arn:aws:iam::aws:policy/A", "displayName": "A"}
    one, two = {"value": [row], "@odata.nextLink": link}, {"value": [row | {"displayName": "B"}]}
    for body in (one, two):
        control.post("faults", do="status", status=200, path=f"{KEY}.*/policies", body=body)
    assert puller().whole


def test_an_interrupted_pull_goes_on_where_it_was(puller, control: Control, root: Path, opened, monkeypatch) -> None:
    monkeypatch.setattr("pmgitops.catalog.pull.HANDS", 2)
    count, lock = 0, threading.Lock()

    def stopping() -> bool:
        return count >= 4

    def progress(_what: str, done: int, _all: int) -> None:
        nonlocal count
        with lock:
            count = max(count, done)

    pulled = puller(stopping=stopping, progress=progress)
    assert pulled.interrupted
    assert not pulled.whole
    assert not (root / INDEX).exists()
    control_log = len(asked(control))
    again = puller(now=NOW + timedelta(hours=1))
    assert again.whole
    assert again.resumed >= 4
    assert len(asked(control)) - control_log < control_log + 40
    assert opened().pulled == NOW
    assert opened().findings() == []


@pytest.mark.parametrize("later", [timedelta(hours=25), timedelta(hours=-1)])
def test_one_that_is_too_old_begins_anew(puller, root: Path, later: timedelta) -> None:
    puller(stopping=lambda: True)
    assert (root / staging._STAGE).exists()
    assert puller(now=NOW + later).resumed == 0


def test_fresh_begins_anew(puller, control: Control) -> None:
    control.post("faults", do="status", status=500, path=f"{KEY}.*/resources", body={}, times=0)
    assert not puller().whole
    control.post("reset")
    assert puller(fresh=True).resumed == 0


def test_another_source_begins_anew(tmp_path: Path) -> None:
    stage = Stage.open(tmp_path, "https://a.example", NOW, fresh=False)
    stage.keep(Entry("shared", "aws"), encoded([Entry("action", "s3:GetObject")]))
    assert Stage.open(tmp_path, "https://b.example", NOW, fresh=False).rows == {}


@pytest.mark.parametrize("spoil", ["cut the journal", "cut a file", "lose a file", "empty the journal"])
def test_what_a_crash_left_half_done_is_read_again(tmp_path: Path, spoil: str) -> None:
    stage = Stage.open(tmp_path, "x", NOW, fresh=False)
    for where in ("aws", "azure"):
        stage.keep(Entry("shared", where), encoded([Entry("action", f"{where}:GetObject")]))
    folder = tmp_path / staging._STAGE
    journal, file = folder / "journal.jsonl", folder / "catalog" / "azure.jsonl"
    if spoil == "cut the journal":
        journal.write_bytes(journal.read_bytes()[:-10])
    elif spoil == "cut a file":
        file.write_bytes(file.read_bytes()[:-10])
    elif spoil == "lose a file":
        file.unlink()
    else:
        journal.write_bytes(b"")
    again = Stage.open(tmp_path, "x", NOW, fresh=False)
    assert set(again.rows) == (set() if spoil == "empty the journal" else {"aws"})


def test_one_killed_while_it_took_its_place_is_finished(puller, root: Path, monkeypatch, opened) -> None:
    """Files in place, the index not yet: the next pull reads nothing again but the list of systems."""
    with monkeypatch.context() as patch:
        patch.setattr(Stage, "_sweep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            puller()
    (root / INDEX).unlink()
    again = puller()
    assert again.whole
    assert again.resumed == 10
    assert opened().findings() == []


def test_what_is_different_is_told(puller, root: Path) -> None:
    puller()
    reading = b'"does":"read","resources":["object"],"severity":'
    _edit(root, "aws", lambda data: data.replace(reading + b'"normal"', reading + b'"high"'))
    _edit(root, f"aws/{AWS}", lambda data: data.replace(b"role/saml-user", b"role/gone-user"))
    pulled = puller()
    difference = pulled.difference
    assert [tuple(one) for one in difference.severity] == [("aws", "s3:GetObject", "high", "normal")]
    assert [(where, entry.external_id) for where, entry in difference.added] == [
        (f"aws/{AWS}", f"arn:aws:iam::{AWS}:role/saml-user")
    ]
    assert [entry.external_id for _, entry in difference.removed] == [f"arn:aws:iam::{AWS}:role/gone-user"]
    text = catalogs.pulled_text(pulled).splitlines()
    assert text == [
        "7 systems",
        "  added: 1 identity",
        "  removed: 1 identity",
        "  severity changed: 1 action",
        "  ! aws: s3:GetObject: high -> normal",
        f"  + aws/{AWS}: identity arn:aws:iam::{AWS}:role/saml-user",
        f"  - aws/{AWS}: identity arn:aws:iam::{AWS}:role/gone-user",
    ]
    markdown = catalogs.pulled_markdown(pulled)
    assert "| ! | <code>aws</code> | <code>s3&#58;GetObject&#58; high -&#62; normal</code> |" in markdown
    assert json.loads(catalogs.pulled_json(pulled))["severity"][0]["action"] == "s3:GetObject"


def _edit(root: Path, where: str, change: Callable[[bytes], bytes]) -> None:
    """Another snapshot, as an earlier pull would have written it."""
    file = root / path_of(where)
    file.write_bytes(encoded(map(decoded, change(file.read_bytes()).splitlines())))
    rows = Catalog(on_disk(root)).rows()
    facts = {**rows[where].facts, "digest": digest(file.read_bytes()), "size": len(file.read_bytes())}
    body = encoded([*(row for row in rows.values() if row.external_id != where), rows[where]._replace(facts=facts)])
    (root / INDEX).write_bytes(header(body, "2026-11-22T09:00:00Z") + body)


def test_a_system_that_is_gone_leaves_no_file(puller, root: Path) -> None:
    puller()
    gone = root / "catalog" / "gcp" / "gone.jsonl"
    gone.write_bytes(b"")
    puller()
    assert not gone.exists()


def test_hostile_names_stay_inside_their_line() -> None:
    hostile = Entry("role", "a\n| @team </code> [x](y)\x1b[31m", {})
    pulled = Pulled(
        1,
        refused=(("aws/1", "roles", "no\nway @x"),),
        difference=Difference(added=(("aws/1", hostile),), severity=(Severed("aws", "x\n", "a", "b"),)),
    )
    for text in (catalogs.pulled_text(pulled), catalogs.pulled_markdown(pulled)):
        assert "\x1b" not in text
        assert "\n| @" not in text
        assert "[x](y)" not in catalogs.pulled_markdown(pulled)


# As a command


@pytest.fixture
def place(root: Path, sandbox) -> Path:
    (root / "pmgitops.yaml").write_text(
        f"apiVersion: pmgitops/v1\ntargets:\n  permissions-management: {{endpoint: {sandbox.graph_url}}}\n", "utf-8"
    )
    return root


def test_pull_find_and_get_as_commands(place: Path, control: Control) -> None:
    ran = run("-C", str(place), "catalog", "find", "x")
    assert ran.code == 2
    assert "there is no snapshot of the catalog" in ran.err
    ran = run("-C", str(place), "catalog", "pull", "--detailed-exitcode")
    assert (ran.code, ran.out) == (3, "7 systems\n  the first snapshot, with nothing to compare it with\n")
    ran = run("-C", str(place), "catalog", "pull", "--detailed-exitcode", "--format", "json")
    assert (ran.code, ran.json["added"], ran.json["whole"]) == (0, [], True)
    ran = run("-C", str(place), "catalog", "pull", "--format", "markdown")
    assert ran.out == "**Catalog**: 7 systems\n\n- nothing is different\n"
    found = run("-C", str(place), "catalog", "find", "S3", "delete")
    assert found.out.splitlines()[1].split() == ["aws", "action", "s3:AbortMultipartUpload", "normal", "delete"]
    found = run("-C", str(place), "catalog", "find", "DEVELOPMENT", "--format", "json")
    assert found.json == [{"where": "aws", "kind": "system", "externalId": AWS, "id": KEY, "name": "development"}]
    found = run("-C", str(place), "catalog", "find", "alex", "contoso", "--most", "1")
    assert found.out.splitlines()[-1] == "and more; say more words, or --most"
    found = run("-C", str(place), "catalog", "find", "saml-user", "--format", "json")
    assert {one["where"] for one in found.json} == {f"aws/{number}" for number in (AWS, "111122223333", "377596131774")}
    assert run("-C", str(place), "catalog", "find", "nowhere-at-all").out == "nothing\n"
    listed = run("-C", str(place), "catalog", "get")
    assert "aws-role-named" in listed.out
    assert len(run("-C", str(place), "catalog", "get", "aws-actions", AWS, "--most", "3", "--format", "json").json) == 3
    assert run("-C", str(place), "catalog", "get", "aws-rols", AWS).code == 2
    control.post("settings", pimArchiveEnded=True)
    ended = run("-C", str(place), "catalog", "get", "pim-requests")
    assert (ended.code, ended.out) == (0, "nothing\n")
    assert "stopped this list returning data on 2026-10-28" in ended.err


def test_a_pull_that_failed_says_what_to_do(place: Path, control: Control) -> None:
    control.post("faults", do="status", status=501, path=f"{KEY}.*/resources", body={}, times=0)
    control.post("faults", do="close", path=f"{KEY}.*/policies", times=0)
    ran = run("-C", str(place), "catalog", "pull")
    assert ran.code == 6
    assert ran.out.splitlines()[-1] == "nothing was written; pull again, and it goes on where it was"


def test_nobody_there_ends_it_at_once(place: Path) -> None:
    (place / "pmgitops.yaml").write_text(
        "apiVersion: pmgitops/v1\ntargets:\n  permissions-management: {endpoint: 'http://127.0.0.1:9/beta'}\n", "utf-8"
    )
    ran = run("-C", str(place), "catalog", "pull")
    assert ran.code == 6
    assert "cannot be reached" in ran.err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_process_that_is_ended_loses_nothing(place: Path, control: Control, opened, number: int) -> None:
    """The system that never answers keeps it waiting; what the others said is kept."""
    control.post("faults", do="delay", seconds=60, path=f"{KEY}.*/resources", times=0)
    command = [sys.executable, "-m", "pmgitops", "-C", str(place), "catalog", "pull"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        journal = place / staging._STAGE / "journal.jsonl"
        until = time.monotonic() + 30
        while time.monotonic() < until and not (journal.exists() and len(journal.read_bytes().splitlines()) == 10):
            time.sleep(0.02)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert out.startswith("interrupted among 7 systems") or number == signal.SIGKILL
    assert not opened().present
    control.post("reset")
    ran = run("-C", str(place), "catalog", "pull")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "7 systems, of which an earlier pull had read 9")
    assert opened().findings() == []
