"""Print what a target would be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pmgitops import judging
from pmgitops.model.finding import Finding
from pmgitops.settings import Config
from pmgitops.source import WorkTree
from pmgitops.targets import TARGETS


def render(tree: WorkTree, paths: Sequence[str], config: Config) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The body of each request, for the target that its route names, and what is wrong with the files that are none."""
    rendered: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for _, loaded in judging.load_all(tree, sorted({blob for path in paths for blob in tree.blobs(path)})):
        if isinstance(loaded, list):
            findings += loaded
            continue
        target = config.target_of(loaded.request.kind)
        if target is None:
            findings.append(loaded.finding(("kind",), "route", f"no route takes {loaded.request.kind}"))
        else:
            rendered.append({"name": loaded.name, "target": target, "payload": TARGETS[target].render(loaded.request)})
    return rendered, findings
