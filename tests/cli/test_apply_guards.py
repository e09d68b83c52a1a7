"""The guards of `apply`: what is refused until a person says otherwise, or for good, and that nothing is sent then."""

from __future__ import annotations

import pytest

from tests.world import POLICY, World, git


def submits(world: World) -> int:
    """How many requests the target was sent."""
    return sum(
        call["method"] == "POST" and call["path"].endswith("scheduledPermissionsRequests")
        for call in world.control("GET", "log")["log"]
    )


def writes(world: World) -> list[str]:
    """Everything that was written to the outside world."""
    return [call["path"] for call in world.control("GET", "log")["log"] if call["method"] != "GET"]


@pytest.fixture
def granted(world: World) -> World:
    """Three requests that the target has."""
    for name in ("alex-groups", "maria-roles", "zoe-roles"):
        world.request(name)
    world.push("access")
    assert world.run("apply").code == 0
    world.control("DELETE", "log")
    return world


def remove(world: World, *names: str) -> None:
    for name in names:
        (world.clone / f"requests/team/{name}.yaml").unlink()
    world.push("removed")


def test_a_retired_service_is_refused_with_what_to_do_instead(world: World) -> None:
    world.write("pmgitops.yaml", "apiVersion: pmgitops/v1\n")
    world.request("alex-groups")
    world.push("access")
    applied = world.run("apply", "--format", "json")
    assert applied.code == 4, applied
    (refused,) = applied.json["refused"]
    assert "retired" in refused["why"]
    assert "2025" in refused["why"]
    assert world.control("GET", "log")["log"] == []
    assert world.states() == {"alex-groups": "refused"}


def test_its_plan_is_refused_as_well(world: World) -> None:
    world.write("pmgitops.yaml", "apiVersion: pmgitops/v1\n")
    world.request("alex-groups")
    world.push("access")
    shown = world.run("plan", "--format", "json")
    assert (shown.code, shown.json["changes"]) == (4, [])
    assert [(found["rule"], found["line"]) for found in shown.json["findings"]] == [("retired", 2)]


def test_a_kind_without_a_route_is_a_finding(world: World) -> None:
    world.configure("routes: [{kinds: [gcp-roles], target: permissions-management}]\n", tickets=False)
    world.request("alex-groups")
    world.push("access")
    applied = world.run("apply", "--format", "json")
    assert applied.code != 0
    assert "no route" in applied.json["refused"][0]["why"]
    assert submits(world) == 0


def test_too_many_cancellations(granted: World) -> None:
    granted.configure("limits: {maxCancellations: 1}\n")
    remove(granted, "alex-groups", "maria-roles")
    refused = granted.run("apply")
    assert refused.code == 4
    assert "2 requests would be canceled or revoked; limits.maxCancellations is 1 (guard mass-cancel)" in refused.err
    assert "--allow mass-cancel" in refused.err
    assert writes(granted) == []

    assert granted.run("apply", "--allow", "mass-cancel").code == 0
    assert sorted(request["status"] for request in granted.remote()) == ["canceled", "canceled", "submitted"]


def test_replacing_counts_as_canceling(granted: World) -> None:
    granted.configure("limits: {maxCancellations: 1}\n")
    granted.request("alex-groups", duration="PT2H")
    granted.request("maria-roles", duration="PT2H")
    granted.push("two hours each")
    refused = granted.run("apply")
    assert refused.code == 4
    assert "guard mass-cancel" in refused.err
    assert writes(granted) == []


def test_an_emptied_tree(granted: World) -> None:
    remove(granted, "alex-groups", "maria-roles", "zoe-roles")
    refused = granted.run("apply")
    assert refused.code == 4
    assert "guard empty" in refused.err
    assert writes(granted) == []
    assert granted.run("apply", "--allow", "empty").code == 0
    assert {request["status"] for request in granted.remote()} == {"canceled"}


def test_an_emptied_tree_is_no_mass_cancellation_in_disguise(granted: World) -> None:
    granted.configure("limits: {maxCancellations: 1}\n")
    remove(granted, "alex-groups", "maria-roles", "zoe-roles")
    refused = granted.run("apply", "--allow", "empty")
    assert refused.code == 4
    assert "guard mass-cancel" in refused.err


def test_an_empty_tree_on_an_empty_ledger_is_nothing_to_do(world: World) -> None:
    assert world.run("apply").out == "nothing to do\n"


def test_a_rewritten_branch(granted: World) -> None:
    git("checkout", "-q", "--orphan", "other", at=granted.clone)
    git("commit", "-q", "-m", "history, told anew", at=granted.clone)
    git("push", "-q", "--force", "origin", "HEAD:main", at=granted.clone)
    refused = granted.run("apply")
    assert refused.code == 4
    assert "guard rewritten-branch" in refused.err
    assert writes(granted) == []
    assert granted.run("apply", "--allow", "rewritten-branch").code == 0
    assert submits(granted) == 0, "the same requests stand in the new history"


def test_a_branch_set_back(granted: World) -> None:
    git("push", "-q", "--force", "origin", "HEAD~1:main", at=granted.clone)
    refused = granted.run("apply")
    assert refused.code == 4
    assert "guard rewritten-branch" in refused.err


def test_another_plan_than_the_one_approved(world: World) -> None:
    world.request("alex-groups")
    world.push("access")
    refused = world.run("apply", "--digest", "0123456789ab")
    assert refused.code == 4
    assert "not 0123456789ab" in refused.err
    assert submits(world) == 0
    digest = world.run("plan", "--format", "json").json["digest"]
    assert world.run("apply", "--digest", digest).code == 0


def test_the_ticket_is_part_of_what_was_approved(world: World) -> None:
    world.request("alex-groups")
    world.push("access")
    digest = world.run("plan", "--format", "json").json["digest"]
    before = world.control("GET", "tickets/INC1234567")["state"]
    world.control("PATCH", "tickets/INC1234567", {"state": "3" if before != "3" else "2"})
    assert world.run("apply", "--digest", digest).code == 4
    assert submits(world) == 0


def test_names_are_never_used_again(granted: World) -> None:
    remove(granted, "alex-groups")
    assert granted.run("apply").code == 0
    assert granted.run("apply").code == 0
    assert granted.states()["alex-groups"] == "canceled"
    granted.request("alex-groups")
    granted.push("alex again")
    shown = granted.run("plan", "--base", "HEAD~1", "--format", "json")
    assert (shown.code, [found["rule"] for found in shown.json["findings"]]) == (1, ["name-reused"])
    again = granted.run("apply", "--format", "json")
    assert again.code == 1, again
    assert [row["name"] for row in again.json["refused"]] == ["alex-groups"]
    assert "is not renewed" in again.json["refused"][0]["why"]
    assert len(granted.remote()) == 3


def test_a_broken_policy_lets_nothing_new_pass_but_removals_still_work(granted: World) -> None:
    granted.write("policies/short-lived.yaml", POLICY.replace("request.schedule", "request.schedul"))
    granted.request("anna-roles")
    remove(granted, "alex-groups")
    applied = granted.run("apply", "--format", "json")
    assert applied.code == 6, applied
    assert [(row["name"], row["action"]) for row in applied.json["applied"]] == [("alex-groups", "cancel")]
    assert [row["name"] for row in applied.json["deferred"]] == ["anna-roles"]
    assert submits(granted) == 0

    granted.write("policies/short-lived.yaml", POLICY)
    granted.push("mended")
    assert granted.run("apply").code == 0
    assert submits(granted) == 1


def test_one_broken_file_does_not_stop_the_others(world: World) -> None:
    world.request("alex-groups")
    world.write("requests/team/broken.yaml", "kind: aws-policies\nkind: aws-policies\n")
    world.push("one of two is broken")
    applied = world.run("apply", "--format", "json")
    assert applied.code == 1, applied
    assert [row["name"] for row in applied.json["applied"]] == ["alex-groups"]
    assert [row["name"] for row in applied.json["refused"]] == ["broken"]


def test_a_file_that_breaks_holds_what_stands(granted: World) -> None:
    granted.write("requests/team/alex-groups.yaml", "kind: aws-policies\n")
    granted.push("broken")
    assert granted.run("apply").code == 1
    assert writes(granted) == []
    assert granted.states()["alex-groups"] == "submitted"


def test_a_request_refused_by_policy_does_not_stop_the_others(world: World) -> None:
    world.request("alex-groups")
    world.request("too-long", duration="PT9H")
    world.push("one of two is too long")
    applied = world.run("apply", "--format", "json")
    assert applied.code == 1
    assert [row["name"] for row in applied.json["applied"]] == ["alex-groups"]
    assert [row["name"] for row in applied.json["refused"]] == ["too-long"]
    assert world.states() == {"alex-groups": "submitted", "too-long": "refused"}


def test_the_ticket_gate(world: World) -> None:
    world.request("alex-groups", ticket="INC7654321")
    world.push("access")
    applied = world.run("apply", "--format", "json")
    assert applied.code == 5, applied
    assert "You must name a ticket that exists" in applied.json["refused"][0]["why"]
    assert submits(world) == 0


@pytest.mark.parametrize("allow", ["other-plan", "everything", ""])
def test_only_what_a_person_may_say_can_be_allowed(world: World, allow: str) -> None:
    assert world.run("apply", "--allow", allow).code == 2
