"""
A file of `requests/` as a request with its positions, or findings. Pure: whoever calls has read the bytes.

* name             the file's name is not a request's name
* extension        neither a request (`*.yaml`) nor one of the files that are passed over
* symlink          a symbolic link
* submodule        a submodule
* duplicate-name   two files of one name

Those of `pmgitops.document` and of the model stand beside them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pmgitops.document import MAX_FINDINGS, Document, Position, parse, validate
from pmgitops.model.finding import Finding, Severity
from pmgitops.model.problem import Path
from pmgitops.model.request import REQUEST, AnyRequest

REGULAR, SYMLINK, SUBMODULE = 0o100644, 0o120000, 0o160000
"""Modes of git's tree entries."""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


@dataclass(frozen=True, slots=True)
class RequestFile:
    """A request as it stands in the repository; its name is the file's stem."""

    name: str
    path: str
    request: AnyRequest
    document: Document

    def at(self, path: Path, *, key: bool = False) -> Position:
        """Where a part of the request stands in the file."""
        return self.document.at(path, key=key)

    def finding(self, path: Path, rule: str, message: str, severity: Severity = "error") -> Finding:
        """A finding at a part of the request."""
        return Finding(self.path, *self.at(path), rule, message, severity)


def load(path: str, data: bytes, *, mode: int = REGULAR) -> RequestFile | list[Finding]:
    """The request in one file, or everything that is wrong with it; no findings for a file that is passed over."""
    if mode not in {SYMLINK, SUBMODULE} and passed_over(path):
        return []
    stem, extension = _name(path)
    refused = _misplaced(stem, extension, mode)
    if refused:
        return [Finding(path, 1, 1, *refused)]
    document, findings = parse(data, path)
    if document is None:
        return findings
    request = validate(document, path, REQUEST)
    if isinstance(request, list):
        return _merged(findings, request)
    return findings or RequestFile(stem, path, request, document)


def passed_over(path: str) -> bool:
    """Whether a file under `requests/` is none of ours: a README, or one whose name begins with a dot."""
    name = path.rpartition("/")[2]
    return name == "README.md" or name.startswith(".")


def name_of(path: str) -> str:
    """The name of the request at `path`; empty where the file's name is none."""
    stem, extension = _name(path)
    return stem if extension == ".yaml" and NAME.fullmatch(stem) else ""


def unique(paths: Iterable[str]) -> list[Finding]:
    """A finding on every request file whose name another one has, wherever in `requests/` they stand."""
    named: dict[str, list[str]] = defaultdict(list)
    for path in set(paths):
        if not passed_over(path):
            named[_name(path)[0]].append(path)
    return sorted(
        Finding(
            path,
            1,
            1,
            "duplicate-name",
            f"{name!r} is also the name of {', '.join(sorted(other for other in same if other != path))}",
        )
        for name, same in named.items()
        if len(same) > 1
        for path in same
    )


def _name(path: str) -> tuple[str, str]:
    # What pathlib says too, at a tenth of the time: this runs for every file.
    name = path.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if stem else (name, "")


def _misplaced(stem: str, extension: str, mode: int) -> tuple[str, str] | None:
    if mode == SYMLINK:
        return "symlink", "a symbolic link; a request is a file of its own"
    if mode == SUBMODULE:
        return "submodule", "a submodule; requests stand in this repository"
    if extension != ".yaml":
        return "extension", f"is not read; a request's file is named like {stem.partition('.')[0].lower()}.yaml"
    if not NAME.fullmatch(stem):
        return "name", f"{stem!r} is not a request's name: 1 to 100 of a-z, 0-9 and -, not beginning with -"
    return None


def _merged(first: list[Finding], second: list[Finding]) -> list[Finding]:
    # What YAML's rules refused was read as something near it; what the model says of that place would be noise.
    told = {(finding.line, finding.column) for finding in first}
    return sorted(first + [finding for finding in second if (finding.line, finding.column) not in told])[:MAX_FINDINGS]
