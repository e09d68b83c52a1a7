"""Told to end (SIGTERM, Ctrl-C): over within 10 seconds with 130, a clean ledger, and the next run goes on at once."""

from __future__ import annotations

import signal
import time

import pytest

from pmgitops.ledger.standing import instant
from tests.faults.lab import Lab
from tests.faults.proxy import Exchange, Script

SIGNALS = pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])


def ended(lab: Lab, how: int, script: Script, *, kind: str) -> float:
    """Start a run, tell it to end while an exchange of this kind is under way; how long it took."""
    runner = lab.begin(script=script)
    until = time.monotonic() + 30
    while not any(exchange.kind == kind for exchange in list(lab.proxy.seen)):
        assert time.monotonic() < until
        time.sleep(0.005)
    begun = time.monotonic()
    runner.signal(how)
    assert lab.finish(runner).code == 130
    taken = time.monotonic() - begun
    with lab.ledger() as ledger:
        assert list(ledger.verify_all()) == []
    return taken


def requests(lab: Lab, count: int) -> None:
    for number in range(count):
        lab.request(f"r-{number}", policy=f"P{number}")
    lab.push(f"{count} requests")


@SIGNALS
def test_while_sending(lab: Lab, how: int) -> None:
    """What has begun is finished and recorded, the rest is not begun; the next run sends it without waiting."""
    requests(lab, 40)
    assert ended(lab, how, lambda exchange: "slow" if exchange.kind == "send" else "", kind="send") < 10
    states = {stands.state for stands in lab.standings().values()}
    assert states <= {"submitted", "failed"}
    assert 0 < len(lab.remote()) < 40

    assert lab.apply().code == 0
    assert lab.apply().out == "nothing to do\n"
    lab.holds()


@SIGNALS
@pytest.mark.parametrize("kind", ["ticket-read", "read", "note", "file", "send"])
def test_while_a_service_hangs(lab: Lab, how: int, kind: str) -> None:
    """A service that never answers holds up no ending; reads are left at once, writes are given a moment."""
    requests(lab, 2)
    assert lab.apply().code == 0
    lab.approve()
    lab.pass_time(60)
    lab.request("r-2", policy="P2")
    lab.push("one more")
    lab.deadline = 60.0

    def hangs(exchange: Exchange) -> str:
        return "hanging" if exchange.kind == kind else ""

    assert ended(lab, how, hangs, kind=kind) < (3 if "read" in kind else 10)
    lab.deadline = 1.0
    lab.proxy.hang_up()
    lab.settle()
    lab.holds()


@SIGNALS
@pytest.mark.parametrize("kind", ["note", "file"])
def test_while_it_waits_to_look_again(lab: Lab, how: int, kind: str) -> None:
    """After a write that was not answered a ticket is looked at for more than a minute: nobody has to wait for that."""
    requests(lab, 1)
    assert lab.apply().code == 0
    lab.request("r-1", policy="P1")
    lab.push("one more")
    lab.haste = 1.0

    assert ended(lab, how, lambda exchange: "reset-before" if exchange.kind == kind else "", kind=kind) < 10

    lab.haste = 100.0
    lab.settle()
    lab.holds()


@SIGNALS
def test_while_reading_back(lab: Lab, how: int) -> None:
    """The claim is given back: the next run reads back at once."""
    requests(lab, 2)
    assert lab.apply(pushes={1: "kill-after"}).code == -9
    lab.pass_time(35)
    lab.deadline = 60.0
    assert ended(lab, how, lambda exchange: "hanging" if exchange.kind == "read" else "", kind="read") < 3
    lab.deadline = 1.0
    assert all(instant(stands.until) <= lab.now() for stands in lab.standings().values())
    assert lab.apply().code == 0
    assert lab.apply().out == "nothing to do\n"
    lab.holds()


def test_a_note_that_was_not_begun_waits_for_nobody(lab: Lab) -> None:
    requests(lab, 12)
    assert ended(lab, signal.SIGTERM, lambda exchange: "slow" if exchange.kind == "note" else "", kind="note") < 10
    notes = [stands for stands in lab.standings().values() if "pending" in stands.notes.values()]
    assert not notes
    assert lab.apply().code == 0
    assert lab.apply().out == "nothing to do\n"
    lab.holds()


def test_the_second_time_it_ends_at_once(lab: Lab) -> None:
    requests(lab, 2)
    lab.deadline = 60.0
    runner = lab.begin(script=lambda exchange: "hanging" if exchange.kind == "send" else "")
    while not any(exchange.kind == "send" for exchange in list(lab.proxy.seen)):
        time.sleep(0.005)
    runner.signal(signal.SIGINT)
    time.sleep(0.3)
    begun = time.monotonic()
    runner.signal(signal.SIGINT)
    assert lab.finish(runner).code == 130
    assert time.monotonic() - begun < 2
    lab.deadline = 1.0
    lab.proxy.hang_up()
    lab.settle()
    lab.holds()


def test_while_git_hangs(lab: Lab) -> None:
    """The push of the outcomes does not return: the run is over all the same, and the next one reads back."""
    requests(lab, 2)
    runner = lab.begin(pushes={2: "hang-before"})
    while lab.pushed() < 2:
        time.sleep(0.01)
    begun = time.monotonic()
    runner.signal(signal.SIGTERM)
    assert lab.finish(runner).code == 130
    assert time.monotonic() - begun < 10
    lab.settle()
    lab.holds()
