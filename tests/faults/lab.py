"""The fault laboratory: a world whose runners are real processes that die where a script says, and what must hold.

origin      a bare repository; its hooks kill runners before, while and after a push lands, or cut the push off
proxy       a network in front of the sandbox that kills, refuses, resets, throttles, garbles
runner      `pmgitops apply` from a fresh clone, with a clock of the laboratory's
settle      what an operator does: time passes, `apply` runs again, until it says that there is nothing to do
holds       the invariants
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from pmgitops.ledger.book import Book
from pmgitops.ledger.git import GitLedger
from pmgitops.ledger.standing import Standing
from pmgitops.load import RequestFile, load
from pmgitops.sandbox import Sandbox
from pmgitops.source import Repository
from pmgitops.tickets.evidence import attachment
from pmgitops.tickets.markers import marker_of
from pmgitops.tickets.notes import due
from tests.faults.proxy import Proxy, Script, nothing
from tests.faults.runner import Runner
from tests.world import Ran, World, git

PUSH_DEEDS = ("kill-before", "kill-during", "kill-after", "cut-before", "cut-after", "declined")
"""`before`: the push does not land; `during` and `after`: it does. `cut`: git dies, not the runner."""
LIVE = frozenset({"submitted", "approved"})
"""At the target: not rejected, canceled or completed."""
LEASE = 30
THOROUGH = bool(os.environ.get("PMGITOPS_THOROUGH"))
"""Whether there is time for all that the laboratory can do: half an hour instead of some minutes."""

HOOK = """\
#!/bin/sh
# Plays lab/script, a line for each push: NUMBER DEED. Pushes are counted before they land.
[ -f lab/script ] || exit 0
moment=$(basename "$0")
if [ "$moment" = pre-receive ]; then
    echo x >> lab/pushes
fi
number=$(wc -l < lab/pushes | tr -d ' ')
deed=$(sed -n "s/^$number //p" lab/script)
runner=$(cat lab/runner)
client=$(ps -o pgid= -p $$ | tr -d ' ')
case "$moment $deed" in
    "pre-receive kill-before") kill -9 "$runner"; exit 1 ;;
    "pre-receive kill-during") kill -9 "$runner" ;;
    "post-receive kill-after") kill -9 "$runner" ;;
    "pre-receive stop-before") kill -STOP "$runner" ;;
    "post-receive stop-after") kill -STOP "$runner" ;;
    "pre-receive declined") exit 1 ;;
    "pre-receive hang-before") sleep 15; exit 1 ;;
    "pre-receive cut-before") kill -9 "$client"; exit 1 ;;
    "post-receive cut-after") kill -9 "$client" ;;
esac
exit 0
"""


class Front(NamedTuple):
    """Where the configuration points: the proxy; and where the laboratory looks behind the scenes."""

    graph_url: str
    servicenow_host: str
    url: str


class Lab(World):
    """A world that goes wrong on purpose."""

    def __init__(self, folder: Path, sandbox: Sandbox, proxy: Proxy) -> None:
        host = f"127.0.0.1:{proxy.port}"
        super().__init__(folder, Front(f"http://{host}/beta", host, sandbox.url))  # type: ignore[arg-type]
        self.proxy = proxy
        self.offset = folder / "offset"
        if not self.offset.exists():
            self.offset.write_text("0")
        self.journal: list[str] = []
        """What happened, told when an invariant does not hold."""
        self.haste = 100.0
        self.deadline = 1.0
        self._numbers = itertools.count(1)
        self._runner: Runner | None = None

    def found(self) -> None:
        super().found()
        self.configure(f"ledger: {{lease: {LEASE}s}}\nlimits: {{maxCancellations: 1000}}\n")
        self.push("a short lease")
        (self.origin / "lab").mkdir()
        (self.origin / "lab" / "pushes").touch()
        for moment in ("pre-receive", "post-receive"):
            hook = self.origin / "hooks" / moment
            hook.write_text(HOOK)
            hook.chmod(0o755)

    # Runs

    def cloned(self) -> Path:
        """A fresh clone: a runner of CI keeps nothing."""
        place = self.folder / "runs" / str(next(self._numbers))
        place.parent.mkdir(exist_ok=True)
        git("clone", "-q", str(self.origin), str(place), at=self.folder)
        return place

    def start(self, *arguments: str, at: Path | None = None) -> Runner:
        """`pmgitops apply` as a process."""
        place = at or self.cloned()
        return Runner(
            place / ".git" / "lab",
            ("-C", str(place), "apply", *arguments),
            offset=self.offset,
            haste=self.haste,
            deadline=self.deadline,
        )

    def apply(
        self,
        *arguments: str,
        script: Script = nothing,
        pushes: dict[int, str] | None = None,
        after: float | None = None,
        how: int = signal.SIGKILL,
    ) -> Ran:
        """One run: with this network, with these things happening to its pushes, ended so after so many seconds."""
        runner = self.begin(*arguments, script=script, pushes=pushes)
        timer = threading.Timer(after, runner.signal, [how]) if after is not None else None
        if timer:
            timer.start()
        try:
            return self.finish(runner)
        finally:
            if timer:
                timer.cancel()

    def begin(
        self, *arguments: str, script: Script = nothing, pushes: dict[int, str] | None = None, at: Path | None = None
    ) -> Runner:
        """Start a run; it is the one that the script's kills and stops are for."""
        place = at or self.cloned()
        self._runner = None
        self.proxy.kill, self.proxy.stop = self._kill, self._stop
        self.proxy.begin(script)
        control = self.origin / "lab"
        (control / "pushes").write_text("")
        (control / "runner").write_text("")
        (control / "script").write_text("".join(f"{number} {deed}\n" for number, deed in (pushes or {}).items()))
        self._runner = runner = self.start(*arguments, at=place)
        (control / "runner").write_text(str(runner.pid))
        self.journal.append(f"apply {' '.join(arguments)}, pushes {pushes}")
        return runner

    def finish(self, runner: Runner) -> Ran:
        """Wait for a run, and see what it came to; from here on nothing goes wrong any more."""
        try:
            code = runner.wait()
        finally:
            (self.origin / "lab" / "script").unlink(missing_ok=True)
        self.pushes = self.pushed()
        self.exchanges = list(self.proxy.seen)
        self.proxy.begin()
        ran = Ran(code, _text(runner.out), _text(runner.err))
        self.journal.append(f"{len(self.exchanges)} exchanges: {ran}")
        assert code in {-9, 0, 1, 4, 5, 6, 130}, ran
        shutil.rmtree(runner.place, ignore_errors=True)
        return ran

    def _started(self) -> Runner:
        while self._runner is None:  # it may talk before its start has returned
            time.sleep(0.001)
        return self._runner

    def _kill(self) -> None:
        runner = self._started()
        runner.signal(signal.SIGKILL)
        runner.wait(5)

    def _stop(self) -> None:
        self._started().signal(signal.SIGSTOP)

    def sleeping(self, runner: Runner) -> None:
        """Wait until a run has been stopped."""
        until = time.monotonic() + 30
        while not runner.sleeps():
            assert time.monotonic() < until, "it was not stopped"
            assert runner.runs(), Ran(runner.wait(), _text(runner.out), _text(runner.err))
            time.sleep(0.01)

    def pushed(self) -> int:
        """How many pushes have begun."""
        return len((self.origin / "lab" / "pushes").read_text().split())

    def now(self) -> datetime:
        """The runners' time."""
        return datetime.now(UTC) + timedelta(seconds=float(self.offset.read_text()))

    def pass_time(self, seconds: float) -> None:
        """For everybody: runners and services alike, and what is on its way arrives first."""
        if seconds:
            self.proxy.rest()
        self.offset.write_text(str(float(self.offset.read_text()) + seconds))
        self.advance(int(seconds))

    def settle(self, *, most: int = 8, pause: float = LEASE + 5) -> list[Ran]:
        """Clean runs, with time passing, until one has nothing to do."""
        runs = []
        for _ in range(most):
            self.pass_time(pause)
            runs.append(self.apply("--allow", "empty"))
            if runs[-1].code == 0 and runs[-1].out == "nothing to do\n":
                return runs
        raise AssertionError("it does not come to rest\n" + "\n".join(map(str, self.journal[-most - 2 :])))

    # Looking

    def standings(self) -> dict[str, Standing]:
        """What the ledger at the origin says."""
        with self.ledger() as ledger:
            names = list(ledger.names())
            return Book(ledger, lambda: None).standings(names)  # type: ignore[arg-type, return-value]

    def events(self, name: str) -> list[str]:
        """The history of a request, in words."""
        with self.ledger() as ledger:
            return [event.event for event in ledger.history(name)]

    @contextlib.contextmanager
    def ledger(self) -> Iterator[GitLedger]:
        """The origin's ledger, read there."""
        place = self.cloned()
        ledger = GitLedger(Repository(place))
        ledger.refresh()
        yield ledger
        shutil.rmtree(place)

    def wanted(self) -> dict[str, str]:
        """What git wants: the revision of each request."""
        files = (load(path.name, path.read_bytes()) for path in sorted(self.clone.glob("requests/**/*.yaml")))
        return {file.name: file.request.revision for file in files if isinstance(file, RequestFile)}

    def sent(self) -> list[tuple[str, str]]:
        """Correlation and status of every request at the target."""
        return [(request["request"]["notes"].rsplit("\n")[-1], request["status"]) for request in self.remote()]

    def journaled(self) -> Counter[str]:
        """How often each marker stands in any ticket."""
        tickets = {ticket["number"] for ticket in self.control("GET", "tickets")["tickets"]}
        rows = [row for number in tickets for row in self.control("GET", f"tickets/{number}")["journal"]]
        return Counter(marker for row in rows for marker in re.findall(r"pmgitops/1 [0-9a-f]{32}", row["value"]))

    def attached(self) -> Counter[tuple[str, str]]:
        """How often each file is attached to any ticket: its name and its digest."""
        tickets = [ticket["number"] for ticket in self.control("GET", "tickets")["tickets"]]
        rows = [row for number in tickets for row in self.control("GET", f"tickets/{number}")["attachments"]]
        return Counter((row["file_name"], row["hash"]) for row in rows)

    def final(self) -> dict[str, Any]:
        """Where everything ended up, but for ids and times: equal for every history of the same wishes."""
        told = {
            name: [(transition.name, transition.revision[:12]) for transition in stands.transitions]
            for name, stands in self.standings().items()
        }
        return {
            "target": sorted(self.sent()),
            "states": {name: (stands.state, stands.revision) for name, stands in self.standings().items()},
            "told": told,
            "notes": sorted(note for note in self.notes()),
        }

    def holds(self, ended: frozenset[str] = frozenset()) -> None:
        """The invariants, once everything has come to rest. `ended` names requests that are over by themselves."""
        story = "\n".join(map(str, self.journal))
        sent, wanted, standings = self.sent(), self.wanted(), self.standings()
        doubled = [correlation for correlation, count in Counter(mark for mark, _ in sent).items() if count > 1]
        assert not doubled, f"sent twice: {doubled}\n{story}"
        live = Counter(mark for mark, status in sent if status in LIVE)
        names = Counter(mark.removeprefix("pmgitops:").partition("@")[0] for mark in live)
        assert dict(names) == dict.fromkeys(wanted.keys() - ended, 1), f"{names}\n{story}"
        for name, revision in wanted.items():
            if name not in ended:
                assert any(mark.startswith(f"pmgitops:{name}@{revision[:12]}") for mark in live), story
        for name, stands in standings.items():
            holds = {request["id"] for request in self.remote() if request["status"] in LIVE}
            assert (stands.remote_id in holds) is (stands.holds), f"{name}: {stands}\n{story}"
        with self.ledger() as ledger:
            assert list(ledger.verify_all()) == [], story
            histories = ledger.histories(standings)
        for name, stands in standings.items():
            assert not due(stands, histories[name]), f"{name} has notes due\n{story}"
        notes = self.journaled()
        assert max(notes.values(), default=1) == 1, (
            f"{[marker for marker, count in notes.items() if count > 1]}\n{story}"
        )
        owed = {
            marker_of(stands.name, told.ticket, told)
            for stands in standings.values()
            for told in stands.transitions
            if told.ticket
        }
        assert notes.keys() == owed, story
        files = self.attached()
        assert max(files.values(), default=1) == 1, f"{[name for name, count in files.items() if count > 1]}\n{story}"
        given = {
            file.file: file.sha256
            for name, stands in standings.items()
            for told in stands.transitions
            if (file := attachment(stands, told, histories[name]))
        }
        assert files.keys() == set(given.items()), story


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@contextlib.contextmanager
def laboratory(folder: Path, proxy: Proxy, template: Path | None = None) -> Iterator[Lab]:
    """A laboratory: with an empty world, or with a copy of one that was closed before."""
    if template:
        shutil.copytree(template, folder, symlinks=True, ignore=shutil.ignore_patterns("runs"))
    else:
        folder.mkdir()
    with Sandbox(state=folder / "state") as sandbox:
        proxy.upstream = sandbox.port
        lab = Lab(folder, sandbox, proxy)
        if template:
            git("remote", "set-url", "origin", str(lab.origin), at=lab.clone)
        else:
            lab.found()
        yield lab
