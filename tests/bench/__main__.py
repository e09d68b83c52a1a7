"""`python -m tests.bench`: every benchmark, one after the other. Ratios in one run; these are not tests."""

from __future__ import annotations

import importlib
from pathlib import Path

for script in sorted(Path(__file__).parent.glob("bench_*.py")):
    print(f"\n=== {script.stem}")
    importlib.import_module(f"tests.bench.{script.stem}").main()
