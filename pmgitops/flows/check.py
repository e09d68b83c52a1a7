"""Judge requests: those on disk by the rules beside them, those of a pull request by the rules of its base."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pmgitops import judging
from pmgitops.flows import REQUESTS
from pmgitops.judging import Desk, Judged
from pmgitops.load import unique
from pmgitops.model.finding import Finding
from pmgitops.source import Repository, WorkTree

POLICED = ("policies", "catalog", "pmgitops.yaml", ".github", "locks")
"""What a pull request may not change together with requests: nobody changes the rules for their own request."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How many requests were judged, and what was found."""

    requests: int
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as `check` prints it."""
        return {"requests": self.requests, "findings": [finding.as_json() for finding in self.findings]}


def check(tree: WorkTree, paths: Sequence[str], desk: Desk, *, workers: int = 1) -> Checked:
    """Judge the requests in a folder on disk, by the rules beside them."""
    blobs = list(dict.fromkeys(blob for path in paths for blob in tree.blobs(path)))
    judged = judging.judge_all(tree, blobs, desk, workers=workers)
    return _checked(judged, desk, unique(blob.path for blob in blobs))


def check_change(repository: Repository, base: str, head: str, desk: Desk, *, workers: int = 1) -> Checked:
    """Judge what a pull request brings, by the rules of its base. The cost follows what changed."""
    fork = repository.merge_base(base, head) or base
    changes = repository.changes(fork, head, REQUESTS)
    judged = judging.judge_all(repository, [change.new for change in changes if change.new], desk, workers=workers)
    clashes = judging.namesakes(repository, head, REQUESTS, changes)
    return _checked(judged, desk, [*clashes, *_mixed(repository, fork, head)])


def _checked(judged: Judged, desk: Desk, more: Iterable[Finding]) -> Checked:
    return Checked(judged.requests, tuple(sorted({*desk.findings(), *judged.findings, *more})))


def _mixed(repository: Repository, fork: str, head: str) -> list[Finding]:
    touched = repository.touched(fork, head)
    policed = sorted(touched & set(POLICED))
    if REQUESTS not in touched or not policed:
        return []
    message = (
        f"changes {', '.join(policed)} together with {REQUESTS}; rules and requests go into pull requests of their own"
    )
    return [Finding(policed[0], 1, 1, "mixed-change", message)]
