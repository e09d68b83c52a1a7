"""A few files on a branch of their own, by git's plumbing: no index is touched, no work tree, no current branch.

Every step may be the last of a run that is interrupted; the next run finds what is there and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pmgitops.errors import PermanentRemoteError, RemoteError, TemporaryRemoteError, UsageError
from pmgitops.source import Outcome, Repository, unreachable

FILE: Final = "100644"
FOLDER: Final = "40000"
SECONDS: Final = 60.0
"""How long one conversation with the remote may take."""


@dataclass(frozen=True, slots=True)
class Change:
    """Files by their paths, and the branch that brings them."""

    files: Mapping[str, bytes]
    branch: str
    message: str

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return f"refs/heads/{self.branch}"


@dataclass(frozen=True, slots=True)
class Pushed:
    """The commit that a remote's branch stands at."""

    commit: str
    there: bool
    """Whether an earlier run had pushed it."""


def push(repository: Repository, change: Change, *, remote: str, base: str) -> Pushed:
    """Have `remote` hold a branch that brings the change on top of its branch `base`.

    Raises:
        UsageError: The remote has no such base, or the branch is somebody else's.
        RemoteError: The remote did not answer, or does not let us in; running again is safe.
    """
    repository.refuse_shallow()
    repository.remote(remote)
    onto = f"refs/heads/{base}"
    tips = repository.tips(remote, [onto, change.ref], SECONDS)
    if onto not in tips:
        raise UsageError(f"{remote} has no branch {base!r}", hint="push it first")
    for ref in tips:
        repository.fetch(remote, ref, SECONDS)
    if change.ref in tips:
        if not _brings(repository, tips[change.ref], change):
            raise _somebody_elses(change, f"{remote} has")
        _remember(repository, change, tips[change.ref])
        return Pushed(tips[change.ref], there=True)
    commit = _begun(repository, change) or _commit(repository, change, tips[onto])
    _remember(repository, change, commit)
    sent = repository.push(remote, change.ref, commit, None, SECONDS)
    if not sent.succeeded:
        raise _refused(remote, change, sent)
    return Pushed(commit, there=False)


def _brings(repository: Repository, commit: str, change: Change) -> bool:
    return all(repository.content(commit, path) == data for path, data in change.files.items())


def _begun(repository: Repository, change: Change) -> str | None:
    """What a run that could not push has left behind. UsageError where the branch is something else."""
    found = repository.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{change.ref}^{{commit}}")
    if not found.succeeded:
        return None
    commit = found.output.decode().strip()
    if not _brings(repository, commit, change):
        raise _somebody_elses(change, "there is")
    return commit


def _remember(repository: Repository, change: Change, commit: str) -> None:
    """The branch here, too, unless there is one already."""
    if _begun(repository, change) is None:
        repository.ask("update-ref", "-m", "pmgitops new --propose", change.ref, commit, "0" * len(commit))


def _commit(repository: Repository, change: Change, parent: str) -> str:
    """A commit of these files on top of `parent`, signed where git is told to sign."""
    tree = parent
    for path, data in change.files.items():
        tree = _with(repository, tree, path, data)
    signing = repository.run("config", "--type=bool", "--get", "commit.gpgSign").output.strip() == b"true"
    arguments = ("commit-tree", *(("-S",) if signing else ()), "-p", parent, tree)
    return repository.ask(*arguments, stdin=change.message.encode()).decode().strip()


def _with(repository: Repository, before: str, path: str, data: bytes) -> str:
    """The tree `before`, or that of a commit, with this file in it."""
    entry = (FILE, "blob", repository.ask("hash-object", "-w", "--stdin", stdin=data).decode().strip())
    place = PurePosixPath(path)
    while place.name:
        folder = "" if str(place.parent) == "." else str(place.parent)
        entry = (FOLDER, "tree", _tree(repository, f"{before}:{folder}", place.name, entry))
        place = place.parent
    return entry[2]


def _tree(repository: Repository, before: str, name: str, entry: tuple[str, str, str]) -> str:
    """The tree `before` (nothing where there is none) with `name` as this entry: mode, type, id."""
    listed = repository.run("ls-tree", "-z", "--full-tree", before)
    records = listed.output.split(b"\0") if listed.succeeded else []
    kept = [record for record in records if record and record.partition(b"\t")[2] != name.encode()]
    mode, kind, oid = entry
    made = b"\0".join([*kept, f"{mode} {kind} {oid}\t{name}".encode(), b""])
    return repository.ask("mktree", "-z", stdin=made).decode().strip()


def _somebody_elses(change: Change, who: str) -> UsageError:
    return UsageError(
        f"{who} a branch {change.branch!r} already, and it brings another {', '.join(change.files)}",
        hint="go on with that branch, or choose another --name",
    )


def _refused(remote: str, change: Change, sent: Outcome) -> RemoteError:
    lines = sent.output.decode("utf-8", "replace").splitlines()
    reason = next((line.rpartition("\t")[2] for line in lines if line.startswith("!\t")), "")
    if not reason or reason.startswith("[remote failure]"):
        error = unreachable(remote, sent)
        if isinstance(error, TemporaryRemoteError):
            error.hint = f"{change.branch} stands here; run the same command again"
        return error
    return PermanentRemoteError(
        f"remote {remote!r} does not take {change.branch}: {reason} {sent.message}".rstrip(),
        hint=f"{change.branch} stands here; push it when that is mended",
        code="git.refused",
    )
