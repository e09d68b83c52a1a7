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

    def work() -> None:
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
                changed.notify()

    crew = [Thread(target=work, daemon=True, name=f"pmgitops-{number}") for number in range(min(hands, len(items)))]
    for thread in crew:
        thread.start()
    _await(crew, changed, stopping, grace)
    if raised:
        raise raised[0]
    with changed:
        return [done.get(place) for place in range(len(items))]


def _await(crew: Sequence[Thread], changed: Condition, stopping: Callable[[], bool], grace: float) -> None:
    """Until every thread has ended; once told to stop, no longer than `grace`."""
    until: float | None = None
    while any(thread.is_alive() for thread in crew):
        if until is None and stopping():
            until = time.monotonic() + grace
        if until is not None and time.monotonic() > until:
            return
        with changed:
            changed.wait(0.05)
