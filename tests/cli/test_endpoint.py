"""Services that fail: told once, exit 6, the request stays in the ledger, and in the end the target has it once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from pmgitops import wiring
from tests.world import World

SUBMIT = {"method": "POST", "path": "scheduledPermissionsRequests$"}
CHANGES = {"method": "GET", "path": "permissionsRequestChanges"}
READ_BACK = {"method": "GET", "path": "scheduledPermissionsRequests"}
FIND_TICKET = {"method": "GET", "path": "/table/task"}
NOTE = {"method": "PATCH", "path": "/table/incident"}

Later = Callable[[float], None]


@pytest.fixture
def merged(world: World) -> World:
    """One request that waits to be applied."""
    world.request("alex-groups")
    world.push("access")
    return world


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """The runs that follow happen so many seconds later: leases have run out, pauses are over."""

    def move(seconds: float) -> None:
        monkeypatch.setattr(wiring, "clock", lambda: datetime.now(UTC) + timedelta(seconds=seconds))

    return move


def fails(world: World, where: dict[str, str], do: str, **more: object) -> None:
    world.control("POST", "faults", {**where, "do": do, **more})


def delivered_once(world: World) -> None:
    applied = world.run("apply", "--format", "json")
    assert applied.code == 0, applied
    assert world.states() == {"alex-groups": "submitted"}
    assert [request["status"] for request in world.remote()] == ["submitted"]
    assert world.run("apply").out == "nothing to do\n"
    assert len(world.remote()) == 1
    assert len(world.notes()) == len(set(world.notes())) == 2


CERTAIN = [
    ("status", {"status": 400}, "400"),
    ("status", {"status": 401}, "401"),
    ("status", {"status": 403}, "403"),
    ("status", {"status": 404}, "404"),
    ("status", {"status": 429, "headers": {"Retry-After": "60"}}, "429"),
]
UNCERTAIN = [
    ("status", {"status": 500, "when": "before"}, "500"),
    ("status", {"status": 502, "when": "after"}, "502"),
    ("status", {"status": 503, "when": "before", "headers": {"Retry-After": "5"}}, "503"),
    ("status", {"status": 504, "when": "after"}, "504"),
    ("html", {"when": "before"}, "not the API"),
    ("html", {"when": "after"}, "not the API"),
    ("partial", {"when": "after"}, "broken JSON"),
    ("wrong-json", {"when": "after"}, "not the API"),
    ("empty", {"when": "before"}, "202"),
    ("redirect", {"when": "before"}, "302"),
    ("close", {"when": "before"}, "closed the connection"),
    ("close", {"when": "after"}, "closed the connection"),
    ("cut", {"when": "after"}, "scheduledPermissionsRequests"),
]


def ids(case: str | dict[str, object]) -> str:
    return case if isinstance(case, str) else " ".join(f"{key} {value}" for key, value in dict(case).items())


@pytest.mark.parametrize(("do", "more", "words"), CERTAIN, ids=ids)
def test_what_was_certainly_not_taken_is_sent_by_a_later_run(
    merged: World, later: Later, do: str, more: dict[str, object], words: str
) -> None:
    fails(merged, SUBMIT, do, **more)
    failed = merged.run("apply", "--format", "json")
    assert failed.code == 6, failed
    (row,) = failed.json["failed"]
    assert (row["name"], row["action"], row["state"]) == ("alex-groups", "create", "failed")
    assert words in row["why"]
    assert failed.err == ""
    assert merged.remote() == []
    assert merged.states() == {"alex-groups": "failed"}

    later(300)
    delivered_once(merged)


@pytest.mark.parametrize(("do", "more", "words"), UNCERTAIN, ids=ids)
def test_what_may_have_been_taken_is_read_back_before_it_is_sent_again(
    merged: World, later: Later, do: str, more: dict[str, object], words: str
) -> None:
    arrived = more["when"] == "after"
    fails(merged, SUBMIT, do, **more)
    failed = merged.run("apply", "--format", "json")
    assert failed.code == 6, failed
    (row,) = failed.json["failed"]
    assert (row["name"], row["action"], row["state"]) == ("alex-groups", "create", "unknown")
    assert words in row["why"]
    assert failed.err == ""
    assert len(merged.remote()) == arrived

    merged.run("apply")  # its lease is running: nobody touches it
    assert len(merged.remote()) == arrived
    assert merged.states() == {"alex-groups": "unknown"}

    later(300)
    delivered_once(merged)


def test_a_failure_is_told_once(merged: World) -> None:
    fails(merged, SUBMIT, "status", status=403)
    failed = merged.run("apply")
    assert failed.code == 6
    assert (failed.out + failed.err).count("403") == 1
    (line,) = failed.out.splitlines()
    assert line.startswith("failed   alex-groups: create -> failed: ")


def test_a_short_pause_that_the_service_asks_for_is_waited(merged: World) -> None:
    fails(merged, SUBMIT, "status", status=429, headers={"Retry-After": "0"}, times=2)
    delivered_once(merged)


def test_a_long_one_is_not_waited_but_kept(merged: World, later: Later) -> None:
    fails(merged, SUBMIT, "status", status=429, headers={"Retry-After": "3600"})
    assert merged.run("apply").code == 6
    later(1800)
    early = merged.run("apply", "--format", "json")
    assert early.code == 6, early
    assert "tried again after" in early.json["failed"][0]["why"]
    assert merged.remote() == []
    later(3700)
    delivered_once(merged)


def test_nobody_there(merged: World, later: Later) -> None:
    reachable = (merged.clone / "pmgitops.yaml").read_text()
    merged.write("pmgitops.yaml", reachable.replace(merged.sandbox.graph_url, "http://127.0.0.1:9/beta"))
    merged.push("an address at which nobody is")
    failed = merged.run("apply", "--format", "json")
    assert failed.code == 6, failed
    assert "cannot be reached" in failed.json["failed"][0]["why"]
    assert merged.states() == {"alex-groups": "failed"}

    merged.write("pmgitops.yaml", reachable)
    merged.push("the right address")
    later(300)
    delivered_once(merged)


def test_a_read_back_that_fails_sends_nothing(merged: World, later: Later) -> None:
    fails(merged, SUBMIT, "close", when="after")
    assert merged.run("apply").code == 6
    later(300)
    fails(merged, READ_BACK, "status", status=403)
    merged.run("apply")
    assert len(merged.remote()) == 1
    assert merged.states() == {"alex-groups": "unknown"}
    later(900)
    delivered_once(merged)


@pytest.mark.parametrize(
    ("do", "more"),
    [
        ("status", {"status": 403}),
        ("status", {"status": 503}),
        ("html", {}),
        ("close", {}),
        ("partial", {"when": "after"}),
    ],
    ids=ids,
)
def test_following_that_fails_changes_nothing(merged: World, do: str, more: dict[str, object]) -> None:
    assert merged.run("apply").code == 0
    merged.approve()
    merged.advance(60)
    fails(merged, CHANGES, do, times=0, **more)
    failed = merged.run("apply", "--format", "json")
    assert failed.code == 6, failed
    assert [(row["name"], row["action"], row["state"]) for row in failed.json["failed"]] == [
        ("alex-groups", "follow", "submitted")
    ]
    merged.control("DELETE", "faults")
    assert merged.run("apply").code == 0
    assert merged.states() == {"alex-groups": "active"}


@pytest.mark.parametrize(
    ("do", "more"),
    [
        ("status", {"status": 403, "when": "before"}),
        ("status", {"status": 503, "when": "after"}),
        ("close", {"when": "before"}),
        ("close", {"when": "after"}),
    ],
    ids=ids,
)
def test_a_cancellation_that_fails_is_asked_for_again(
    merged: World, later: Later, do: str, more: dict[str, object]
) -> None:
    merged.request("stays", policy="Other")
    merged.push("another")
    assert merged.run("apply").code == 0
    (merged.clone / "requests/team/alex-groups.yaml").unlink()
    merged.push("removed")
    fails(merged, {"method": "POST", "path": "cancelAll"}, do, **more)
    failed = merged.run("apply", "--format", "json")
    assert failed.code == 6, failed
    assert [(row["name"], row["action"]) for row in failed.json["failed"]] == [("alex-groups", "cancel")]

    later(300)
    merged.run("apply")
    assert merged.run("apply").code == 0
    assert merged.states() == {"alex-groups": "canceled", "stays": "submitted"}
    assert sorted(request["status"] for request in merged.remote()) == ["canceled", "submitted"]


# The ticket system


@pytest.mark.parametrize(
    ("do", "more", "words"),
    [
        ("status", {"status": 401}, "401"),
        ("status", {"status": 403}, "403"),
        ("status", {"status": 500}, "500"),
        ("html", {}, "HTML"),
        ("close", {}, "closed the connection"),
        ("wrong-json", {}, ""),
    ],
    ids=ids,
)
def test_a_ticket_that_cannot_be_read_defers(merged: World, do: str, more: dict[str, object], words: str) -> None:
    fails(merged, FIND_TICKET, do, times=0, **more)
    deferred = merged.run("apply", "--format", "json")
    assert deferred.code == 6, deferred
    (row,) = deferred.json["deferred"]
    assert words.lower() in row["why"].lower()
    assert merged.remote() == []
    assert merged.states() == {"alex-groups": "deferred"}
    merged.control("DELETE", "faults")
    delivered_once(merged)


@pytest.mark.parametrize(("do", "more"), [("status", {"status": 503}), ("close", {}), ("html", {})], ids=ids)
def test_a_note_whose_answer_is_lost_is_written_once(merged: World, do: str, more: dict[str, object]) -> None:
    fails(merged, NOTE, do, **more, when="after")
    assert merged.run("apply").code in {0, 6}
    delivered_once(merged)


def test_a_note_that_is_due_is_told(merged: World) -> None:
    fails(merged, NOTE, "status", status=403, times=0)
    told = merged.run("apply", "--format", "json")
    assert told.code == 6, told
    assert {(note["name"], note["ticket"]) for note in told.json["notes"]} == {("alex-groups", "INC1234567")}
    assert merged.notes() == []
    assert merged.states() == {"alex-groups": "submitted"}
