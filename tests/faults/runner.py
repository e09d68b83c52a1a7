"""One `pmgitops` as a process of its own, with a clock that can be moved: what a runner of CI is to the laboratory.

Nothing of the product is replaced but its clock and how long it waits: `wiring.clock` is the one clock, and pauses are
shortened so that a history takes seconds. The process is forked from a server that has imported everything once, which
saves a second for each of hundreds of runs; it is killed like any other.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import connection
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import set_forkserver_preload
from pathlib import Path

from pmgitops import cli, wiring
from pmgitops.tickets import outbox
from pmgitops.transport import Transport

IMPORTED = [
    *("pmgitops.cli", "pmgitops.wiring", "pmgitops.flows.apply", "pmgitops.ledger.git", "pmgitops.report.outcomes"),
    *("pmgitops.targets.permissions_management.client", "pmgitops.tickets.servicenow", "pmgitops.secrets"),
    *("pmgitops.policy.bundle", "pmgitops.policy.engine", "pmgitops.policy.facts", "pmgitops.judging"),
    *("git", "pysnow", "jinja2.sandbox", "stamina", "requests"),
]


class Runner:
    """A started `pmgitops ARGUMENTS`; what it prints goes to files in `place`."""

    def __init__(
        self, place: Path, arguments: tuple[str, ...], *, offset: Path, haste: float = 100.0, deadline: float = 1.0
    ) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.place = place
        self.out, self.err = place / "out", place / "err"
        self.begun = time.monotonic()
        self._process = _server().Process(
            target=_run,
            args=(arguments, dict(os.environ), (str(self.out), str(self.err)), str(offset), haste, deadline),
            daemon=True,
        )
        self._lock = threading.Lock()
        self._process.start()
        assert self._process.pid
        self.pid: int = self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._code() is None

    def sleeps(self) -> bool:
        """Whether it has been stopped."""
        told = subprocess.run(["ps", "-o", "stat=", "-p", str(self.pid)], capture_output=True, check=False)
        return told.stdout.strip().startswith(b"T")

    def wait(self, seconds: float = 120.0) -> int:
        """Its exit code; -9 where it was killed."""
        connection.wait([self._process.sentinel], seconds)
        code = self._code()
        if code is None:
            self._process.kill()
            raise AssertionError(f"it did not end within {seconds} s\n{self.err.read_text()}")
        return code

    def _code(self) -> int | None:
        """Its exit code is read from a pipe, once: threads that look at the same time take it from each other."""
        with self._lock:
            return self._process.exitcode


def _server() -> ForkServerContext:
    set_forkserver_preload(IMPORTED)
    return multiprocessing.get_context("forkserver")


def _run(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    prints: tuple[str, str],
    offset: str,
    haste: float,
    deadline: float,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    wiring.clock = lambda: datetime.now(UTC) + timedelta(seconds=float(Path(offset).read_text() or 0))
    outbox.SOON = tuple(seconds / haste for seconds in outbox.SOON)
    outbox.LATE = tuple(seconds / haste for seconds in outbox.LATE)
    assert Transport.__init__.__kwdefaults__
    Transport.__init__.__kwdefaults__ |= {"deadline": deadline, "pause": 0.2 / haste}
    with Path(prints[0]).open("w", encoding="utf-8") as out, Path(prints[1]).open("w", encoding="utf-8") as err:
        sys.stdout, sys.stderr = out, err
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            cli.main(list(arguments))
        except SystemExit as left:
            out.flush()
            err.flush()
            os._exit(left.code if isinstance(left.code, int) else 1)
