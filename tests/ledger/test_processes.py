"""Several runners at once, each a process of its own; and runners that are killed."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pmgitops.ledger.git import GitLedger
from pmgitops.ledger.interface import Entry
from pmgitops.source import Repository

WORKER = """
import sys
from pathlib import Path
from pmgitops.ledger.git import GitLedger
from pmgitops.ledger.interface import Entry
from pmgitops.source import Repository

place, me, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
ledger = GitLedger(Repository(Path(place)))
ledger.refresh()
for number in range(rounds):
    wanted = {me, "shared"}
    while wanted:
        seen = {name: len(events) for name, events in ledger.histories(wanted).items()}
        entries = [Entry(name, "turn", {"by": me, "number": number}, seen[name]) for name in sorted(wanted)]
        wanted = ledger.append(entries, opened=wanted)
"""
"""Appends to a history of its own and to one that all share, `rounds` times each; reads again when it was late."""

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a worker in a clone."""

    def run(place: Path, me: str, rounds: int) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-c", WORKER, str(place), me, str(rounds)],
            env=environment,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )

    return run


def finish(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 0, errors.decode()


@pytest.mark.parametrize(("runners", "rounds", "together"), [(2, 4, False), (8, 2, False), (4, 2, True)])
def test_nothing_is_lost_or_doubled(clone, runner, start, runners, rounds, together):
    """Each in a clone of its own, as on different machines, or all in one."""
    names = [f"runner-{number}" for number in range(runners)]
    places = [clone("one-for-all")] * runners if together else [clone(name) for name in names]
    finish([start(place, name, rounds) for place, name in zip(places, names, strict=True)])

    ledger = runner("reader")
    ledger.refresh()
    turns = Counter((name, number) for name in names for number in range(rounds))
    shared = ledger.history("shared")
    assert Counter((event.data["by"], event.data["number"]) for event in shared) == turns
    for name in names:
        assert [event.data for event in ledger.history(name)] == [
            {"by": name, "number": number} for number in range(rounds)
        ]
    assert ledger.open() == {*names, "shared"}
    assert list(ledger.verify_all()) == []


def test_a_killed_runner_leaves_a_ledger_that_others_continue(clone, runner, start, git):
    """Killed at whatever moment: what it had pushed stands, and neither its clone nor the remote is harmed."""
    place = clone("killed")
    for wait in (0.4, 0.43, 0.47, 0.52):
        worker = start(place, f"after-{wait}", 1000)
        time.sleep(wait)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()

    same_clone, another = GitLedger(Repository(place)), runner("another")
    for ledger in (same_clone, another):
        ledger.refresh()
        assert list(ledger.verify_all()) == []
    turns = Counter((event.data["by"], event.data["number"]) for event in another.history("shared"))
    assert set(turns.values()) <= {1}
    for name in set(another.names()) - {"shared"}:
        # One more, where it died between its own turn and the shared one that it had lost to a push of the one before.
        assert len(another.history(name)) - sum(by == name for by, _ in turns) in (0, 1)
    assert same_clone.append([Entry("next", "turn")]) == frozenset()
    git(place, "fsck", "--strict", "--no-dangling")
