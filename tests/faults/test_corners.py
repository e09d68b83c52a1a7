"""Histories that somebody has to think of: each is a way to send twice, to lose, or to wait for ever."""

from __future__ import annotations

import json
import signal
import urllib.request

import pytest

from tests.faults.lab import Lab
from tests.faults.proxy import Exchange, Script


def first(kind: str, deed: str) -> Script:
    """The first exchange of a kind goes wrong."""
    struck: list[int] = []

    def script(exchange: Exchange) -> str:
        if exchange.kind == kind and not struck:
            struck.append(exchange.number)
            return deed
        return ""

    return script


def every(kind: str, deed: str) -> Script:
    return lambda exchange: deed if exchange.kind == kind else ""


def applied(lab: Lab, **requests: str) -> None:
    """These requests, merged and sent."""
    for name, policy in requests.items():
        lab.request(name, policy=policy)
    lab.push("requests")
    assert lab.apply().code == 0


def removed(lab: Lab, name: str) -> None:
    (lab.clone / f"requests/team/{name}.yaml").unlink()
    lab.push(f"{name} removed")


def test_a_run_beside_a_live_lease_says_that_it_waits(lab: Lab) -> None:
    """`nothing to do` would be a lie: nobody knows yet whether the request was sent."""
    lab.request("a")
    lab.push("a")
    assert lab.apply(pushes={1: "kill-after"}).code == -9
    beside = lab.apply()
    assert beside.code == 6, beside
    assert "another runner has it in hand" in beside.out
    lab.settle()
    lab.holds()


def test_an_unknown_outcome_is_named_until_it_is_known(lab: Lab) -> None:
    lab.request("a")
    lab.push("a")
    assert lab.apply(script=first("send", "reset-after")).code == 6
    beside = lab.apply()
    assert beside.code == 6, beside
    assert "unknown" in beside.out
    lab.settle()
    lab.holds()


def test_a_runner_that_sleeps_past_its_lease_sends_nothing(lab: Lab) -> None:
    lab.request("a")
    lab.push("a")
    sleeper = lab.begin(pushes={1: "stop-after"})
    lab.sleeping(sleeper)
    lab.pass_time(35)
    other = lab.start()
    assert other.wait() == 0
    sleeper.signal(signal.SIGCONT)
    assert lab.finish(sleeper).code in {0, 6}
    lab.settle()
    lab.holds()


def test_who_is_only_slow_finds_its_outcome_recorded_by_another(lab: Lab) -> None:
    lab.request("a")
    lab.request("b", policy="Other")
    lab.push("a, b")
    sleeper = lab.begin(script=first("send", "stop-after"))
    lab.sleeping(sleeper)
    lab.pass_time(35)
    other = lab.start()
    assert other.wait() == 0
    sleeper.signal(signal.SIGCONT)
    assert lab.finish(sleeper).code in {0, 6}
    lab.settle()
    lab.holds()


@pytest.mark.parametrize("deed", ["reset-after", "kill-after", "kill-before", "503-before"])
def test_a_former_content_comes_back(lab: Lab, deed: str) -> None:
    """The first revision again: what it left at the target, ended, is not what is looked for."""
    applied(lab, a="First")
    lab.request("a", policy="Second")
    lab.push("second")
    assert lab.apply().code == 0
    lab.request("a", policy="First")
    lab.push("first again")
    assert lab.apply(script=first("send", deed)).code in {6, -9}
    lab.settle()
    assert sorted(status for _, status in lab.sent()) == ["canceled", "canceled", "submitted"]
    lab.holds()


def test_a_mended_request_does_not_wait_for_the_pause_of_the_broken_one(lab: Lab) -> None:
    lab.request("a")
    lab.push("a body that the target refuses")
    assert lab.apply(script=every("send", "400")).code == 6
    lab.request("a", policy="Mended")
    lab.push("mended")
    assert lab.apply().code == 0
    lab.settle()
    lab.holds()


def test_a_refused_request_that_is_taken_back_is_gone_at_once(lab: Lab) -> None:
    applied(lab, stays="Stays")
    lab.request("a")
    lab.push("a body that the target refuses")
    assert lab.apply(script=every("send", "400")).code == 6
    removed(lab, "a")
    assert lab.apply().code == 0
    assert lab.apply().out == "nothing to do\n"
    lab.holds()


def test_a_doubled_correlation_holds_up_nobody_else(lab: Lab) -> None:
    """A person has sent one by hand, with the very correlation; the other request is read back all the same."""
    lab.request("doubled", policy="Doubled")
    lab.request("fine", policy="Fine")
    lab.push("both")
    assert lab.apply(script=every("send", "reset-after")).code == 6
    (body,) = [row["request"] for row in lab.remote() if "doubled" in row["request"]["notes"]]
    headers = {"Authorization": "Bearer pmgitops", "Content-Type": "application/json"}
    path = "/beta/identityGovernance/permissionsManagement/scheduledPermissionsRequests"
    sent = {key: value for key, value in body.items() if key not in {"id", "createdDateTime", "statusDetail"}}
    again = urllib.request.Request(lab.sandbox.url + path, json.dumps(sent).encode(), headers)
    urllib.request.urlopen(again, timeout=10).close()

    lab.pass_time(35)
    ran = lab.apply()

    assert ran.code == 6, ran
    states = {name: stands.state for name, stands in lab.standings().items()}
    assert states == {"doubled": "unknown", "fine": "submitted"}
    assert "two requests with pmgitops:doubled@" in lab.standings()["doubled"].why


def test_removed_and_back_while_it_is_being_ended(lab: Lab) -> None:
    """Access is being taken away, which takes a while; the file is back before it is over: its name is used up."""
    applied(lab, a="First", stays="Stays")
    lab.approve()
    lab.pass_time(60)
    assert lab.apply().code == 0
    lab.control("POST", "settings", {"stepSeconds": 300.0})
    removed(lab, "a")
    assert lab.apply().code == 0
    lab.request("a", policy="First")
    lab.push("back")
    back = lab.apply()
    assert back.code == 1, back
    assert "is being ended" in back.out
    lab.pass_time(400)
    lab.settle()
    assert len(lab.sent()) == 2
    lab.holds(frozenset({"a"}))


@pytest.mark.parametrize("deed", ["kill-before", "kill-after", "503-before", "400"])
def test_removed_and_back_before_the_cancellation_was_answered(lab: Lab, deed: str) -> None:
    """Nobody knows whether it arrived: what was begun is ended, so that the ledger does not say so of access that
    goes on.
    """
    applied(lab, a="First", stays="Stays")
    removed(lab, "a")
    assert lab.apply(script=first("cancel", deed)).code in {6, -9}
    lab.request("a", policy="First")
    lab.push("back")
    lab.pass_time(70)
    lab.apply()
    lab.settle()
    assert sorted(status for _, status in lab.sent()) == ["canceled", "submitted"]
    assert lab.standings()["a"].state == "canceled"
    lab.holds(frozenset({"a"}))


def test_nothing_is_missed_behind_a_watermark(lab: Lab) -> None:
    """A long run looks at the changes a second time, for those that it replaces: it must not skip the rest."""
    applied(lab, replaced="Replaced", approved="Approved", last="Last")
    lab.request("replaced", policy="Other")
    lab.push("replaced")
    slow = lab.begin(script=first("cancel", "stop-after"))
    lab.sleeping(slow)
    ids = {row["request"]["notes"].partition(":")[2].partition("@")[0]: row["id"] for row in lab.remote()}
    lab.control("POST", f"requests/{ids['approved']}/approve")
    lab.pass_time(3600 + 600)
    lab.control("POST", f"requests/{ids['last']}/approve")
    slow.signal(signal.SIGCONT)
    lab.finish(slow)
    lab.settle()
    assert lab.standings()["approved"].state == "completed"
    lab.holds(frozenset({"approved"}))


def test_two_runs_do_not_write_the_same_note(lab: Lab) -> None:
    """One sleeps after it has said that it will write a note; the other sees the note absent."""
    applied(lab, earlier="Earlier")  # a journal that is empty cannot be told from one that is closed
    lab.request("a")
    lab.push("a")
    sleeper = lab.begin(pushes={4: "stop-after"})
    lab.sleeping(sleeper)
    assert lab.events("a")[-1] == "note-pending"
    other = lab.start()
    assert other.wait() in {0, 6}
    sleeper.signal(signal.SIGCONT)
    assert lab.finish(sleeper).code in {0, 6}
    lab.settle()
    lab.holds()
