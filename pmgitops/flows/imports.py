"""Request files for what stands at a target and nobody here knows of. Writes files; the grants are adopted by `apply`,
once they are merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmgitops.drafting import branch, layout
from pmgitops.drift import Drift, Found, Reading
from pmgitops.flows import REQUESTS
from pmgitops.flows.check import Checked, check
from pmgitops.flows.new import Proposed
from pmgitops.judging import Desk
from pmgitops.load import RequestFile, load, name_of
from pmgitops.model.imported import name_of_grant
from pmgitops.report import drifts
from pmgitops.settings import Config
from pmgitops.source import Repository, WorkTree
from pmgitops.targets import TARGETS
from pmgitops.targets.interface import Grant, Inexpressible

if TYPE_CHECKING:
    from pmgitops.drafting.hosting import Pulls

FOLDER = f"{REQUESTS}/imported"


@dataclass(frozen=True, slots=True)
class Written:
    """A request file that was written, or stood there already, and the grant that it was made from."""

    path: str
    target: str
    remote_id: str
    data: bytes
    about: str
    """What it grants, to whom."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A grant that no file was written for, and why."""

    remote_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import, and what the rules say of the files."""

    written: tuple[Written, ...] = ()
    refused: tuple[Refused, ...] = ()
    checked: Checked = field(default_factory=lambda: Checked(0, ()))
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def branch(self) -> str:
        """Where it is proposed on: the same branch for the same files."""
        return f"import/{hashlib.sha256(' '.join(one.path for one in self.written).encode()).hexdigest()[:12]}"

    @property
    def title(self) -> str:
        """Of its commit, and of its pull request."""
        return f"Import what stands at the target: {len(self.written)}"

    @property
    def blocked(self) -> bool:
        """Whether something keeps the files from being proposed."""
        return any(finding.blocks for finding in self.checked.findings)

    def as_json(self) -> dict[str, Any]:
        """The result as `import` prints it."""
        return {
            "written": [{"path": one.path, "target": one.target, "remoteId": one.remote_id} for one in self.written],
            "refused": [{"remoteId": one.remote_id, "why": one.why} for one in self.refused],
            "findings": self.checked.as_json()["findings"],
            "unreadable": [{"target": target, "why": why} for target, why in sorted(self.unreadable.items())],
        }


def imports(drift: Drift, readings: Sequence[Reading], ids: Sequence[str], root: Path, desk: Desk) -> Imported:
    """Write a file beneath `root` for each unmanaged grant, or for those among `ids`; judge what was written."""
    grants = {(reading.target, grant.remote_id): grant for reading in readings for grant in reading.grants}
    chosen = [one for one in drift.found if one.kind == "unmanaged" and (not ids or one.remote_id in ids)]
    tree = WorkTree(root)
    schema = next((path for path in layout.SCHEMAS if tree.content(path) is not None), layout.SCHEMAS[0])
    here = {name_of(blob.path): blob.path for blob in tree.blobs(REQUESTS)}
    written: list[Written] = []
    refused = _not_unmanaged(drift, ids, grants.values())
    for one in chosen:
        made = _file(one, grants[one.target, one.remote_id], schema)
        if isinstance(made, str):
            refused.append(Refused(one.remote_id, made))
            continue
        path, data = made
        there = here.get(name_of(path), path)
        if there != path or tree.content(path) not in {None, data}:
            refused.append(Refused(one.remote_id, f"its file is here already: {there}"))
            continue
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        written.append(Written(path, one.target, one.remote_id, data, f"{one.access} for {one.identity}"))
    checked = check(tree, [one.path for one in written], desk) if written else Checked(0, ())
    return Imported(tuple(written), tuple(refused), checked, dict(drift.unreadable))


def propose(imported: Imported, config: Config, repository: Repository, pulls: Pulls | None) -> Proposed:
    """Put the files on a branch at the remote, and open its pull request where `pulls` can.

    Raises:
        UsageError: The branch is taken by something else.
        RemoteError: The remote or GitHub did not do it. Running again is safe.
    """
    files = {one.path: one.data for one in imported.written}
    change = branch.Change(files, imported.branch, f"{imported.title}\n")
    pushed = branch.push(repository, change, remote=config.ledger.remote, base=config.branch)
    if pulls is None:
        return Proposed(pushed)
    body = drifts.imported_markdown(imported)
    return Proposed(pushed, pulls.open(branch=imported.branch, base=config.branch, title=imported.title, body=body))


def _file(one: Found, grant: Grant, schema: str) -> tuple[str, bytes] | str:
    """Path and bytes of the file, or why there is none."""
    if grant.mark:
        return f"it carries {grant.mark}: a request of pmgitops is not imported"
    if grant.body is None:
        return "only its changes can be read, so nobody knows what it grants"
    request = TARGETS[one.target].parse(grant.body)
    if isinstance(request, Inexpressible):
        return f"no request can say it exactly: {request.member}: {request.why}"
    path = f"{FOLDER}/{name_of_grant(request, one.target, grant.remote_id)}.yaml"
    first, _, rest = layout.written(request, path, schema).partition(b"\n")
    data = b"\n".join([first, _comment(one), rest])
    loaded = load(path, data)
    if not isinstance(loaded, RequestFile) or loaded.request != request:
        told = "; ".join(found.message for found in loaded) if isinstance(loaded, list) else "it reads otherwise"
        return f"no file can say it exactly: {told}"
    return path, data


def _comment(one: Found) -> bytes:
    """Where it came from; what others wrote is kept to its line."""
    origin = ascii(f"{one.target} {one.remote_id}")[1:-1]
    lines = [
        f"# Imported from {origin}.",
        "# By the name of this file the grant is found: keep it. Merging adopts the grant, and sends nothing.",
    ]
    return "\n".join(lines).encode()


def _not_unmanaged(drift: Drift, ids: Sequence[str], grants: Iterable[Grant]) -> list[Refused]:
    """Those among the ids that there is nothing to import of."""
    found = {one.remote_id: one for one in drift.found}
    ended = {grant.remote_id: grant.detail for grant in grants if grant.ended}
    refused = []
    for remote_id in ids:
        one = found.get(remote_id)
        if one is None:
            why = f"it has ended ({ended[remote_id]})" if remote_id in ended else "no target reports it"
            refused.append(Refused(remote_id, why))
        elif one.kind != "unmanaged":
            refused.append(Refused(remote_id, f"it is the request {one.name}"))
    return refused
