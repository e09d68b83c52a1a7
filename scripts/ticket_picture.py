"""Make `docs/servicenow-ticket.png` anew: `make picture`. Needs a Chromium.

A change that is approved, a request that names it, and the whole life of the access at the sandbox; then the sandbox's
own page of that ticket, as a browser draws it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pmgitops.sandbox import Sandbox
from tests.world import ENVIRONMENT, World

RESULT = Path(__file__).parents[1] / "docs" / "servicenow-ticket.png"
NUMBER = "CHG0031234"
WIDTH, HEIGHT = 1000, int(os.environ.get("HEIGHT", "750"))


def main() -> None:
    """Walk the road, look at the ticket."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("there is no Chromium here")
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        live(World(Path(folder), sandbox))
        draw(browser, f"{sandbox.url}/?ticket={NUMBER}", Path(folder))


def live(world: World) -> None:
    """The ticket, the request, and everything that happens to the access."""
    world.found()
    planned = {"start_date": timedelta(hours=-1), "end_date": timedelta(hours=8)}
    made = world.control(
        "POST",
        "tickets",
        {
            "class": "change_request",
            "number": NUMBER,
            "short_description": "Payments: let Alex manage the upload group",
            "state": "-1",
            "requested_by": "alex",
            "opened_by": "alex",
            **{name: f"{datetime.now(UTC) + span:%Y-%m-%d %H:%M:%S}" for name, span in planned.items()},
        },
    )
    approval = {"class": "sysapproval_approver", "sysapproval": made["sys_id"], "approver": "alexmanager"}
    world.control("POST", "tickets", {**approval, "state": "approved"})
    world.control("PATCH", f"tickets/{NUMBER}", {"approval": "approved"})
    world.request("alex-add-user-to-group", ticket=NUMBER)
    world.push("Access for Alex")
    applied(world)
    world.approve()
    applied(world)
    for seconds in (30, 3700, 30):
        world.control("POST", "advance", {"seconds": seconds})
        applied(world)


def applied(world: World) -> None:
    """One run of `apply`; its trouble ends this script."""
    ran = world.run("apply")
    if ran.code:
        sys.exit(str(ran))


def draw(browser: str, url: str, folder: Path) -> None:
    """What a browser shows of an address."""
    options = (
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
        "--disable-lcd-text",
        f"--user-data-dir={folder / 'profile'}",
    )
    size, shot = f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={RESULT}"
    subprocess.run([browser, *options, size, shot, url], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
