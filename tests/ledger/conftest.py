"""Real repositories: a bare `origin`, and clones of it that stand for runners on different machines."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pmgitops.ledger.git import GitLedger
from pmgitops.source import Repository

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but what a test sets, and no repository around the test's folder."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Person")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "person@contoso.example")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def git() -> Git:
    """Runs git in a folder; what it prints."""

    def run(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", "-C", folder, *arguments], input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    return run


@pytest.fixture
def origin(tmp_path: Path, git: Git) -> Path:
    """A bare repository whose `main` has one commit."""
    bare = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "-b", "main", "--bare", str(bare))
    stream = (
        b"commit refs/heads/main\ncommitter A <a@contoso.example> 1 +0000\ndata 1\nx\nM 100644 inline f\ndata 1\nx\n"
    )
    git(bare, "fast-import", "--quiet", stdin=stream)
    return bare


@pytest.fixture
def clone(origin: Path, tmp_path: Path, git: Git) -> Callable[..., Path]:
    """Makes a clone of origin under a name."""

    def make(name: str, *options: str) -> Path:
        git(tmp_path, "clone", "-q", *options, str(origin), name)
        return tmp_path / name

    return make


@pytest.fixture
def runner(clone: Callable[..., Path]) -> Callable[..., GitLedger]:
    """A ledger in a clone of its own: another machine."""

    def make(name: str, **options: object) -> GitLedger:
        return GitLedger(Repository(clone(name)), **{"patience": 5.0, **options})

    return make
