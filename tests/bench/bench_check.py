"""`check` against floors and a peer, whole processes, ratios in one run: `python -m tests.bench.bench_check`.

Floors: `python -c pass`, and reading and parsing the same files with libyaml alone. Peer: ajv-cli 5 (schema only). Read
the ratios. Where other work runs on the machine, CPU time says more than the clock, and two processes suffer more.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench import corpus

PMGITOPS = [sys.executable, "-m", "pmgitops"]
AJV = Path(__file__).parent / "peers" / "node_modules" / ".bin" / "ajv"
LIBYAML = """
import sys, yaml
from pathlib import Path
for path in Path(sys.argv[1]).rglob("*.yaml"):
    yaml._yaml.CParser(path.read_bytes()).raw_parse()
"""
ROUNDS = 5


class Run(NamedTuple):
    """One run of a command: milliseconds by the clock and of all its processes' CPU, megabytes of the largest one."""

    wall: float
    cpu: float
    peak: int


def timed(command: list[str]) -> Run:
    """Run a command to its end."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=corpus.ROOT)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    wall = time.perf_counter() - begun
    return Run(wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss // 1024)


def compare(title: str, commands: dict[str, list[str]], rounds: int = ROUNDS) -> None:
    """Interleaved rounds; the median of each command, and its ratio to the first, round by round."""
    for command in commands.values():
        timed(command)  # warm caches, once
    rows = [{name: timed(command) for name, command in commands.items()} for _ in range(rounds)]
    base = next(iter(commands))
    print(f"\n{title}")
    for name in commands:
        wall = statistics.median(row[name].wall for row in rows)
        ratio = statistics.median(row[name].wall / row[base].wall for row in rows)
        cpu = statistics.median(row[name].cpu for row in rows)
        cpus = statistics.median(row[name].cpu / row[base].cpu for row in rows)
        peak = max(row[name].peak for row in rows)
        print(f"  {name:34} {wall:8.1f} ms {ratio:6.2f}x   CPU {cpu:8.1f} ms {cpus:6.2f}x   {peak:4} MB")


def main() -> None:
    """Measure and print."""
    folder = Path(tempfile.mkdtemp(prefix="pmgitops-bench-"))
    try:
        starting(folder)
        for count in (100, 1_000, 10_000):
            checking(folder / str(count), count)
        changing(folder / "git", 100_000)
    finally:
        shutil.rmtree(folder)


def starting(folder: Path) -> None:
    """What a single command costs; the bounds are 9 for --help and 25 for one file."""
    corpus.on_disk(folder / "one", 1, first=1)
    corpus.on_disk(folder / "broken", 1, first=0)
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "pmgitops --help": [*PMGITOPS, "--help"],
        "pmgitops check, one file": [*PMGITOPS, "-C", str(folder / "one"), "check"],
        "  one that breaks a rule": [*PMGITOPS, "-C", str(folder / "broken"), "check"],
    }
    compare("start", commands, rounds=15)


def checking(folder: Path, count: int) -> None:
    """Format, policies and guards against libyaml alone (bound: 4 at 10,000) and the peer (bound: 1).

    At 100 and 1,000 the ratio to libyaml alone is that of the starts, which `starting` bounds.
    """
    corpus.on_disk(folder, count)
    commands = {
        "libyaml alone": [sys.executable, "-c", LIBYAML, str(folder / "requests")],
        "pmgitops check": [*PMGITOPS, "-C", str(folder), "check"],
    }
    if AJV.exists():
        schema = corpus.ROOT / "pmgitops" / "schemas" / "request.schema.json"
        data = f"{folder}/requests/**/*.yaml"
        flags = ["--spec=draft2020", "--strict=false", "--validate-formats=false"]
        commands["ajv 5 (schema only)"] = [str(AJV), "validate", *flags, "-s", str(schema), "-d", data]
    compare(f"check of {count} requests", commands)


def changing(folder: Path, count: int) -> None:
    """One changed file among many (bound: 1.5 times the check of one file)."""
    folder.mkdir()
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    # In a process of its own: what this one holds would count as memory of the commands that it starts.
    making = [sys.executable, "-m", "tests.bench.corpus", str(count)]
    with subprocess.Popen(making, stdout=subprocess.PIPE, cwd=corpus.ROOT) as stream:
        subprocess.run([*git, "fast-import", "--quiet"], stdin=stream.stdout, check=True)
    corpus.on_disk(folder / "one", 1, first=1)
    commands = {
        "pmgitops check, one file": [*PMGITOPS, "-C", str(folder / "one"), "check", "requests"],
        f"one changed file of {count}": [*PMGITOPS, "-C", str(folder), "check", "--base", "main", "--head", "change"],
    }
    (folder / "one" / "pmgitops.yaml").write_text("apiVersion: pmgitops/v1\n", "utf-8")
    compare("check of a pull request", commands)


if __name__ == "__main__":
    main()
