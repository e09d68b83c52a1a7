"""`python -m pmgitops.sandbox --port N --state FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .server import serve


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="pmgitops.sandbox", description="Graph and ServiceNow stand-ins on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes any free one")
    parser.add_argument("--state", type=Path, default=None, help="a file to keep the state in; in memory without it")
    arguments = parser.parse_args()
    serve(arguments.port, arguments.state, lambda url: print(url, flush=True))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
