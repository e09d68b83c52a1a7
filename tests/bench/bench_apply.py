"""`apply` against the floors, in one run: a bare client that sends the same bodies; `git fetch` and `git rev-parse`.

    python -m tests.bench.bench_apply [--requests N] [--ended N]

The sandbox is a process of its own, fresh for each side; the bare client has as many threads as `apply` has hands.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from pmgitops.ledger import chain
from pmgitops.ledger.git import BRANCH, path_of
from pmgitops.ledger.interface import RUN, Entry
from pmgitops.load import RequestFile, load
from pmgitops.reconcile import Reconciler
from pmgitops.targets import TARGETS
from tests.world import ENVIRONMENT, POLICY, REQUEST

FLOW = """
import sys, time
from pathlib import Path
from pmgitops import wiring
from pmgitops.flows import apply as flow

for _ in range(int(sys.argv[2])):
    begun = time.perf_counter()
    space = wiring.workspace(Path(sys.argv[1]), merged=True)
    assert flow.at_rest(space.book(), space.head)
    print(1000 * (time.perf_counter() - begun))
"""
"""The flow alone, in a process that has imported everything."""
MEASURED = """
import sys
from pathlib import Path
from pmgitops.cli import main
try:
    main(sys.argv[1:])
finally:
    print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
"""
"""The run, and what it held at most in kB. (`ru_maxrss` would tell of whoever started it, too.)"""
ROUNDS = 7


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--requests", type=int, default=1_000)
    arguments.add_argument("--ended", type=int, default=10_000)
    given, _ = arguments.parse_known_args()
    for name in [name for name in os.environ if name.startswith(("GIT_", "PMGITOPS_"))]:
        del os.environ[name]
    os.environ |= ENVIRONMENT
    with tempfile.TemporaryDirectory(prefix="pmgitops-bench-") as folder:
        sending(Path(folder) / "sending", given.requests)
        for ended in (given.ended // 10, given.ended):
            resting(Path(folder) / str(ended), ended)


def sending(folder: Path, count: int) -> None:
    """New requests, all of them passing policies, without tickets (bound: 2 times the bare client)."""
    files = {f"requests/team-{number // 500:03}/r-{number:06}.yaml": wanted(number) for number in range(count)}
    bodies = [body(path, text) for path, text in files.items()]
    took: dict[str, list[float]] = {"a bare client, the same bodies": [], "pmgitops apply": []}
    pushes, memory = 0, ""
    for turn in range(4):
        with sandbox() as url:
            took["a bare client, the same bodies"].append(bare(url, bodies))
        with sandbox() as url:
            clone = repository(folder / str(turn), url, files)
            if turn:
                took["pmgitops apply"].append(run(clone))
            else:
                memory = peak(clone)
            sent = requests.get(f"{url}/_control/requests", timeout=60).json()["requests"]
            assert len(sent) == count
            pushes = int(git(folder / str(turn) / "origin.git", "rev-list", "--count", BRANCH))
    told(f"{count:,} new requests", took)
    say(f"  {pushes} pushes, {count / pushes:.0f} requests a push; at most {memory}")


def resting(folder: Path, ended: int) -> None:
    """Nothing to do, whatever has ended (bound of the flow: 2 times git alone; memory does not grow)."""
    files = {f"requests/team-{number // 500:03}/r-{number:06}.yaml": wanted(number) for number in range(ended)}
    clone = repository(folder, "http://127.0.0.1:9", files, ledger=True)
    git(folder, "clone", "-q", git(clone, "remote", "get-url", "origin"), "other")
    flows = subprocess.run(
        [sys.executable, "-c", FLOW, str(clone), str(ROUNDS + 2)], stdout=subprocess.PIPE, check=True
    )
    took: dict[str, list[float]] = {
        "git fetch, git rev-parse": [timed(lambda: fetched(folder / "other")) for _ in range(ROUNDS)],
        "the flow": [float(line) for line in flows.stdout.split()][2:],
        "pmgitops apply, the process": [run(clone) for _ in range(ROUNDS)],
    }
    told(f"nothing to do, {ended:,} ended", took)
    say(f"  at most {peak(clone)}")


def fetched(clone: Path) -> None:
    git(clone, "fetch", "-q", "origin")
    git(clone, "rev-parse", "origin/main")


def bare(url: str, bodies: list[dict[str, Any]]) -> float:
    """Send the bodies with as many threads as a run has hands; milliseconds."""
    address = f"{url}/beta/identityGovernance/permissionsManagement/scheduledPermissionsRequests"
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer pmgitops"
        session.trust_env = False

        def send(body: dict[str, Any]) -> None:
            assert session.post(address, json=body, timeout=20).status_code == 201

        hands: int = Reconciler.__dataclass_fields__["parallel"].default
        begun = time.perf_counter()
        with ThreadPoolExecutor(hands) as pool:
            list(pool.map(send, bodies))
        return 1000 * (time.perf_counter() - begun)


def told(title: str, took: dict[str, list[float]]) -> None:
    """The median of each, and its ratio to the first."""
    base = statistics.median(next(iter(took.values())))
    say(f"\n{title}")
    for name, times in took.items():
        wall = statistics.median(times)
        say(f"  {name:34} {wall:9.1f} ms   {wall / base:6.2f}x")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - begun)


def run(clone: Path) -> float:
    """Milliseconds of a run that succeeds."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pmgitops", "-C", str(clone), "apply"], stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - begun)


def peak(clone: Path) -> str:
    """The most memory that a run holds."""
    if not Path("/proc/self/status").exists():
        return "not measured here"
    command = [sys.executable, "-c", MEASURED, "-C", str(clone), "apply"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return f"{int(done.stdout.split()[-1]) // 1024} MB"


# What there is to work on


@contextlib.contextmanager
def sandbox() -> Iterator[str]:
    """A fresh one as a process; its address."""
    process = subprocess.Popen([sys.executable, "-m", "pmgitops.sandbox"], stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def wanted(number: int) -> str:
    return REQUEST.replace("AddUserToGroup", f"Policy{number}")


def body(path: str, text: str) -> dict[str, Any]:
    """What `apply` sends for a file."""
    file = load(path, text.encode())
    assert isinstance(file, RequestFile)
    target = TARGETS["permissions-management"]
    correlation = f"pmgitops:{file.name}@{file.request.revision[:12]}"
    return target.correlated(target.render(file.request), correlation)


def repository(folder: Path, url: str, files: dict[str, str], *, ledger: bool = False) -> Path:
    """A clone whose origin has these files merged; with `ledger`, all of them applied and ended."""
    folder.mkdir(parents=True)
    origin = folder / "origin.git"
    git(folder, "init", "-q", "--bare", "-b", "main", str(origin))
    config = f"apiVersion: pmgitops/v1\ntargets:\n  permissions-management: {{endpoint: '{url}/beta'}}\n"
    all_files = {"pmgitops.yaml": config, "policies/short-lived.yaml": POLICY, **files}
    git(origin, "fast-import", "--quiet", stdin=commit("refs/heads/main", all_files))
    if ledger:
        head = git(origin, "rev-parse", "main")
        git(origin, "fast-import", "--quiet", stdin=commit(BRANCH, dict(histories(files, head))))
    git(folder, "clone", "-q", str(origin), "clone")
    return folder / "clone"


def histories(files: dict[str, str], head: str) -> Iterator[tuple[str, str]]:
    for path, text in files.items():
        file = load(path, text.encode())
        assert isinstance(file, RequestFile)
        intended = {
            "revision": file.request.revision,
            "path": path,
            "commit": head,
            "target": "permissions-management",
            "payload": body(path, text),
            "digest": "0" * 64,
            "correlation": f"pmgitops:{file.name}@{file.request.revision[:12]}",
            "access": "one policy",
            "grants": [],
            "identity": "alex@contoso.com",
            "owner": "bench",
            "until": "2026-01-15T09:01:00Z",
        }
        seen = {"id": "1", "state": "completed", "detail": "completed", "transitions": ["completed"]}
        entries = [
            Entry(file.name, "intended", intended),
            Entry(file.name, "submitted", {"remoteId": f"id-{file.name}"}),
            Entry(file.name, "observed", {**seen, "modified": "2026-01-15T10:00:00Z"}),
        ]
        yield path_of(file.name), history(entries)
    yield path_of(RUN), history([Entry(RUN, "applied", {"commit": head})])


def history(entries: list[Entry]) -> str:
    return chain.extend(chain.Tip(0, chain.FIRST), entries, "2026-01-15T09:00:00Z").decode()


def commit(ref: str, files: dict[str, str]) -> bytes:
    parts = [b"commit %s\ncommitter x <x@x> 1 +0000\ndata 0\n" % ref.encode()]
    for path, text in files.items():
        data = text.encode()
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    return b"".join(parts)


def git(place: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", "-C", place, *arguments], input=stdin, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().strip()


if __name__ == "__main__":
    main()
