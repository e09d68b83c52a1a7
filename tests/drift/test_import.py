"""What nobody here knows of becomes a request file, plans as none, and once merged is adopted: nothing is sent."""

from __future__ import annotations

import json

import pytest

from pmgitops.load import load
from tests.drift.conftest import BODY
from tests.targets.test_render import EXAMPLES, HERE
from tests.world import git

TICKET = BODY["ticketInfo"]


def files(world):
    return sorted(path.relative_to(world.clone).as_posix() for path in world.clone.glob("requests/imported/*.yaml"))


def imported(world, *ids, code=0):
    ran = world.run("import", *ids, "--format", "json")
    assert ran.code == code, ran
    return ran.json


def sent(world):
    """Every write to the target."""
    log = world.control("GET", "log")["log"]
    return [entry["path"] for entry in log if entry["method"] != "GET" and "permissionsManagement" in entry["path"]]


def plan(world, *arguments):
    ran = world.run("plan", "--format", "json", *arguments)
    assert ran.code == 0, ran
    return [(change["action"], change["name"]) for change in ran.json["changes"]]


@pytest.mark.parametrize("kind", [path.stem for path in EXAMPLES])
def test_from_somebody_elses_grant_to_a_managed_one(world, kind):
    """Every kind: the file passes `check`, plans as none before and after the merge, and `apply` sends nothing."""
    world.configure(gate="off")
    base = world.push("no gate")
    world.control("DELETE", "log")
    body = json.loads((HERE / "golden" / f"{kind}.json").read_text("utf-8"))
    remote_id = world.post("", body)["id"]
    world.control("DELETE", "log")

    (written,) = imported(world)["written"]
    assert written["remoteId"] == remote_id
    assert world.run("check", written["path"]).code == 0
    name = written["path"].rpartition("/")[2].removesuffix(".yaml")
    assert name.startswith(f"imported-{kind}-")

    git("add", "--all", at=world.clone)
    git("commit", "-q", "-m", "import", at=world.clone)
    assert plan(world, "--base", base, "--head", "HEAD") == [("none", name)]
    assert world.run("check", "--base", base, "--head", "HEAD").code == 0
    world.push("merged") if git("status", "--porcelain", at=world.clone) else git("push", "-q", at=world.clone)
    assert plan(world) == [("none", name)]

    applied = world.applied()
    assert applied.code == 0, applied
    assert [(row["action"], row["state"], row["remoteId"]) for row in applied.json["applied"]] == [
        ("adopt", "submitted", remote_id)
    ]
    assert sent(world) == []
    assert len(world.remote()) == 1
    assert plan(world) == [("none", name)]
    assert world.classes() == {name: "managed"}
    assert world.run("apply").out == "nothing to do\n"


def adopt(world, *, active=False, **members):
    """Somebody's grant, imported, merged and adopted; its name."""
    remote_id = world.ask(**members)
    if active:
        world.approve()
        world.advance(5)
    path = imported(world, remote_id)["written"][0]["path"]
    world.push("import")
    assert world.run("apply").code == 0
    return path.rpartition("/")[2].removesuffix(".yaml")


def test_an_adopted_grant_is_followed_to_its_end(world):
    name = adopt(world, active=True)
    assert world.states() == {name: "active"}
    world.advance(7200)
    assert world.run("apply").code == 0
    assert world.states() == {name: "completed"}
    assert world.notes() == []


def test_removing_the_file_of_an_adopted_grant_ends_it(world):
    world.active("stays", duration="PT8H")
    name = adopt(world, active=True)
    (world.clone / f"requests/imported/{name}.yaml").unlink()
    world.push("no more")
    world.control("DELETE", "log")
    # Only an administrator may cancel what another person asked for.
    world.token("admin")
    assert world.run("apply").code == 0
    world.advance(5)
    assert world.run("apply").code == 0
    assert world.states() == {name: "canceled", "stays": "active"}


def test_an_adopted_grant_that_is_changed_is_replaced(world):
    name = adopt(world)
    world.token("somebody")
    path = f"requests/imported/{name}.yaml"
    world.write(path, (world.clone / path).read_text().replace("PT1H", "PT2H"))
    world.push("two hours")
    assert plan(world) == [("replace", name)]
    assert world.run("apply").code == 0
    assert [(row["status"], row["request"]["scheduleInfo"]["expiration"]["duration"]) for row in world.remote()] == [
        ("canceled", "PT1H"),
        ("submitted", "PT2H"),
    ]


def test_policies_object_and_the_file_is_written_all_the_same(world):
    world.ask(scheduleInfo={"expiration": {"type": "afterDuration", "duration": "PT80H"}})
    ran = imported(world, code=1)
    assert [found["rule"] for found in ran["findings"]] == ["short-lived"]
    assert files(world) == [written["path"] for written in ran["written"]]


def test_what_no_request_can_say_is_refused_by_its_member(world):
    odd, fine = world.ask(justification=None), world.ask()
    ran = imported(world, code=1)
    assert [one["remoteId"] for one in ran["written"]] == [fine]
    assert [one["remoteId"] for one in ran["refused"]] == [odd]
    assert "justification" in ran["refused"][0]["why"]


def test_only_what_is_named_is_imported(world):
    world.active("ours")
    first, second = world.ask(), world.ask()
    ran = imported(world, second, world.id_of("ours"), "nobodys", code=1)
    assert [one["remoteId"] for one in ran["written"]] == [second]
    assert {one["remoteId"]: one["why"] for one in ran["refused"]} == {
        world.id_of("ours"): "it is the request ours",
        "nobodys": "no target reports it",
    }
    assert {one["remoteId"] for one in imported(world)["written"]} == {first, second}


def test_what_carries_a_mark_is_not_imported(world):
    marked = world.ask(notes="please\npmgitops:other@0123456789ab")
    ran = imported(world, code=1)
    assert (ran["written"], [one["remoteId"] for one in ran["refused"]]) == ([], [marked])


def test_it_says_where_it_came_from_and_how_to_propose_it(world):
    remote_id = world.ask()
    ran = world.run("import")
    assert ran.code == 0, ran
    (path,) = files(world)
    assert ran.out.startswith(f"{path} written: permissions-management {remote_id}\n")
    assert f"    git add -- {path}\n" in ran.out
    comments = [line for line in (world.clone / path).read_text().splitlines() if line.startswith("#")]
    assert f"# Imported from permissions-management {remote_id}." in comments
    assert world.run("import").out == ran.out
    world.write(path, "# mine\n")
    assert f"refused {remote_id}: its file is here already: {path}" in world.run("import").out


def test_it_is_proposed_as_one_branch(world):
    """Neither the index nor the current branch is touched; run again, it finds what it did."""
    base = git("rev-parse", "HEAD", at=world.clone).strip()
    ids = {world.ask(), world.ask()}
    world.write("elsewhere.txt", "not mine")
    first, again = (world.run("import", "--propose", "--format", "json") for _ in range(2))
    assert (first.code, again.code) == (0, 0), first
    assert first.json["commit"] == again.json["commit"]
    commit = git("ls-remote", "origin", first.json["branch"], at=world.clone).split()[0]
    assert commit == first.json["commit"]
    brought = git("diff", "--name-only", base, commit, at=world.clone).split()
    assert brought == sorted(one["path"] for one in first.json["written"])
    assert {one["remoteId"] for one in first.json["written"]} == ids
    assert [action for action, _ in plan(world, "--base", base, "--head", commit)] == ["none", "none"]
    assert git("rev-parse", "HEAD", at=world.clone).strip() == base
    assert git("diff", "--cached", "--name-only", at=world.clone) == ""


def test_what_is_merged_and_not_applied_yet_is_managed(world):
    merged(world)
    (found,) = world.drift().values()
    assert (found["class"], found["next"]) == ("managed", "pmgitops apply")
    assert world.run("import").out == "nothing to import\n"


def test_nothing_to_import(world):
    ran = world.run("import")
    assert (ran.code, ran.out) == (0, "nothing to import\n")


def test_the_plan_says_what_is_adopted(world):
    """There is nothing to send and nothing to approve by a digest; a reviewer sees it all the same."""
    merged(world)
    shown = world.run("plan", "--detailed-exitcode")
    assert shown.code == 0, shown
    assert ": adopts what stands at the target; nothing is sent\nnothing to send, adopt 1 as they stand\n" in shown.out
    assert "adopt 1 as they stand" in world.run("plan", "--format", "markdown").out


def test_a_grant_that_cannot_be_read_is_not_imported(world):
    world.ask()
    world.control("POST", "faults", {"do": "status", "status": 403, "path": "scheduledPermissions", "times": 9})
    assert imported(world, code=6)["written"] == []


# What is not adopted is not sent either


def refused(world, why):
    applied = world.applied()
    assert applied.code == 1, applied
    assert [row["action"] for row in applied.json["refused"]] == ["adopt"]
    assert why in applied.json["refused"][0]["why"]
    assert sent(world) == []
    return applied.json["refused"][0]["name"]


def merged(world):
    """Somebody's grant, imported and merged, and not applied yet."""
    remote_id = world.ask()
    imported(world)
    world.push("import")
    return remote_id


def test_a_grant_that_ended_before_the_merge(world):
    remote_id = merged(world)
    world.post(f"/{remote_id}/cancelAll")
    world.control("DELETE", "log")
    name = refused(world, "it has ended (canceled)")
    assert refused(world, "it has ended (canceled)") == name
    (world.clone / f"requests/imported/{name}.yaml").unlink()
    world.push("gone")
    assert world.run("apply", "--allow", "empty").code == 0
    assert world.run("apply").out == "nothing to do\n"


def test_a_grant_that_was_changed_meanwhile(world):
    remote_id = merged(world)
    world.control("PATCH", f"requests/{remote_id}", {"justification": "another"})
    world.control("DELETE", "log")
    refused(world, "justification is another there, I need to do this because I want to add a user to a group here")
    world.control("PATCH", f"requests/{remote_id}", {"justification": BODY["justification"]})
    assert world.run("apply").code == 0
    assert set(world.classes().values()) == {"managed"}


def test_a_file_that_was_changed_meanwhile(world):
    merged(world)
    world.control("DELETE", "log")
    (path,) = files(world)
    world.write(path, (world.clone / path).read_text().replace("PT1H", "PT2H"))
    world.push("two hours")
    refused(world, "scheduleInfo.expiration.duration is PT3600S there, PT7200S here")


def test_a_name_that_somebody_made_up(world):
    world.write("requests/imported/imported-aws-policies-eve-0123456789abcdef.yaml", as_file(world))
    world.push("mine now")
    assert plan(world) == [("none", "imported-aws-policies-eve-0123456789abcdef")]
    refused(world, "there is none at permissions-management")


def as_file(world):
    world.request("a")
    text = (world.clone / "requests/team/a.yaml").read_text()
    (world.clone / "requests/team/a.yaml").unlink()
    return text


def test_a_second_file_for_one_grant_adopts_nothing(world):
    """The name of a grant is one; another with the same digest is nobody's."""
    merged(world)
    (path,) = files(world)
    double = path.replace("imported-aws-policies-", "imported-x-")
    world.write(double, (world.clone / path).read_text())
    world.push("twice")
    world.control("DELETE", "log")
    applied = world.applied()
    assert applied.code == 1, applied
    assert len(applied.json["applied"]) == len(applied.json["refused"]) == 1
    assert applied.json["applied"][0]["name"] in path
    assert "is not what this name was made from" in applied.json["refused"][0]["why"]
    assert sent(world) == []


def test_a_target_that_cannot_be_read_puts_it_off(world):
    merged(world)
    world.control("DELETE", "log")
    world.control("POST", "faults", {"do": "status", "status": 403, "path": "scheduledPermissions", "times": 1})
    applied = world.applied()
    assert applied.code == 6, applied
    assert [row["action"] for row in applied.json["deferred"]] == ["adopt"]
    assert world.run("apply").code == 0
    assert sent(world) == []
    assert set(world.classes().values()) == {"managed"}


def test_the_file_is_the_request_that_was_asked_for(world):
    world.ask(notes="no\n- a: b # c", ticketInfo=TICKET)
    imported(world)
    (path,) = files(world)
    loaded = load(path, (world.clone / path).read_bytes())
    assert loaded.request.notes == "no\n- a: b # c"
