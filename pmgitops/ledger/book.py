"""The ledger as a run uses it: standings read when asked for, events gathered and pushed together.

What another runner has moved in the meantime is not written: `push` names it, and the run leaves that request alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from pmgitops.ledger.interface import RUN, Entry, Event, Ledger
from pmgitops.ledger.standing import Standing, after, standing
from pmgitops.model.scalars import instant_text

Clock = Callable[[], datetime]


class Book:
    """Standings by name, and the events that are about to be written."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._standings: dict[str, Standing | None] = {}
        self._pending: list[Entry] = []

    def load(self, names: Iterable[str]) -> None:
        """Read the standings of these names, all at once."""
        missing = [name for name in names if name not in self._standings]
        if missing:
            histories = self._ledger.histories(missing)
            self._standings |= {name: standing(name, histories[name]) for name in missing}

    def load_open(self) -> frozenset[str]:
        """Read the standings of all requests that a run has to look at; their names."""
        names = self._ledger.open()
        self.load(names)
        return names

    def __getitem__(self, name: str) -> Standing | None:
        self.load((name,))
        return self._standings[name]

    def standings(self, names: Iterable[str]) -> dict[str, Standing]:
        """The standings among these names that the ledger has."""
        names = tuple(names)
        self.load(names)
        return {name: stands for name in names if (stands := self._standings[name])}

    def carried(self, tickets: Iterable[str]) -> dict[str, frozenset[str]]:
        """By the sys_id of a ticket, the names that it has ever carried."""
        return self._ledger.carried(tickets)

    def histories(self, names: Iterable[str]) -> dict[str, tuple[Event, ...]]:
        """The events of these requests as they were last pushed or read."""
        return self._ledger.histories(names)

    def run(self) -> dict[str, Any]:
        """The last applied commit and the targets' watermarks."""
        last = self._ledger.last(RUN)
        return dict(last.data) if last else {}

    def write(self, name: str, event: str, **data: Any) -> None:
        """Gather an event; it is durable, and the standing moves, only with the next push."""
        stands = self[name]
        self._pending.append(Entry(name, event, data, stands.seq if stands else 0))

    def write_run(self, event: str, **data: Any) -> None:
        """Gather an event of the run's own chain; each carries all that `run` tells, so that only the last is read."""
        last = self._ledger.last(RUN)
        self._pending.append(Entry(RUN, event, self.run() | data, last.seq if last else 0))

    def push(self) -> AbstractSet[str]:
        """Make the gathered events durable, in one push; the names that had moved on and were not written."""
        if not self._pending:
            return frozenset()
        entries, self._pending = self._pending, []
        at = self._clock().replace(microsecond=0)  # as events tell it
        moved = self._moved(entries, instant_text(at))
        opened = {name for name, stands in moved.items() if stands.open}
        carried = {entry.name: str(entry.data["ticket"]["sys_id"]) for entry in entries if _links(entry)}
        lost = self._ledger.append(entries, at=at, opened=opened, closed=moved.keys() - opened, carried=carried)
        # What was written is folded in as reading it would; what others have moved is read again.
        self._standings |= moved
        for name in lost:
            self._standings.pop(name, None)
        self.load(lost - {RUN})
        return lost

    def _moved(self, entries: Iterable[Entry], at: str) -> dict[str, Standing]:
        """The standings as the entries leave them."""
        moved: dict[str, Standing] = {}
        for entry in entries:
            if entry.name != RUN:
                before = moved.get(entry.name) or self[entry.name] or Standing(entry.name)
                moved[entry.name] = after(before, Event(before.seq + 1, at, entry.event, entry.data, ""))
        return moved


def _links(entry: Entry) -> bool:
    """Whether a ticket carries the request from this event on."""
    return entry.event == "intended" and bool(entry.data.get("ticket"))
