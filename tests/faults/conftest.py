"""A laboratory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Lab, laboratory
from tests.faults.proxy import Proxy


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    """One address for the services, whatever stands behind it: configurations are copied with their worlds."""
    with Proxy() as proxy:
        yield proxy


@pytest.fixture
def lab(tmp_path: Path, proxy: Proxy) -> Iterator[Lab]:
    with laboratory(tmp_path / "lab", proxy) as lab:
        yield lab
