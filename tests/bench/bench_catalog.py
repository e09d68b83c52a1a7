"""The catalog: opening, look-up, expansion, a pull of 500 systems: `python -m tests.bench.bench_catalog`.

Opening, look-up and expansion are timed in this process, cold (nothing remembered) and again. A pull is timed as a
whole process, against a sandbox in another one, beside the floor of fetching the same pages with nothing done.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
import yaml

from pmgitops.catalog import aws
from pmgitops.catalog.codec import encoded
from pmgitops.catalog.interface import Entry, Kind, Onboarded, Part
from pmgitops.catalog.pull import pull
from pmgitops.catalog.snapshot import Catalog
from pmgitops.catalog.stage import Stage, on_disk
from pmgitops.cli import pmgitops  # noqa: F401  # what a command has imported before it opens a snapshot
from pmgitops.wiring import clock
from tests.bench import corpus
from tests.bench.bench_check import timed as whole

ROUNDS = 9
COUNT = 20_000
SYSTEM = "956987887735"


def main() -> None:
    """Measure and print."""
    folder = Path(tempfile.mkdtemp(prefix="pmgitops-bench-"))
    try:
        expanding()
        looking_up(folder / "made")
        judging(folder / "judged")
        pulling(folder / "pulled")
    finally:
        shutil.rmtree(folder)


def shown(what: str, milliseconds: float, bound: str = "") -> None:
    """One line."""
    print(f"  {what:52} {milliseconds:10.3f} ms   {bound}")


def timed(act: Callable[[], Any]) -> float:
    """Milliseconds of one call."""
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1e3


def looking_up(root: Path) -> None:
    """A snapshot of 20,000 actions, and a system of 20,000 identities."""
    names = [f"service{number % 200}:Action{number}" for number in range(COUNT)]
    people = [f"user{number}@contoso.com" for number in range(COUNT)]
    stage = Stage.open(root, "bench", clock(), fresh=True)
    stage.keep(
        Entry("shared", "aws"),
        encoded(Entry("action", name, {"severity": "high", "id": f"id-{name}"}) for name in names),
    )
    stage.keep(
        Entry("system", f"aws/{SYSTEM}"),
        encoded(Entry("identity", one, {"name": one.title(), "type": "user"}) for one in people),
    )
    stage.commit(stage.rows.values())
    chance = random.Random(7)

    def opening() -> Catalog:
        catalog = Catalog(on_disk(root))
        assert catalog.system("aws", SYSTEM)
        return catalog

    opened = [(timed(opening), opening()) for _ in range(ROUNDS)]
    print(f"\nA snapshot of {COUNT} actions and {COUNT} identities")
    shown("opening", statistics.median(time_ for time_, _ in opened), "bound 50")
    first, by_id, by_name, again = [], [], [], []
    for _, catalog in opened:
        name, person = chance.choice(names), chance.choice(people)
        first.append(timed(lambda c=catalog, n=name: c.action("aws", n)))
        system = catalog.system("aws", SYSTEM)
        assert system
        system.identity("nobody")
        by_id.append(timed(lambda c=catalog, n=name: c.action_by_id("aws", f"id-{n}")))
        by_name.append(timed(lambda s=system, p=person: s.called("identity", p.title())))
        once = [timed(lambda c=catalog, n=one: c.action("aws", n)) for one in chance.sample(names, 1000)]
        again.append(statistics.median(once))
    shown("the first action: its file read, digest checked", statistics.median(first), "bound 50, with opening")
    shown("every other action", statistics.median(again), "bound 1")
    shown("one action by the source's id", statistics.median(by_id), "bound 1")
    shown("one identity by its display name", statistics.median(by_name))
    warm = opened[0][1]
    shown(
        "an action that was asked for before", timed(lambda: [warm.action("aws", names[0]) for _ in range(1000)]) / 1000
    )
    shown("the nearest to a misspelt one", timed(lambda: warm.nearest("action", "service7:Acton1207", cloud="aws")))


def expanding() -> None:
    """Patterns over AWS's full list."""
    begun = timed(lambda: aws.names().matching("s3:Get*"))
    print(f"\nAWS's {len(aws.names())} actions")
    shown("reading the list, once in a process", begun)
    names = aws.names()

    def cold(pattern: str) -> float:
        names._found.clear()
        return timed(lambda: names.matching(pattern))

    for pattern in ("s3:*", "ec2:*Describe*", "s3:GetObject", "*:Delete*", "*"):
        bound = "bound 1" if pattern[0] != "*" else ""
        taken = statistics.median(cold(pattern) for _ in range(ROUNDS))
        shown(f"{pattern}: {len(names.matching(pattern))}", taken, bound)
    shown("s3:* again", timed(lambda: [aws.expand(["s3:*"]) for _ in range(1000)]) / 1000)
    shown("notActions [s3:*]", statistics.median(timed(lambda: aws.expand([], ["s3:*"])) for _ in range(ROUNDS)))


class Whole:
    """A source that knows every name of the corpus: what exists is the ordinary case."""

    place = "the corpus"

    def __init__(self, texts: list[str]) -> None:
        self._asked = [yaml.load(text, yaml.CBaseLoader) for text in texts]  # our own, and plain text

    def systems(self) -> list[Onboarded]:
        ids = {(asked["kind"].split("-")[0], asked["authorizationSystemId"]) for asked in self._asked}
        return [Onboarded(cloud, system, system, system, "online", "enabled") for cloud, system in sorted(ids)]

    def shared(self, system: Onboarded) -> Iterator[Entry]:
        yield from (Entry("action", name) for name in self._all(system, "actions"))

    def part(self, system: Onboarded, part: Part) -> Iterator[Entry]:
        if part == "identities":
            people = {asked["identity"]["externalId"] for asked in self._asked}
            roles = {asked["assignToRoleId"] for asked in self._asked if "assignToRoleId" in asked}
            yield from (Entry("identity", name) for name in sorted(people))
            yield from (Entry("identity", name, {"type": "role"}) for name in sorted(roles))
        elif part in {"roles", "policies"}:
            kind: Kind = "role" if part == "roles" else "policy"
            yield from (Entry(kind, name) for name in self._all(system, part))
        else:
            yield from (Entry("resource", asked["resourceId"]) for asked in self._asked if "resourceId" in asked)

    def _all(self, system: Onboarded, member: str) -> list[str]:
        of_cloud = [asked for asked in self._asked if asked["kind"].startswith(system.cloud)]
        return sorted({name for asked in of_cloud for name in asked.get(member, ())})


def judging(root: Path) -> None:
    """`check` of 10,000 requests with a catalog that knows them, and without (bound: 1.5 times)."""
    print("\ncheck of 10,000 requests")
    corpus.on_disk(root, 10_000)
    command = [sys.executable, "-m", "pmgitops", "-C", str(root), "check"]

    without = [whole(command) for _ in range(5)]
    assert pull(Whole([path.read_text() for path in root.glob("requests/*/*.yaml")]), root, clock).whole
    found = subprocess.run([*command, "--format", "json"], stdout=subprocess.PIPE, cwd=corpus.ROOT, check=False).stdout
    assert not any(one["rule"].startswith(("unknown", "undecided")) for one in json.loads(found)["findings"])
    with_it = [whole(command) for _ in range(5)]
    for what in ("wall", "cpu"):
        before, after = (statistics.median(getattr(run, what) for run in runs) for runs in (without, with_it))
        shown(f"without a catalog, {what}", before)
        shown(f"with it, {what}", after, f"{after / before:.2f}x, bound 1.5")


def pulling(root: Path) -> None:
    """500 systems from a sandbox in a process of its own."""
    root.mkdir()
    command = [sys.executable, "-m", "pmgitops.sandbox", "--inventory", "large"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=corpus.ROOT) as sandbox:
        assert sandbox.stdout
        url = sandbox.stdout.readline().strip()
        try:
            _settle(url, {"pageSize": 500})
            config = f"apiVersion: pmgitops/v1\ntargets:\n  permissions-management: {{endpoint: {url}/beta}}\n"
            (root / "pmgitops.yaml").write_text(config, "utf-8")
            print("\n500 systems, 20,000 identities, the actions of three clouds")
            environment = {**os.environ, "PMGITOPS_GRAPH_TOKEN": "pmgitops"}
            pull = [sys.executable, "-m", "pmgitops", "-C", str(root), "catalog", "pull"]
            run = lambda: subprocess.run(pull, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=corpus.ROOT)  # noqa: E731
            shown("catalog pull, the first", timed(run))
            floor = timed(lambda: _fetch(url))
            shown("fetching the same pages, eight at a time", floor)
            shown("catalog pull again, nothing different", timed(run))
            size = sum(path.stat().st_size for path in (root / "catalog").rglob("*.jsonl"))
            print(f"  {size / 1e6:.1f} MB in {len(list((root / 'catalog').rglob('*.jsonl')))} files")
        finally:
            sandbox.terminate()


def _settle(url: str, settings: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{url}/_control/settings", json.dumps(settings).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request).close()


def _fetch(url: str) -> None:
    """Every page that a pull reads, read and parsed, and thrown away."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = "Bearer pmgitops"
    root = f"{url}/beta/external/authorizationSystems"

    def pages(address: str | None) -> list[Any]:
        rows = []
        while address:
            body = session.get(address).json()
            rows += body["value"]
            address = body.get("@odata.nextLink")
        return rows

    parts = {
        "aws": ("associatedIdentities/all", "policies", "resources"),
        "azure": ("associatedIdentities/all", "roleDefinitions", "resources"),
        "gcp": ("associatedIdentities/all", "roles", "resources"),
    }
    addresses, seen = [], set()
    for system in pages(root):
        cloud = system["authorizationSystemType"].lower()
        base = f"{root}/{system['id']}/microsoft.graph.{cloud}AuthorizationSystem"
        more = () if cloud in seen else ("actions", "services")
        seen.add(cloud)
        addresses += [f"{base}/{place}" for place in (*parts[cloud], *more)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pages, addresses))


if __name__ == "__main__":
    main()
