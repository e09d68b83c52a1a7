"""What reading a request costs, beside PyYAML's CSafeLoader and libyaml alone: `python tests/bench/bench_load.py`.

One process, interleaved rounds, the best of each: read the ratios, absolute figures are the machine's.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from yaml.cyaml import CParser

from pmgitops.document import Document, read, validate
from pmgitops.load import RequestFile, load
from pmgitops.model.request import REQUEST

EXAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "requests" / "examples").glob("*.yaml"))]
ROUNDS, TIMES = 15, 100


def documents() -> list[Document]:
    """The examples, read."""
    return [found for found in (read(data, "a.yaml") for data in EXAMPLES) if isinstance(found, Document)]


def start(statement: str) -> float:
    """Milliseconds that an interpreter takes for a statement."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return (time.perf_counter() - begun) * 1e3


def microseconds(work: Callable[[], object]) -> float:
    """Microseconds a file."""
    begun = time.perf_counter()
    for _ in range(TIMES):
        work()
    return (time.perf_counter() - begun) / TIMES / len(EXAMPLES) * 1e6


def best(table: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The least of interleaved rounds, so that a noisy neighbour disturbs all alike."""
    times = [{name: measure() for name, measure in table.items()} for _ in range(rounds)]
    return {name: min(row[name] for row in times) for name in table}


def show(table: dict[str, float], base: str, unit: str) -> None:
    """A table with ratios to its base."""
    for name, value in table.items():
        print(f"{name:44} {value:9.1f} {unit} {value / table[base]:7.2f}")


def main() -> None:
    """Measure and print."""
    ready = documents()
    assert all(isinstance(load("requests/a.yaml", data), RequestFile) for data in EXAMPLES)
    work: dict[str, Callable[[], object]] = {
        "yaml.load(CSafeLoader)": lambda: [yaml.load(data, yaml.CSafeLoader) for data in EXAMPLES],
        "libyaml alone (raw_parse)": lambda: [CParser(data).raw_parse() for data in EXAMPLES],
        "document.read": lambda: [read(data, "a.yaml") for data in EXAMPLES],
        "document.validate": lambda: [validate(document, "a.yaml", REQUEST) for document in ready],
        "load.load": lambda: [load("requests/a.yaml", data) for data in EXAMPLES],
    }
    print(f"{len(EXAMPLES)} files of {statistics.mean(map(len, EXAMPLES)):.0f} bytes; microseconds a file, ratio")
    show(
        best({name: lambda run=run: microseconds(run) for name, run in work.items()}, ROUNDS),
        "yaml.load(CSafeLoader)",
        "us",
    )
    statements = ("pass", "import yaml", "import pydantic.main", "import pmgitops.load")
    print("start of an interpreter; milliseconds, ratio")
    show(best({statement: lambda line=statement: start(line) for statement in statements}, ROUNDS), "pass", "ms")


if __name__ == "__main__":
    main()
