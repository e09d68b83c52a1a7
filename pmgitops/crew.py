"""A few threads that share a list of work, and stop when they are told to.

`ThreadPoolExecutor` cannot leave a call behind: the interpreter joins its threads before it exits, so a runner that was
told to stop would wait for the slowest service. These threads are daemons; what they have not finished is left to
whoever reads the ledger next.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import TypeVar

Work = TypeVar("Work")
Done = TypeVar("Done")

GRACE = 6.0
"""Seconds that work under way is given once the crew was told to stop."""


def in_parallel(
    act: Callable[[Work], Done],
    items: Sequence[Work],
    *,
    hands: int,
    stopping: Callable[[], bool],
    grace: float = GRACE,
) -> list[Done | None]:
    """`act` on every item, in the order of the items; None for what was not begun, or not finished within `grace`.

    An exception of `act` is raised here once all others have ended.
    """
    waiting = deque(enumerate(items))
    done: dict[int, Done] = {}
    raised: list[Exception] = []
    changed = Condition()
    working = min(hands, len(items))

    def work() -> None:
        nonlocal working
        try:
            while not stopping():
                with changed:
                    if not waiting:
                        return
                    place, item = waiting.popleft()
                try:
                    outcome = act(item)
                except Exception as error:  # noqa: BLE001  # raised again by whoever waits
                    raised.append(error)
                    continue
                with changed:
                    done[place] = outcome
        finally:
            with changed:
                working -= 1
                changed.notify()

    for number in range(working):
        Thread(target=work, daemon=True, name=f"pmgitops-{number}").start()
    until: float | None = None
    with changed:
        while not changed.wait_for(lambda: not working, timeout=0.05):
            if until is None and stopping():
                until = time.monotonic() + grace
            if until is not None and time.monotonic() > until:
                break
        if raised:
            raise raised[0]
        return [done.get(place) for place in range(len(items))]


class Stopped(Exception):  # noqa: N818  # no error: somebody asked for it
    """The run was told to end before this was done."""


def unless_stopped(act: Callable[[], Done], *, stopping: Callable[[], bool], grace: float = 0.0) -> Done:
    """What `act` returns; Stopped where the run was told to end and `act` has not ended within `grace`."""
    outcome = in_parallel(lambda _: (act(),), [None], hands=1, stopping=stopping, grace=grace)[0]
    if outcome is None:
        raise Stopped
    return outcome[0]
