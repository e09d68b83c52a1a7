"""Everything one sandbox is: its store, its behaviour, the faults it is to make, and the log of what it was asked."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .behaviour import Behaviour
from .faults import Faults
from .graph.catalog import seed_inventory
from .servicenow.seed import seed_records
from .servicenow.visitors import Visitors
from .store import Store

_LONGEST_LOG = 100_000


@dataclass
class World:
    """Passed to every part; `reset` makes it new."""

    store: Store
    behaviour: Behaviour = field(default_factory=Behaviour)
    faults: Faults = field(default_factory=Faults)
    visitors: Visitors = field(default_factory=Visitors)
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_LONGEST_LOG))
    inventory: str = "small"
    """What discovery finds: `small`, or `large` (500 systems, 20,000 identities, AWS's full list of actions)."""

    @classmethod
    def open(cls, state: Path | None, seed: int, at: int | None = None, inventory: str = "small") -> World:
        """In memory, or on a file that may hold an earlier run's state; the clock stands at an instant, or runs."""
        world = cls(Store(state, seed, at), inventory=inventory)
        if world.store.empty:
            world.furnish()
        return world

    def reset(self) -> None:
        """As it was at first: seeded data, default behaviour, no faults, an empty log, its first time."""
        self.store.erase()
        self.behaviour = Behaviour()
        self.faults.clear()
        self.visitors = Visitors()
        self.log.clear()
        self.furnish()

    def furnish(self) -> None:
        """Put in the systems, users and tickets that every sandbox starts with."""
        with self.store.transaction():
            seed_inventory(self.store, self.inventory)
            seed_records(self.store)
