"""The arrows between modules: the contracts in pyproject.toml hold, and no module stands outside of them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import Any

import pytest

from tests.world import ROOT

pytest.importorskip("importlinter", reason="the extra `lint` is not installed")

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTRACTS = PYPROJECT["tool"]["importlinter"]["contracts"]


def linted(config: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", script, "--config", config, "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_contracts_hold() -> None:
    done = linted("pyproject.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken" in done.stdout


def test_a_broken_contract_is_noticed(tmp_path) -> None:
    """The same check, on a contract that cannot hold."""
    config = tmp_path / "upside-down.toml"
    config.write_text(
        "[tool.importlinter]\nroot_package = 'pmgitops'\n"
        "[[tool.importlinter.contracts]]\nname = 'upside down'\ntype = 'layers'\n"
        "layers = ['pmgitops.model', 'pmgitops.plan']\n"
    )
    done = linted(str(config))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept, 1 broken" in done.stdout


def test_every_module_is_named_in_the_layers() -> None:
    layers = next(contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
    written = {name.strip() for layer in layers for name in layer.split("|")}
    named = {name.strip("()") for name in written}
    modules = {path.stem for path in (ROOT / "pmgitops").glob("*.py") if path.stem != "__init__"}
    packages = {path.parent.name for path in (ROOT / "pmgitops").glob("*/__init__.py")}
    assert modules | packages <= named
    assert all(name.startswith("(") for name in written if name.strip("()") not in modules | packages)


def test_deciding_is_kept_from_input_and_output() -> None:
    forbidden = {contract["name"]: contract for contract in CONTRACTS if contract["type"] == "forbidden"}
    deciding = forbidden["Deciding does no I/O"]
    assert {"requests", "subprocess", "git", "pysnow"} <= set(deciding["forbidden_modules"])
    assert {"pmgitops.plan", "pmgitops.policy", "pmgitops.load", "pmgitops.model"} <= set(deciding["source_modules"])
    assert "The sandbox cannot share our mistakes" in forbidden
