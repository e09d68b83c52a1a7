"""Repositories made with git itself, isolated from the machine's configuration."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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

    def run(folder: Path, *arguments: str | bytes, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", "-C", folder, *arguments], input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    return run


@pytest.fixture
def folder(tmp_path: Path, git: Git) -> Path:
    """An empty repository."""
    made = tmp_path / "work"
    git(tmp_path, "init", "-q", "-b", "main", str(made))
    return made


@pytest.fixture
def commit(folder: Path, git: Git) -> Callable[..., str]:
    """Commits files (path -> content, None to remove it; "link:..." and "sub:..." make what they say) to main."""

    def make(files: dict[str | bytes, bytes | str | None], *, message: str = "change", into: Path = folder) -> str:
        stream = [b"commit refs/heads/main\ncommitter Carl <carl@contoso.example> 1700000000 +0100\n"]
        stream.append(b"data %d\n%s\n" % (len(message), message.encode()))
        if git(into, "for-each-ref", "refs/heads/main"):
            stream.append(b"from refs/heads/main^0\n")
        for path, content in files.items():
            raw = path if isinstance(path, bytes) else path.encode()
            quoted = b'"%s"' % raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
            if content is None:
                stream.append(b"D %s\n" % quoted)
            elif isinstance(content, str) and content.startswith("sub:"):
                stream.append(b"M 160000 %s %s\n" % (content[4:].encode(), quoted))
            else:
                link = isinstance(content, str) and content.startswith("link:")
                body = content if isinstance(content, bytes) else content.removeprefix("link:").encode()
                stream.append(b"M %s inline %s\ndata %d\n" % (b"120000" if link else b"100644", quoted, len(body)))
                stream.append(body + b"\n")
        git(into, "fast-import", "--quiet", "--force", stdin=b"".join(stream))
        return git(into, "rev-parse", "main")

    return make
