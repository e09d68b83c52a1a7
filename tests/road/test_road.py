"""The road of a request, from a merge to the end of its access, walked by the command line against the sandbox."""

from __future__ import annotations

import shutil

from tests.world import World, git


def test_from_merge_to_the_end(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")

    applied = world.run("apply", "--format", "json")
    assert applied.code == 0, applied
    assert [(row["name"], row["action"], row["state"]) for row in applied.json["applied"]] == [
        ("alex-groups", "create", "submitted")
    ]
    world.approve()
    world.advance(60)
    assert world.run("apply").code == 0
    assert world.states() == {"alex-groups": "active"}
    world.advance(7200)
    assert world.run("apply").code == 0
    assert world.states() == {"alex-groups": "completed"}
    assert world.notes() == [
        "pmgitops: this ticket carries an access request",
        "pmgitops: the request was submitted",
        "pmgitops: the request was approved",
        "pmgitops: access is being granted",
        "pmgitops: access was granted",
        "pmgitops: access is being taken away",
        "pmgitops: access was taken away",
        "pmgitops: the access has ended",
        "pmgitops: this request is over; nothing more will follow",
    ]


def test_applying_twice_changes_nothing(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0
    notes = world.notes()

    again = world.run("apply")

    assert again.code == 0, again
    assert again.out == "nothing to do\n"
    assert len(world.remote()) == 1
    assert world.notes() == notes


def test_the_correlation_is_the_last_line_of_the_notes(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0
    revision = world.run("status", "--format", "json").json[0]["revision"]
    assert world.remote()[0]["request"]["notes"] == f"pmgitops:alex-groups@{revision[:12]}"


def test_a_removed_pending_request_is_canceled(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0

    (world.clone / "requests/team/alex-groups.yaml").unlink()
    world.push("taken back")
    applied = world.run("apply", "--allow", "empty", "--format", "json")

    assert applied.code == 0, applied
    assert [row["action"] for row in applied.json["applied"]] == ["cancel"]
    assert [request["status"] for request in world.remote()] == ["canceled"]
    assert world.run("apply").code == 0
    assert world.states() == {"alex-groups": "canceled"}


def test_a_removed_active_request_is_revoked(world: World) -> None:
    world.request("alex-groups")
    world.request("stays", policy="Other")
    world.push("access for alex")
    assert world.run("apply").code == 0
    world.approve()
    world.advance(60)
    assert world.run("apply").code == 0

    (world.clone / "requests/team/alex-groups.yaml").unlink()
    world.push("taken back")
    assert world.run("apply").code == 0
    world.advance(60)
    assert world.run("apply").code == 0

    assert world.states() == {"alex-groups": "canceled", "stays": "active"}


def test_a_changed_request_replaces_what_stands(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0

    world.request("alex-groups", duration="PT2H")
    world.push("two hours")
    applied = world.run("apply")
    assert applied.code == 0, applied

    remote = world.remote()
    assert [request["status"] for request in remote] == ["canceled", "submitted"]
    assert remote[1]["request"]["scheduleInfo"]["expiration"]["duration"] == "PT2H"
    assert world.states() == {"alex-groups": "submitted"}
    assert world.run("apply").out == "nothing to do\n"


def test_moving_and_reindenting_a_file_changes_nothing(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0

    old = world.clone / "requests/team/alex-groups.yaml"
    world.write(
        "requests/other/alex-groups.yaml", "# moved\n" + old.read_text().replace("  expiration", "    expiration")
    )
    old.unlink()
    world.push("moved")
    moved = world.run("apply", "--format", "json")
    assert moved.code == 0, moved
    assert moved.json["applied"] == []
    assert [request["status"] for request in world.remote()] == ["submitted"]
    assert world.run("apply", "--format", "json").json["applied"] == []


def test_an_ended_request_is_not_renewed_under_its_name(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0
    world.approve()
    world.advance(7200)
    assert world.run("apply").code == 0
    assert world.states() == {"alex-groups": "completed"}

    world.request("alex-groups", duration="PT2H")
    world.push("again")
    again = world.run("apply")

    assert again.code == 1, again
    assert "is not renewed" in again.out
    assert len(world.remote()) == 1


def test_a_fresh_clone_sends_nothing_again(world: World) -> None:
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0
    shutil.rmtree(world.clone / ".git" / "refs" / "pmgitops", ignore_errors=True)
    git("clone", "-q", str(world.origin), str(world.folder / "second"), at=world.folder)
    again = world.run("apply", at=world.folder / "second")

    assert again.out == "nothing to do\n"
    assert len(world.remote()) == 1


def test_a_file_without_a_name_holds_up_nobody(world: World) -> None:
    world.request("alex-groups")
    world.write("requests/team/" + "x" * 201 + ".yaml", "kind: aws-policies\n")
    world.write("requests/team/Not A Name.yaml", "kind: aws-policies\n")
    world.push("one good, two odd")

    applied = world.run("apply", "--format", "json")

    assert applied.code == 1, applied
    assert [row["name"] for row in applied.json["applied"]] == ["alex-groups"]
    assert len(applied.json["refused"]) == 2
    assert world.run("apply", "--format", "json").code == 0


def test_an_open_request_that_moved_in_the_past_is_found(world: World) -> None:
    """Its ledger still tells the old path; that must not read as a removal."""
    world.request("alex-groups")
    world.push("access for alex")
    assert world.run("apply").code == 0
    (world.clone / "requests/team/alex-groups.yaml").rename(world.clone / "requests/alex-groups.yaml")
    world.push("moved")
    assert world.run("apply").code == 0

    world.write("requests/README.md", "Something else.\n")
    world.push("something else")
    assert world.run("apply").code == 0

    assert [request["status"] for request in world.remote()] == ["submitted"]


def test_each_ticket_is_told_what_happened_under_it(world: World) -> None:
    """A new revision that names another ticket: the former one hears the end, the new one the beginning."""
    other = "INC0000007"
    world.control("PATCH", f"tickets/{other}", {"state": "2", "active": "true"})
    world.request("alex-groups")
    world.push("access")
    assert world.run("apply").code == 0

    world.request("alex-groups", ticket=other, duration="PT2H")
    world.push("another ticket")
    assert world.run("apply").code == 0
    assert world.run("apply").code == 0

    assert world.notes()[-2:] == [
        "pmgitops: the request was canceled",
        "pmgitops: this request is over; nothing more will follow",
    ]
    assert world.notes(other) == [
        "pmgitops: this ticket carries an access request",
        "pmgitops: the request was submitted",
    ]


def test_what_is_being_ended_is_not_taken_back_under_its_name(world: World) -> None:
    world.request("stays", policy="Other")
    world.request("alex-groups")
    world.push("access")
    assert world.run("apply").code == 0
    (world.clone / "requests/team/alex-groups.yaml").unlink()
    world.push("taken back")
    assert world.run("apply").code == 0

    world.request("alex-groups")
    world.push("wanted again")

    assert world.run("plan").code == 1
    applied = world.run("apply")
    assert applied.code == 1, applied
    assert "is not renewed; file it under another name" in applied.out
