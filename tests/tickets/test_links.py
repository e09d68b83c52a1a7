"""Tickets that turn after they were linked: recorded once, shown, told, and what the configuration makes of it."""

from __future__ import annotations

import json

import pytest

from tests.world import git

NUMBER = "INC1234567"
CHANGE = "CHG0031234"
OVER = "pmgitops: this request is over; nothing more will follow"
TURNED = "pmgitops: this ticket is not what it was when the request was judged"
IN_ORDER = "pmgitops: this ticket is in order again"


@pytest.fixture
def linked(world):
    """An active request under an approved change, and how a ticket system is configured."""

    def make(setting="annotate", gate="required", **ticket):
        off = "".join(f"    {what}: off\n" for what in ("submitter", "approver", "window"))
        world.configure(f"    onDivergence: {setting}\n{off}", gate=gate)
        text = (
            (world.clone / "pmgitops.yaml")
            .read_text()
            .replace(", gate:", "\n    gate:")
            .replace("{host:", "\n    host:")
        )
        world.write("pmgitops.yaml", text.replace(f"gate: {gate}}}", f"gate: {gate}"))
        fields = {"class": "change_request", "number": CHANGE, "state": "-1", "approval": "approved"} | ticket
        world.control("POST", "tickets", fields)
        world.request("alex-groups", ticket=CHANGE)
        world.request("other", policy="Other")
        world.push("access")
        assert world.run("apply").code == 0
        world.approve()
        world.advance(60)
        assert world.run("apply").code == 0
        return world

    return make


def turn(world, **fields):
    world.control("PATCH", f"tickets/{CHANGE}", fields)


def settled(world):
    """Runs with time between them: what is revoked takes a while."""
    for _ in range(3):
        assert world.run("apply").code == 0
        world.advance(60)


def shown(world, name="alex-groups"):
    return next(row["ticket"] for row in world.run("status", "--format", "json").json if row["name"] == name)


def events(world, name="alex-groups"):
    git("fetch", "-q", "origin", "pmgitops/ledger", at=world.clone)
    files = git("ls-tree", "-r", "--name-only", "FETCH_HEAD", at=world.clone).split()
    (path,) = [path for path in files if path.endswith(f"/{name}.jsonl")]
    return [json.loads(line) for line in git("show", f"FETCH_HEAD:{path}", at=world.clone).splitlines()]


WORSE = [
    ({"state": "4"}, "it was canceled (Canceled)"),
    ({"approval": "rejected"}, "its approval is rejected, it was approved"),
    ({"approval": "requested"}, "its approval is requested, it was approved"),
    ({"active": "false"}, "it was closed (Implement) before the access has ended"),
    ({"number": "CHG0031235"}, f"its number is CHG0031235, it was {CHANGE}"),
]


@pytest.mark.parametrize(("change", "why"), WORSE, ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_a_ticket_that_turns_is_recorded_once_noted_and_shown(linked, change, why):
    world = linked()
    turn(world, **change)

    ran = world.run("apply", "--format", "json")
    for _ in range(3):
        assert world.run("apply").code == 0

    assert ran.code == 0, ran
    assert [(row["name"], row["why"]) for row in ran.json["followed"]] == [
        ("alex-groups", f"{CHANGE} has turned: {why}")
    ]
    (told,) = [event for event in events(world) if event["event"] == "diverged"]
    assert (told["why"], told["orphaned"]) == ([why], False)
    number = change.get("number", CHANGE)
    assert world.notes(number)[-1] == TURNED
    (note,) = [row["value"] for row in world.control("GET", f"tickets/{number}")["journal"] if TURNED in row["value"]]
    assert f"The ticket: {why}\n" in note
    ticket = shown(world)
    assert (ticket["state"], ticket["why"], ticket["recordState"]) == ("diverged", [why], "Implement")
    assert why in world.run("status").out
    assert shown(world, "other")["state"] == "annotated"


def test_what_turns_further_is_recorded_again_and_so_is_what_turns_back(linked):
    world = linked()
    turn(world, approval="rejected")
    assert world.run("apply").code == 0
    turn(world, state="4")
    assert world.run("apply").code == 0
    turn(world, state="-1", active="true", approval="approved")
    assert world.run("apply").code == 0
    assert world.run("apply").code == 0

    told = [event["event"] for event in events(world) if event["event"] in {"diverged", "in-order"}]
    assert told == ["diverged", "diverged", "in-order"]
    assert world.notes(CHANGE)[-3:] == [TURNED, TURNED, IN_ORDER]
    assert shown(world)["state"] == "annotated"
    assert "why" not in shown(world)


BETTER = [{"state": "0"}, {"short_description": "another"}, {"assigned_to": ""}, {"priority": "1"}]


@pytest.mark.parametrize("change", BETTER, ids="-".join)
def test_a_ticket_that_goes_its_way_has_not_turned(linked, change):
    world = linked()
    turn(world, **change)
    assert world.run("apply").code == 0
    assert shown(world)["state"] == "annotated"


def test_approval_that_is_won_later_is_no_divergence(linked):
    world = linked(gate="warn", approval="requested")
    turn(world, approval="approved")
    assert world.run("apply").code == 0
    assert shown(world)["state"] == "annotated"


def test_a_ticket_that_is_gone_is_orphaned_and_nobody_writes_to_it(linked):
    world = linked("cancel")
    world.control("POST", "settings", {"hidden": [CHANGE]})
    world.control("DELETE", "log")

    ran = world.run("apply")
    assert ran.code == 0, ran
    assert f"{CHANGE} is not there any more, or pmgitops may not read it" in ran.out
    assert shown(world)["state"] == "orphaned"
    assert [request["status"] for request in world.remote()].count("canceled") == 0, "an operator decides"
    paths = [entry["path"] for entry in world.control("GET", "log")["log"] if entry["method"] == "PATCH"]
    assert paths == []

    world.control("POST", "settings", {"hidden": []})
    assert world.run("apply").code == 0
    assert world.run("apply").code == 0
    assert shown(world)["state"] == "annotated"
    assert world.notes(CHANGE)[-1] == IN_ORDER


def test_hold_nothing_more_is_sent_under_it_until_it_is_in_order(linked):
    world = linked("hold", gate="warn")
    turn(world, approval="rejected")
    world.request("alex-groups", ticket=CHANGE, duration="PT2H")
    world.push("longer")

    held = world.run("apply", "--format", "json")
    assert held.code == 6, held
    (why,) = [row["why"] for row in held.json["deferred"]]
    assert f"{CHANGE} does not carry this request any more: its approval is rejected" in why
    assert sorted(request["status"] for request in world.remote()) == ["approved", "approved"]

    turn(world, approval="approved")
    settled(world)
    assert sorted(request["status"] for request in world.remote()) == ["approved", "canceled", "submitted"]


def test_hold_does_not_keep_access_from_being_ended(linked):
    world = linked("hold", gate="warn")
    turn(world, state="4")
    (world.clone / "requests/team/alex-groups.yaml").unlink()
    world.push("taken back")

    settled(world)
    assert world.states()["alex-groups"] == "canceled"


def test_annotate_leaves_what_follows_to_the_gate(linked):
    world = linked("annotate", gate="warn")
    turn(world, approval="rejected")
    world.request("alex-groups", ticket=CHANGE, duration="PT2H")
    world.push("longer")

    settled(world)
    assert "submitted" in [request["status"] for request in world.remote()]


def test_cancel_ends_the_access_like_a_removed_file(linked):
    world = linked("cancel")
    turn(world, state="4")

    ran = world.run("apply", "--format", "json")
    assert ran.code == 0, ran
    assert [(row["name"], row["action"]) for row in ran.json["applied"]] == [("alex-groups", "cancel")]
    settled(world)
    assert world.states() == {"alex-groups": "canceled", "other": "active"}
    assert world.notes(CHANGE)[-1] == OVER
    assert shown(world)["state"] == "closed-out"
    assert world.notes().count(TURNED) == 0

    world.request("alex-groups", ticket=NUMBER, duration="PT3H")
    world.push("again, under another ticket")
    again = world.run("apply")
    assert again.code == 1, "an ended request is not renewed under its name"
    assert "is not renewed" in again.out


def test_cancel_counts_towards_the_limit(linked):
    world = linked("cancel")
    text = (world.clone / "pmgitops.yaml").read_text()
    world.write("pmgitops.yaml", text + "limits: {maxCancellations: 1}\n")
    (world.clone / "requests/team/other.yaml").unlink()
    world.push("a limit, and one that goes")
    turn(world, state="4")

    refused = world.run("apply")
    assert refused.code == 4, refused
    assert "approved" in [request["status"] for request in world.remote()]
    assert world.run("apply", "--allow", "mass-cancel").code == 0
    settled(world)
    assert world.states()["alex-groups"] == "canceled"


def test_a_ticket_that_is_closed_when_the_work_is_done_has_not_turned(linked):
    world = linked()
    world.advance(2 * 3600)
    turn(world, state="3", active="false")

    for _ in range(3):
        assert world.run("apply").code == 0

    assert TURNED not in world.notes(CHANGE)
    assert world.notes(CHANGE)[-1] == OVER
    assert shown(world)["state"] == "closed-out"


def test_many_links_are_looked_at_in_one_call(linked):
    world = linked()
    for number in range(5):
        world.request(f"r-{number}", policy=f"P{number}")
    world.push("five more")
    assert world.run("apply").code == 0
    world.control("DELETE", "log")

    assert world.run("apply").code == 0

    assert [entry["path"] for entry in world.control("GET", "log")["log"] if "/api/now" in entry["path"]] == [
        "/api/now/table/task"
    ]


def test_a_ticket_system_that_is_down_is_told_and_changes_nothing(linked):
    world = linked("cancel")
    world.control("POST", "faults", {"do": "status", "status": 404, "path": "/api/now", "times": 0})

    ran = world.run("apply")

    assert ran.code == 6, ran
    assert "404" in ran.out
    world.control("DELETE", "faults")
    assert shown(world)["state"] == "annotated"
    assert world.run("apply").code == 0


def test_ten_more_runs_add_nothing_to_any_ticket(linked):
    world = linked()
    turn(world, approval="rejected")
    (world.clone / "requests/team/other.yaml").unlink()
    world.push("one goes")
    settled(world)
    before = {number: world.control("GET", f"tickets/{number}") for number in (NUMBER, CHANGE)}
    world.control("DELETE", "log")

    for _ in range(10):
        assert world.run("apply").code == 0

    assert {number: world.control("GET", f"tickets/{number}") for number in (NUMBER, CHANGE)} == before
    assert {entry["method"] for entry in world.control("GET", "log")["log"]} <= {"GET"}
