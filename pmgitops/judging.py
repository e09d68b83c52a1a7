"""Judging requests, one or a hundred thousand: what the rules of the trusted commit say of files that are only data."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pmgitops.document import MAX_SIZE
from pmgitops.load import RequestFile, load, passed_over, unique
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.model.request import AnyRequest
from pmgitops.model.ticket import TicketRecord
from pmgitops.policy.bundle import Bundle
from pmgitops.settings import CONFIG, Config, Target, TargetName
from pmgitops.source import Blob, Repository
from pmgitops.source import Change as FileChange
from pmgitops.tickets import gate

if TYPE_CHECKING:
    from pmgitops.plan import Rendered, Undeliverable

CHUNK = 250
"""Files that a worker process is handed at once."""
PAYS = 1000
"""From so many files on, worker processes are worth their start."""


class Files(Protocol):
    """Where the bytes of requests come from: a commit or a folder."""

    def contents(self, blobs: Iterable[Blob], limit: int) -> Iterator[tuple[Blob, bytes | None]]:
        """Each file with its bytes; None where it is no plain file, or larger than `limit`."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a request is judged by: configuration and policies of the trusted commit, and the time."""

    config: Config
    policies: Bundle
    now: datetime

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the rules themselves: a broken policy, or none at all, lets nothing pass."""
        return tuple(self.policies.findings)

    def judge(
        self, file: RequestFile, change: Change | None = None, ticket: TicketRecord | None = None
    ) -> list[Finding]:
        """What the configuration and every policy say of one request."""
        if self.policies.findings:  # they are told once, and nothing passes before they are mended
            return self._configured(file)
        return [*self._configured(file), *self.policies.judge(file, now=self.now, change=change, ticket=ticket)]

    def _configured(self, file: RequestFile) -> list[Finding]:
        """Guards that need no policy: the ticket is of a configured system and shaped like one of its numbers."""
        problem = gate.offline(file.request.ticket_info, self.config)
        return (
            [Finding(file.path, *file.at(("ticketInfo", problem.field)), "ticket", problem.message)] if problem else []
        )

    def render(self, request: AnyRequest) -> Rendered | Undeliverable:
        """The body for the target that the configuration routes a request to, or why there is none."""
        from pmgitops.plan import Undeliverable  # noqa: PLC0415  # judging alone needs neither
        from pmgitops.targets import TARGETS  # noqa: PLC0415

        name = self.config.target_of(request.kind)
        if name is None:
            return Undeliverable("route", f"no route in {CONFIG} takes {request.kind}")
        reason = retired(self.config, name)
        if reason:
            return Undeliverable("retired", f"is routed to {name}, which delivers nothing: {reason}")
        return name, TARGETS[name].render(request)


def retired(config: Config, target: TargetName) -> str:
    """Why a target delivers nothing where it stands (the public host of a retired service); empty where it does."""
    from pmgitops.targets import TARGETS  # noqa: PLC0415  # as above

    configured = config.targets.get(target, Target())
    host = urlsplit(configured.endpoint).hostname if configured.endpoint else None
    at_home = host in {None, TARGETS[target].host}
    return TARGETS[target].retired if at_home and not configured.allow_retired else ""


@dataclass(frozen=True, slots=True)
class Judged:
    """How many requests were judged, and what was found."""

    requests: int
    findings: tuple[Finding, ...]


def load_all(files: Files, blobs: Iterable[Blob]) -> Iterator[tuple[Blob, RequestFile | list[Finding]]]:
    """Each file as a request, or what is wrong with it."""
    for blob, data in files.contents(blobs, MAX_SIZE):
        if data is None and blob.is_file:
            finding = Finding(blob.path, 1, 1, "size", f"is larger than {MAX_SIZE // 1024} KiB")
            yield blob, [finding]
        else:
            yield blob, load(blob.path, data or b"", mode=int(blob.mode, 8))


def namesakes(repository: Repository, head: str, under: str, changes: Iterable[FileChange]) -> list[Finding]:
    """Findings on added files whose name another file at `head` has already; what was only changed kept its name."""
    added = {change.path for change in changes if change.status == "A" and not passed_over(change.path)}
    same = repository.namesakes(head, {PurePosixPath(path).name for path in added}, under)
    return [found for found in unique(path for group in same.values() for path in group) if found.path in added]


def judge_all(files: Files, blobs: Sequence[Blob], desk: Desk, *, workers: int = 1) -> Judged:
    """Judge every file, in worker processes where there are enough of them. One broken file hides no other."""
    judge = partial(_judge_some, files, desk)
    chunks = [blobs[start : start + CHUNK] for start in range(0, len(blobs), CHUNK)]
    if workers > 1 and len(blobs) >= PAYS and sys.platform == "linux":
        judged = _in_workers(judge, chunks, workers)
    else:
        judged = [judge(chunk) for chunk in chunks]
    return Judged(sum(part.requests for part in judged), tuple(found for part in judged for found in part.findings))


def _judge_some(files: Files, desk: Desk, blobs: Sequence[Blob]) -> Judged:
    requests = 0
    findings: list[Finding] = []
    for _, loaded in load_all(files, blobs):
        if isinstance(loaded, RequestFile):
            requests += 1
            findings += desk.judge(loaded)
        else:
            findings += loaded
    return Judged(requests, tuple(findings))


_work: Callable[[Sequence[Blob]], Judged] | None = None
"""What a forked worker does: inherited with its memory, since compiled policies cannot be sent."""


def _in_workers(
    judge: Callable[[Sequence[Blob]], Judged], chunks: Sequence[Sequence[Blob]], workers: int
) -> list[Judged]:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415  # few runs have files enough
    from multiprocessing import get_context  # noqa: PLC0415

    global _work  # noqa: PLW0603  # see _work
    _work = judge
    gc.freeze()  # what is there already is shared with the workers and need not be looked through by each
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
            return list(pool.map(_work_on, chunks))
    finally:
        _work = None
        gc.unfreeze()


def _work_on(chunk: Sequence[Blob]) -> Judged:
    assert _work is not None, "set before the fork"
    return _work(chunk)
