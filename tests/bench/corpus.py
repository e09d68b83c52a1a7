"""Requests in any number, as a repository would hold them: sharded folders, every kind, some that break a rule."""

from __future__ import annotations

import io
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "requests" / "examples").glob("*.yaml"))}
SHARD = 500


def request(number: int) -> tuple[str, str]:
    """Path and text of request `number`: a published one for somebody of their own; one in twenty is too long."""
    names = [name for name in EXAMPLES if name != "aws-actions"]
    text = EXAMPLES[names[number % len(names)]]
    text = text.replace("alex@contoso.com", f"user{number}@contoso.com", 1)
    # As it stands it awaits a ticket's approval; a corpus in which one in five breaks a rule would be an odd one.
    text = text.replace("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/read")
    if number % 20 == 0:
        text = text.replace("PT1H", "P3D")
    return f"requests/{number // SHARD:04d}/r{number:07d}.yaml", text


def on_disk(folder: Path, count: int, first: int = 0) -> None:
    """A folder with `count` requests from number `first` on, the starter policies and no configuration."""
    for number in range(first, first + count):
        path, text = request(number)
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    policies = folder / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    for file in (ROOT / "policies").glob("*.yaml"):
        (policies / file.name).write_bytes(file.read_bytes())


def as_commits(count: int) -> bytes:
    """A fast-import stream: main with `count` requests and the policies, and `change` with one of them changed."""
    stream = io.BytesIO()
    files = [request(number) for number in range(count)]
    files += [(f"policies/{file.name}", file.read_text("utf-8")) for file in (ROOT / "policies").glob("*.yaml")]
    _commit(stream, "main", 1, files)
    path, text = request(count // 2 + 1)  # one that keeps the rules
    changed = text.replace("PT1H", "PT2H")
    assert changed != text
    _commit(stream, "change", 2, [(path, changed)], parent="refs/heads/main")
    return stream.getvalue()


def _commit(stream: io.BytesIO, branch: str, at: int, files: list[tuple[str, str]], parent: str = "") -> None:
    who = f"bench <bench@localhost> {1_700_000_000 + at} +0000"
    stream.write(f"commit refs/heads/{branch}\ncommitter {who}\ndata 1\n.\n".encode())
    if parent:
        stream.write(f"from {parent}\n".encode())
    for path, text in files:
        data = text.encode()
        stream.write(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")


if __name__ == "__main__":  # `python -m tests.bench.corpus 100000 | git fast-import`
    sys.stdout.buffer.write(as_commits(int(sys.argv[1])))
