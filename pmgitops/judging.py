"""Judging requests, one or a hundred thousand: what the rules of the trusted commit say of files that are only data."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pmgitops.document import MAX_SIZE
from pmgitops.errors import PmgitopsError
from pmgitops.load import RequestFile, load, passed_over, unique
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.model.request import AnyRequest
from pmgitops.model.ticket import TicketRecord
from pmgitops.policy import existence
from pmgitops.policy.bundle import Bundle
from pmgitops.policy.existence import Existence
from pmgitops.policy.facts import catalog_facts
from pmgitops.settings import CONFIG, Config, Target, TargetName
from pmgitops.source import Blob, Repository
from pmgitops.source import Change as FileChange
from pmgitops.tickets import gate

if TYPE_CHECKING:
    from pmgitops.catalog.snapshot import Catalog
    from pmgitops.plan import Rendered, Undeliverable

CHUNK = 250
"""Files that are judged at a turn."""
MOST_CHUNKS = 10_000
"""Turns whose numbers fit into a pipe; of more files, more are judged at a turn."""
PAYS = 300
"""From so many files on, a worker process is worth its start."""


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
    catalog: Catalog | None = None
    """The committed snapshot of what exists; None where there is none."""

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the rules themselves: a broken policy, or none at all, lets nothing pass."""
        return tuple(self.policies.findings)

    def judge(
        self, file: RequestFile, change: Change | None = None, ticket: TicketRecord | None = None
    ) -> list[Finding]:
        """What the configuration and every policy say of one request."""
        if self.policies.findings:  # they are told once, and nothing passes before they are mended
            return self._configured(file)
        found = self._configured(file)
        if self.catalog is None:
            return [*found, *self.policies.judge(file, now=self.now, change=change, ticket=ticket)]
        seen = existence.look_up(file.request, self.catalog)
        facts = catalog_facts(self.catalog, seen, self.now)
        judged = self.policies.judge(
            file, now=self.now, change=change, ticket=ticket, catalog=facts, known=self.catalog
        )
        return [*found, *self._existing(file, seen, self.catalog), *judged]

    def judge_many(self, files: Sequence[RequestFile]) -> list[Finding]:
        """The same of requests that nothing else is known about."""
        found = [finding for file in files for finding in self._configured(file)]
        if self.policies.findings:
            return found
        if self.catalog is None:
            return found + self.policies.judge_many(files, now=self.now)
        catalog = self.catalog
        seen = [existence.look_up(file.request, catalog) for file in files]
        found += [one for file, names in zip(files, seen, strict=True) for one in self._existing(file, names, catalog)]
        facts = [catalog_facts(catalog, names, self.now) for names in seen]
        return found + self.policies.judge_many(files, now=self.now, catalogs=facts, known=catalog)

    def _existing(self, file: RequestFile, seen: Existence, catalog: Catalog) -> list[Finding]:
        """What a request names and the snapshot does not know."""
        unknown = self.config.catalog.unknown
        return existence.findings(file, seen, catalog, unknown) if unknown != "off" else []

    def _configured(self, file: RequestFile) -> list[Finding]:
        """Guards that need no policy: the ticket is of a configured system and shaped like one of its numbers."""
        problem = gate.offline(file.request.ticket_info, self.config, file.request.kind)
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
    size = max(CHUNK, len(blobs) // MOST_CHUNKS + 1)
    chunks = [blobs[start : start + size] for start in range(0, len(blobs), size)]
    if workers > 1 and len(blobs) >= PAYS and sys.platform == "linux":
        judged = _shared_out(judge, chunks, workers)
    else:
        judged = [judge(chunk) for chunk in chunks]
    return Judged(sum(part.requests for part in judged), tuple(found for part in judged for found in part.findings))


def _judge_some(files: Files, desk: Desk, blobs: Sequence[Blob]) -> Judged:
    loaded = [found for _, found in load_all(files, blobs)]
    requests = [found for found in loaded if isinstance(found, RequestFile)]
    broken = [finding for found in loaded if isinstance(found, list) for finding in found]
    return Judged(len(requests), (*broken, *desk.judge_many(requests)))


# --- in several processes ---------------------------------------------------------------------------------------------
# Forked, so that each has the compiled policies, which cannot be sent; what a pool of the standard library takes to
# start is what judging two hundred files takes.

_Judge = Callable[[Sequence[Blob]], Judged]


def _shared_out(judge: _Judge, chunks: Sequence[Sequence[Blob]], workers: int) -> list[Judged]:
    """Judge chunks here and in forked processes: each takes a chunk's number from a pipe, until none is left."""
    gc.freeze()  # what is there already is shared, and need not be looked through by each
    turns, numbers = os.pipe()
    with open(turns, "rb", buffering=0) as waiting:  # noqa: PTH123  # a pipe
        with open(numbers, "wb", buffering=0) as filling:  # noqa: PTH123
            filling.write(b"".join(number.to_bytes(_NUMBER) for number in range(len(chunks))))
        others = [_Worker(judge, chunks, waiting) for _ in range(workers - 1)]
        try:
            judged = _take_turns(judge, chunks, waiting)
            for other in others:
                judged |= other.result()
        finally:
            for other in others:
                other.end()
            gc.unfreeze()
    return [judged[number] for number in range(len(chunks))]


_NUMBER = 4
"""Bytes of a chunk's number."""


def _take_turns(judge: _Judge, chunks: Sequence[Sequence[Blob]], waiting: IO[bytes]) -> dict[int, Judged]:
    judged = {}
    while number := waiting.read(_NUMBER):
        place = int.from_bytes(number)
        judged[place] = judge(chunks[place])
    return judged


class _Worker:
    """A process that takes turns until none is left, and then tells what it found, or what went wrong."""

    def __init__(self, judge: _Judge, chunks: Sequence[Sequence[Blob]], waiting: IO[bytes]) -> None:
        answer, answering = os.pipe()
        self._pid: int | None = os.fork()
        if self._pid:
            os.close(answering)
            self._answer = open(answer, "rb")  # noqa: PTH123, SIM115  # closed by end()
            return
        told: dict[int, Judged] | Exception
        try:
            try:
                told = _take_turns(judge, chunks, waiting)
            except Exception as error:  # noqa: BLE001  # raised again by result(), where somebody can catch it
                told = error
            with open(answering, "wb") as speaking:  # noqa: PTH123
                pickle.dump(told, speaking)
        finally:
            os._exit(0)  # nothing of the parent is this process's to flush, to close or to say

    def result(self) -> dict[int, Judged]:
        """What the worker found."""
        told = self._answer.read()
        if not told:
            raise PmgitopsError("a worker process ended without an answer", hint="is there too little memory?")
        found: dict[int, Judged] | Exception = pickle.loads(told)  # noqa: S301  # our own, by a pipe of our own
        if isinstance(found, Exception):
            raise found
        return found

    def end(self) -> None:
        """Leave no process behind, whatever happened here."""
        self._answer.close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None
