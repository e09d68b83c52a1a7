"""`python -m pmgitops.sandbox --port N --state FILE`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from .server import serve


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="pmgitops.sandbox", description="Graph and ServiceNow stand-ins on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes any free one")
    parser.add_argument("--state", type=Path, default=None, help="a file to keep the state in; in memory without it")
    parser.add_argument("--seed", type=int, default=0, help="all ids follow from it")
    parser.add_argument("--at", default="", help="an instant, such as 2026-01-15T09:00:00Z, at which the clock stands")
    parser.add_argument("--inventory", choices=("small", "large"), default="small", help="how much discovery finds")
    arguments = parser.parse_args()
    ready = partial(print, flush=True)
    serve(arguments.port, arguments.state, ready, seed=arguments.seed, at=arguments.at, inventory=arguments.inventory)


if __name__ == "__main__":
    main()
