"""What reading git and keeping the ledger cost, each beside what git alone takes for the same, in one run.

    python tests/bench/bench_git.py [--requests N] [--ended N] [--rounds N]

Prints a line each: milliseconds of ours and of git alone (medians of interleaved rounds), and their ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pmgitops.ledger import chain
from pmgitops.ledger.git import BRANCH, GitLedger, path_of
from pmgitops.ledger.interface import Entry
from pmgitops.source import Repository

READ = 10_000
LIMIT = 1 << 18


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--requests", type=int, default=100_000, help="files of the repository (100,000)")
    arguments.add_argument("--ended", type=int, default=10_000, help="ended requests in the ledger (10,000)")
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    with tempfile.TemporaryDirectory() as place:
        reading(Path(place) / "requests", given.requests, given.rounds)
        keeping(Path(place), given.ended, given.rounds)


def reading(place: Path, requests: int, rounds: int) -> None:
    base, head = repository_of(place, requests)
    repository = Repository(place)
    blobs = list(repository.blobs(head))[:READ]
    oids = "".join(f"{blob.oid}\n" for blob in blobs).encode()
    compare(
        f"read {len(blobs):,} of {requests:,} files | cat-file --batch",
        lambda: [None for _ in repository.contents(blobs, LIMIT)],
        lambda: git(place, "cat-file", "--batch", "--buffer", stdin=oids),
        rounds,
    )
    compare(
        f"read {len(blobs):,} of {requests:,} files | cat-file --batch into a pipe",
        lambda: [None for _ in repository.contents(blobs, LIMIT)],
        lambda: git(place, "cat-file", "--batch", "--buffer", stdin=oids, kept=True),
        rounds,
    )
    compare(
        f"one change among {requests:,} files | diff-tree",
        lambda: repository.changes(base, head, "requests"),
        lambda: git(place, "diff-tree", "-r", "-z", "--raw", "--no-renames", base, head, "--", "requests"),
        rounds,
    )
    compare(
        f"namesakes among {requests:,} files | ls-tree",
        lambda: repository.namesakes(head, {"r-000007.yaml"}, "requests"),
        lambda: git(place, "ls-tree", "-r", "-z", "--name-only", head, "requests"),
        rounds,
    )


def keeping(place: Path, ended: int, rounds: int) -> None:
    origin = ledger_of(place / "origin.git", ended)
    for clone in ("ours", "theirs"):
        git(place, "clone", "-q", str(origin), clone)
    ours, theirs = place / "ours", place / "theirs"
    numbers = iter(range(1_000_000))

    def append() -> None:
        name = next(numbers)
        entries = [Entry(f"new-{name}-{number}", "intended", {"revision": "r"}) for number in range(50)]
        ledger.append(entries, opened={entry.name for entry in entries})

    def commit_and_push() -> None:
        tip = git(theirs, "rev-parse", BRANCH.replace("heads", "remotes/origin"))
        made = git(theirs, *AS_SOMEBODY, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "x")
        git(theirs, "push", "-q", "origin", f"{made}:{BRANCH}")

    def look() -> None:
        run = GitLedger(Repository(ours))
        run.refresh()
        assert run.open() == frozenset()

    def fetch() -> None:
        git(theirs, "fetch", "-q", "origin", BRANCH)
        git(theirs, "rev-parse", "FETCH_HEAD")

    compare(f"nothing open of {ended:,} ended | fetch + rev-parse", look, fetch, rounds)
    ledger = GitLedger(Repository(ours))
    # Both push to the same branch, so each begins where the other has left it; that is not measured.
    compare(
        f"append 50 entries to {ended:,} histories | commit-tree + push",
        append,
        commit_and_push,
        rounds,
        before=lambda: (ledger.refresh(), git(theirs, "fetch", "-q", "origin")),
    )


def compare(
    label: str,
    ours: Callable[[], object],
    alone: Callable[[], object],
    rounds: int,
    before: Callable[[], object] = lambda: None,
) -> None:
    times: dict[Callable[[], object], list[float]] = {ours: [], alone: []}
    for _ in range(rounds):
        for act, taken in times.items():
            before()
            begun = time.perf_counter()
            act()
            taken.append(1000 * (time.perf_counter() - begun))
    one, other = (statistics.median(taken) for taken in times.values())
    sys.stdout.write(f"{label:64} {one:8.1f} ms {other:8.1f} ms  x{one / other:.2f}\n")
    sys.stdout.flush()


AS_SOMEBODY = ("-c", "user.name=x", "-c", "user.email=x@contoso.example")


def git(place: Path, *arguments: str, stdin: bytes = b"", kept: bool | None = None) -> str:
    # What is read to compare with goes nowhere, unless it is to be kept: the floor is git's own work.
    kept = arguments[0] not in ("cat-file", "ls-tree") if kept is None else kept
    output = subprocess.PIPE if kept else subprocess.DEVNULL
    done = subprocess.run(["git", "-C", place, *arguments], input=stdin, stdout=output, check=True)
    return (done.stdout or b"").decode().strip()


def imported(place: Path, streams: Iterable[bytes]) -> None:
    git(place.parent, "init", "-q", "--bare", "-b", "main", str(place))
    with subprocess.Popen(["git", "-C", place, "fast-import", "--quiet"], stdin=subprocess.PIPE) as process:
        assert process.stdin
        for stream in streams:
            process.stdin.write(stream)
    assert process.returncode == 0


def repository_of(place: Path, requests: int) -> tuple[str, str]:
    """A bare repository of sharded requests with two commits that differ in one file."""

    def streams() -> Iterable[bytes]:
        yield b"commit refs/heads/main\nmark :1\ncommitter x <x@x> 1 +0000\ndata 0\n"
        for number in range(requests):
            lines = b"".join(b"field%d: value %d of request %d\n" % (at, at * number, number) for at in range(30))
            shard = number % max(1, requests // 500)
            path = b"requests/team-%03d/r-%06d.yaml" % (shard, number)
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (path, len(lines), lines)
        yield b"commit refs/heads/main\ncommitter x <x@x> 2 +0000\ndata 0\nfrom :1\n"
        yield b"M 100644 inline requests/team-000/r-000000.yaml\ndata 1\nx\n"

    imported(place, streams())
    return git(place, "rev-parse", "main~1"), git(place, "rev-parse", "main")


def ledger_of(place: Path, ended: int) -> Path:
    """A bare repository whose ledger holds requests that have all ended, with six events each."""

    def streams() -> Iterable[bytes]:
        yield b"commit %s\ncommitter x <x@x> 1 +0000\ndata 0\n" % BRANCH.encode()
        for number in range(ended):
            name = f"request-{number}"
            entries = [Entry(name, f"event-{at}", {"revision": "0" * 64}) for at in range(6)]
            text = chain.extend(chain.Tip(0, chain.FIRST), entries, "2026-01-31T09:30:00Z")
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (path_of(name).encode(), len(text), text)

    imported(place, streams())
    return place


if __name__ == "__main__":
    sys.exit(main())
