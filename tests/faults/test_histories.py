"""Histories that nobody thought of: hypothesis merges, changes, removes, approves, lets time pass, and runs `apply`
under faults, deaths and rivals. Whatever came before, a few clean runs later everything is as git wants it.

`PMGITOPS_THOROUGH=1` tells more of them, and longer ones.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.faults.lab import LEASE, PUSH_DEEDS, THOROUGH, laboratory
from tests.faults.proxy import FAULTS, KILLS, Exchange, Proxy, Script

EXAMPLES, STEPS = (40, 30) if THOROUGH else (3, 12)
NAMES = [f"request-{number}" for number in range(12)]
POLICIES = ["One", "Two", "Three"]
LONG = "PT8H"
"""No request ends by itself while a history lasts: time is moved by minutes."""


class Histories(RuleBasedStateMachine):
    """What git wants is what is in `files`; names are never used again."""

    proxy: Proxy

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pmgitops-histories-"))
        self.world = laboratory(self.folder / "lab", self.proxy)
        self.lab = self.world.__enter__()
        self.files: dict[str, str] = {}
        self.fresh = iter(NAMES)
        self.spare = len(NAMES)

    # What people do

    @precondition(lambda self: self.spare > 0)
    @rule(policy=st.sampled_from(POLICIES), count=st.integers(1, 3))
    def file(self, policy: str, count: int) -> None:
        """Merge new requests."""
        for _ in range(min(count, self.spare)):
            self.spare -= 1
            self._write(next(self.fresh), policy)
        self.lab.push("new requests")

    @precondition(lambda self: self.files)
    @rule(data=st.data(), policy=st.sampled_from(POLICIES))
    def change(self, data: st.DataObject, policy: str) -> None:
        """Merge another content, which may be a former one."""
        name = data.draw(st.sampled_from(sorted(self.files)))
        if self.files[name] != policy:
            self._write(name, policy)
            self.lab.push(f"{name} changes")

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        del self.files[name]
        (self.lab.clone / f"requests/team/{name}.yaml").unlink()
        self.lab.push(f"{name} goes")

    @precondition(lambda self: self.files)
    @rule()
    def approve(self) -> None:
        self.lab.approve()

    @rule(seconds=st.sampled_from([5, LEASE + 5, 400]))
    def wait(self, seconds: int) -> None:
        self.lab.pass_time(seconds)

    # What runners do

    @rule(number=st.integers(1, 25), deed=st.sampled_from([*FAULTS, *KILLS]), lasting=st.integers(1, 4))
    def apply_on_a_bad_network(self, number: int, deed: str, lasting: int) -> None:
        self._note(self.lab.apply("--allow", "empty", script=_between(number, number + lasting, deed)).code)

    @rule(number=st.integers(1, 8), deed=st.sampled_from(PUSH_DEEDS))
    def apply_on_a_bad_git(self, number: int, deed: str) -> None:
        self._note(self.lab.apply("--allow", "empty", pushes={number: deed}).code)

    @rule(after=st.floats(0.05, 1.5), how=st.sampled_from([signal.SIGKILL, signal.SIGTERM]))
    def apply_and_end(self, after: float, how: signal.Signals) -> None:
        self._note(self.lab.apply("--allow", "empty", after=after, how=how).code)

    @rule()
    def apply_twice_at_once(self) -> None:
        one, other = (self.lab.start("--allow", "empty") for _ in range(2))
        for code in (one.wait(), other.wait()):
            self._note(code)

    # What must hold

    def teardown(self) -> None:
        try:
            self.lab.settle(most=12)
            assert self.lab.wanted().keys() == self.files.keys()
            self.lab.holds()
        finally:
            self.world.__exit__(None, None, None)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, policy: str) -> None:
        self.files[name] = policy
        self.lab.request(name, policy=policy, duration=LONG)

    def _note(self, code: int) -> None:
        assert code in {-9, 0, 6, 130}, "\n".join(self.lab.journal)


def _between(first: int, last: int, deed: str) -> Script:
    def script(exchange: Exchange) -> str:
        return deed if first <= exchange.number < last else ""

    return script


def test_histories(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Histories, "proxy", proxy, raising=False)
    phases = [Phase.explicit, Phase.generate] + [Phase.shrink] * THOROUGH
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=not THOROUGH,
        phases=phases,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Histories, settings=profile)
