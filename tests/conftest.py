"""What tests share: nobody's machine, the real sandbox, a world around it, and golden files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pmgitops.sandbox import Sandbox
from tests.world import ENVIRONMENT, ROOT, World


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="write golden files anew; read the diff before committing it")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Hold text against a golden file, or with --bless write it."""

    def same(path: Path, text: str) -> None:
        if request.config.getoption("--bless"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        assert path.read_text("utf-8") == text, f"{path.relative_to(ROOT)} says otherwise; --bless writes it anew"

    return same


@pytest.fixture(autouse=True)
def _nobodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No git configuration and no credentials but the sandbox's, wherever the tests run."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "PMGITOPS_", "AZURE_")):
            monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # processes that tests start would compile all anew


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, sandbox: Sandbox) -> World:
    world = World(tmp_path, sandbox)
    world.found()
    return world


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    """The starter policies and the six requests in a folder of their own."""
    for name in ("policies", "requests"):
        shutil.copytree(ROOT / name, tmp_path / "starter" / name)
    return tmp_path / "starter"
