"""Each of the five classes, as it comes about: through the command line, with other hands at the target."""

from __future__ import annotations

import pytest

from pmgitops import wiring
from pmgitops.drift import compare
from pmgitops.flows.drift import read
from pmgitops.settings import Config
from pmgitops.targets.permissions_management.client import PermissionsManagementReader, judge
from pmgitops.transport import Bearer, Transport

HOUR = 3600


def test_nothing_is_nothing(world):
    ran = world.run("drift")
    assert (ran.code, ran.out) == (0, "no grants\n")


def test_what_was_sent_and_stands_is_managed(world):
    world.active("a")
    world.request("b", policy="Pending")
    world.push("b")
    assert world.run("apply").code == 0

    assert world.classes() == {"a": "managed", "b": "managed"}
    assert world.run("drift").out == "2 managed\n"


def test_the_five_classes_at_once(world):
    """And nobody has written anything: neither to the ledger nor to the target."""
    world.active("changed", "expired", "managed", "removed", duration="PT8H")
    outside = world.ask()
    world.post(f"/{world.id_of('removed')}/cancelAll", caller="admin")
    world.control("POST", f"requests/{world.id_of('expired')}/hold")
    (world.clone / "requests/team/expired.yaml").unlink()
    world.push("expired was taken back")
    patch = {"scheduleInfo": {"expiration": {"duration": "PT80H"}}}
    world.control("PATCH", f"requests/{world.id_of('changed')}", patch)
    world.advance(60)
    before = world.everything()

    found = world.drift()

    assert {name: one["class"] for name, one in found.items()} == {
        "changed": "changed-outside",
        "expired": "expired",
        "managed": "managed",
        "removed": "removed-early",
        outside: "unmanaged",
    }
    assert found["changed"]["differences"] == [
        {"member": "scheduleInfo.expiration.duration", "was": "PT28800S", "is": "PT288000S"}
    ]
    assert {name: one["next"] for name, one in found.items()} == {
        "changed": "git rm requests/team/changed.yaml",
        "expired": "pmgitops apply",
        "managed": None,
        "removed": "git mv requests/team/removed.yaml requests/team/removed-again.yaml",
        outside: f"pmgitops import {outside}",
    }
    assert world.everything() == before


def test_the_text_fits_a_terminal(world, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    world.active("a-request-with-a-name-that-is-quite-a-lot-longer-than-a-column-of-the-table-is-wide")
    world.post(f"/{world.remote()[0]['id']}/cancelAll", caller="admin")
    world.advance(60)
    world.ask()

    ran = world.run("drift")

    assert ran.code == 3
    lines = [line for line in ran.out.splitlines() if not line.startswith("    next: ")]
    assert max(map(len, lines)) <= 80
    assert lines[0] == "CLASS            REQUEST                                AT THE TARGET"
    assert lines[-1] == "1 removed-early, 1 unmanaged"


def test_markdown_tells_the_same(world):
    outside = world.ask()
    ran = world.run("drift", "--format", "markdown")
    assert ran.code == 3
    assert ran.out.startswith("**Drift**: 1 unmanaged\n\n| class | request |")
    assert f"| unmanaged | <code>{outside}</code> | <code>submitted</code> |" in ran.out


# Expired


def test_still_there_when_its_time_is_over(world):
    world.active("a")
    world.control("POST", f"requests/{world.id_of('a')}/hold")
    assert world.classes() == {"a": "managed"}
    world.later(2 * HOUR)

    found = world.drift()["a"]

    assert found["class"] == "expired"
    assert found["state"] == "approved/granted"
    assert "its time was over at" in found["why"]
    assert found["next"] == "git rm requests/team/a.yaml"


def test_removing_the_file_of_what_is_expired_ends_it(world):
    world.active("a", "stays")
    world.control("POST", f"requests/{world.id_of('a')}/hold")
    (world.clone / "requests/team/a.yaml").unlink()
    world.push("a is over")
    assert world.classes() == {"a": "expired", "stays": "managed"}
    assert world.run("apply").code == 0
    world.advance(60)
    assert world.classes()["a"] == "managed"
    assert world.run("apply").code == 0
    assert world.classes() == {"stays": "managed"}


def test_what_is_being_ended_is_given_a_moment(world):
    world.active("a", "stays")
    world.control("POST", "settings", {"stepSeconds": 3 * HOUR})
    (world.clone / "requests/team/a.yaml").unlink()
    world.push("a is over")
    assert world.run("apply").code == 0
    assert world.classes() == {"a": "managed", "stays": "managed"}

    world.later(HOUR // 2)

    found = world.drift()["a"]
    assert found["class"] == "expired"
    assert "was told to end, and has not" in found["why"]


# Removed early


def test_what_was_removed_early_is_told_until_its_file_is_gone(world):
    """A run in between records it as canceled; git still wants what nobody has any more."""
    world.active("a", "stays", duration="PT8H")
    world.post(f"/{world.id_of('a')}/cancelAll", caller="admin")
    world.advance(60)
    assert world.drift()["a"]["next"].startswith("git mv requests/team/a.yaml ")
    assert world.run("apply").code == 0
    assert world.states()["a"] == "canceled"
    assert world.classes() == {"a": "removed-early", "stays": "managed"}

    (world.clone / "requests/team/a.yaml").unlink()
    world.push("a is over")
    assert world.run("apply").code == 0
    assert world.classes() == {"stays": "managed"}


def test_what_ended_in_its_time_is_managed(world):
    world.active("a")
    world.advance(2 * HOUR)
    found = world.drift()["a"]
    assert (found["class"], found["next"]) == ("managed", "pmgitops apply")
    assert world.run("apply").code == 0
    assert world.drift() == {}


def test_an_approvers_no_is_none_of_it(world):
    world.request("a")
    world.push("a")
    assert world.run("apply").code == 0
    world.control("POST", f"requests/{world.id_of('a')}/reject")
    assert world.drift()["a"]["why"] == "an approver has rejected it"
    assert world.run("apply").code == 0
    assert world.drift() == {}


def test_what_the_target_has_forgotten_is_removed_early(world):
    world.active("a", duration="PT8H")
    world.control("DELETE", f"requests/{world.id_of('a')}")
    world.later(HOUR)
    found = world.drift()["a"]
    assert found["class"] == "removed-early"
    assert "knows nothing of it any more" in found["why"]


# Changed outside


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"justification": "other"}, ["justification was I need to add a user to a group, is other"]),
        ({"ticketInfo": None}, ["ticketInfo was {", "is nothing"]),
        (
            {"requestedPermissions": {"identityInfo": {"externalId": "rsn:eve@contoso.com"}}},
            ["requestedPermissions.identityInfo.externalId was rsn:alex@contoso.com, is rsn:eve@contoso.com"],
        ),
        (
            {"requestedPermissions": {"actionInfo": {"policies": [{"id": "arn:aws:iam::aws:policy/Admin"}]}}},
            ["requestedPermissions.actionInfo.policies was [", "policy/Admin"],
        ),
    ],
)
def test_each_member_that_differs_is_named(world, patch, said):
    world.active("a")
    world.control("PATCH", f"requests/{world.id_of('a')}", patch)
    found = world.drift()["a"]
    assert found["class"] == "changed-outside"
    assert all(piece in found["why"] for piece in said), found["why"]


def test_the_services_own_way_of_writing_is_no_change(world):
    world.active("a")
    patch = {
        "scheduleInfo": {"expiration": {"duration": "PT60M"}},
        "requestedPermissions": {
            "@odata.type": "microsoft.graph.awsPermissionsDefinition",
            "authorizationSystemInfo": {"authorizationSystemType": "aws"},
            "actionInfo": {"policies@odata.context": "https://graph.microsoft.com/beta/$metadata#x", "statements": []},
        },
    }
    world.control("PATCH", f"requests/{world.id_of('a')}", patch)
    assert world.classes() == {"a": "managed"}


# Unmanaged


def test_what_carries_our_mark_a_second_time_is_named(world):
    world.active("a")
    notes = world.remote()[0]["request"]["notes"]
    double, foreign = world.ask(notes=notes), world.ask(notes="pmgitops:other@0123456789ab")
    found = world.drift()
    assert found["a"]["class"] == "managed"
    assert (found[double]["class"], found[double]["next"]) == ("unmanaged", f"cancel {double} at the target")
    assert "carries the mark of a" in found[double]["why"]
    assert "another repository's" in found[foreign]["why"]


def test_a_sent_request_that_the_ledger_does_not_know_is_ours(world):
    """Killed between the send and its record, as far as drift can see: the outcome is not known."""
    world.request("a")
    world.push("a")
    world.control("POST", "faults", {"do": "status", "when": "after", "method": "POST", "path": "scheduledPermissions"})
    assert world.run("apply").code == 6
    found = world.drift()["a"]
    assert (found["class"], found["next"]) == ("managed", "pmgitops apply")


# Reading


def test_every_page_is_read(world):
    ids = {world.ask() for _ in range(7)}
    world.control("POST", "settings", {"pageSize": 2})
    assert set(world.drift()) == ids


def test_a_target_that_cannot_be_read_is_named_and_the_rest_is_shown(world):
    world.active("a", duration="PT8H")
    outside = world.ask()
    world.control("POST", "faults", {"do": "status", "status": 403, "path": "permissionsRequestChanges", "times": 9})

    ran = world.run("drift", "--format", "json")

    assert ran.code == 6
    assert ran.json["unreadable"][0]["target"] == "permissions-management"
    assert "403" in ran.json["unreadable"][0]["why"]
    shown = {one["name"] or one["remoteId"]: one["class"] for one in ran.json["grants"]}
    assert shown == {"a": "managed", outside: "unmanaged"}


def test_what_could_not_be_seen_is_not_called_gone(world):
    world.active("a", duration="PT8H")
    world.control("POST", "faults", {"do": "status", "status": 403, "path": "permissionsManagement", "times": 9})
    ran = world.run("drift", "--format", "json")
    assert (ran.code, ran.json["grants"]) == (6, [])


def test_a_retired_target_says_why_it_cannot_be_read():
    """Nothing listens there, as nothing may at the public endpoint one day."""
    with Transport(auth=Bearer(lambda: "token"), judge=judge, pause=0.001, deadline=1.0) as transport:
        reader = PermissionsManagementReader(transport, "http://127.0.0.1:1/beta")
        readers = {"permissions-management": reader}
        (reading,) = read(readers, Config(), wiring.clock, lambda _what, _done, _all: None)
    assert reading.grants == ()
    assert "Microsoft retired Entra Permissions Management on 2025-10-01" in reading.failure
    assert compare([reading], [], wiring.clock()).unreadable == {"permissions-management": reading.failure}
