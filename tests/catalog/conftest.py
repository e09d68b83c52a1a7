from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pmgitops.catalog.discovery import Graph, PermissionsManagement
from pmgitops.catalog.pull import Pulled, pull
from pmgitops.catalog.snapshot import Catalog
from pmgitops.catalog.stage import on_disk
from pmgitops.sandbox import Sandbox
from pmgitops.targets.permissions_management.client import judge
from pmgitops.transport import Bearer, Transport

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def still() -> Iterator[Sandbox]:
    """A sandbox that tests only read, for all of a module."""
    with Sandbox() as running:
        yield running


def transport(**settings: Any) -> Transport:
    return Transport(auth=Bearer(lambda: "pmgitops"), judge=judge, pause=0.001, **settings)


@pytest.fixture
def graph(sandbox: Sandbox) -> Iterator[Graph]:
    with transport() as http:
        yield Graph(http.request, sandbox.graph_url)


@pytest.fixture
def puller(graph: Graph, tmp_path: Path) -> Callable[..., Pulled]:
    def run(**settings: Any) -> Pulled:
        now = settings.pop("now", NOW)
        return pull(PermissionsManagement(graph), tmp_path / "repository", lambda: now, **settings)

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "repository").mkdir(exist_ok=True)
    return tmp_path / "repository"


@pytest.fixture
def snapshot(puller: Callable[..., Pulled], root: Path) -> Path:
    """A whole snapshot of the small sandbox."""
    assert puller().whole
    return root


@pytest.fixture
def opened(root: Path) -> Callable[[], Catalog]:
    return lambda: Catalog(on_disk(root))
