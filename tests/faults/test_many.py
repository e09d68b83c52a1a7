"""Many requests, many deaths, several runners: each request once, and then there is nothing to do."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

import pytest

from tests.faults.lab import LEASE, Lab
from tests.faults.proxy import FAULTS, Exchange, Script


def weather(share: float, seed: int) -> Script:
    """A network in which this share of the exchanges goes wrong, in every way."""
    chance = random.Random(seed)
    return lambda _: chance.choice(FAULTS) if chance.random() < share else ""


def merged(lab: Lab, count: int) -> None:
    for number in range(count):
        lab.request(f"request-{number}", policy=f"Policy{number}")
    lab.push(f"{count} requests")


@pytest.mark.parametrize("seed", [1])
def test_sixty_requests_and_twenty_five_deaths(lab: Lab, seed: int) -> None:
    """25 runs killed at a random moment, each from a fresh clone, with 20 % faults of every kind."""
    chance = random.Random(seed)
    merged(lab, 60)
    deaths = runs = 0
    while deaths < 25:
        runs += 1
        assert runs < 100, "too many lived"
        ran = lab.apply(script=weather(0.2, seed * 1000 + runs), after=chance.uniform(0.05, 2.0))
        deaths += ran.code == -9
        lab.pass_time(chance.choice([0, 10, LEASE + 5]))

    lab.settle(most=12)

    assert len(lab.remote()) == 60
    assert Counter(status for _, status in lab.sent()) == {"submitted": 60}
    assert lab.apply().out == "nothing to do\n"
    lab.holds()


def test_two_runs_at_once(lab: Lab) -> None:
    """From two clones: each request once, both exit 0 or 6, a third has nothing to do."""
    merged(lab, 40)
    one, other = lab.start(), lab.start()
    assert {one.wait(), other.wait()} <= {0, 6}
    third = lab.apply()
    assert (third.code, third.out) == (0, "nothing to do\n"), third
    assert len(lab.remote()) == 40
    lab.holds()


def test_three_runs_at_once_of_which_one_dies_and_one_sleeps(lab: Lab) -> None:
    merged(lab, 30)
    runners = [lab.start() for _ in range(3)]
    runners[0].signal(signal.SIGSTOP)
    while len(lab.remote()) < 5:
        pass
    runners[1].signal(signal.SIGKILL)
    assert runners[2].wait() in {0, 6}
    lab.pass_time(LEASE + 5)
    assert lab.start().wait() in {0, 6}
    runners[0].signal(signal.SIGCONT)
    assert runners[0].wait() in {0, 6}
    lab.settle()
    assert len(lab.remote()) == 30
    lab.holds()


def test_two_runs_end_and_replace_at_once(lab: Lab) -> None:
    """One cancellation for each; what is replaced is sent once."""
    merged(lab, 20)
    assert lab.apply().code == 0
    for number in range(10):
        lab.request(f"request-{number}", policy=f"Policy{number}", duration="PT2H")
        (lab.clone / f"requests/team/request-{number + 10}.yaml").unlink()
    lab.push("half of them change, half of them go")
    one, other = lab.start(), lab.start()
    assert {one.wait(), other.wait()} <= {0, 6}
    lab.settle()
    assert Counter(status for _, status in lab.sent()) == {"canceled": 20, "submitted": 10}
    lab.holds()


def test_pushes_are_shared(lab: Lab) -> None:
    """At most one push for fifty requests, where no tickets are told."""
    lab.configure("limits: {maxCancellations: 1000}\n", tickets=False)
    merged(lab, 200)
    assert lab.apply().code == 0
    assert lab.pushes <= 4
    assert len(lab.remote()) == 200


def test_throttling_is_obeyed_by_the_whole_client(lab: Lab) -> None:
    """One answer asks for a second: nobody sends within that second, and all is sent in the end."""
    lab.configure("limits: {maxCancellations: 1000}\n", tickets=False)
    merged(lab, 24)
    sends: list[tuple[float, str]] = []

    def script(exchange: Exchange) -> str:
        if exchange.kind != "send":
            return ""
        sends.append((time.monotonic(), "429" if len(sends) == 12 else ""))
        return sends[-1][1]

    lab.deadline = 10.0
    assert lab.apply(script=script).code == 0
    (asked,) = [at for at, deed in sends if deed]
    # Those that were under way when the answer came are not called back.
    within = [at for at, _ in sends if asked + 0.2 < at < asked + 0.95]
    assert not within
    assert len(sends) == 25
    lab.settle()
    lab.holds()
