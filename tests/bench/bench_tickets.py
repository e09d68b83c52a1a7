"""The ticket gate, and the link, against a bare client that makes the same calls, with as many connections.

    python -m tests.bench.bench_tickets [--requests N]

Half of the tickets are incidents, half approved changes; every request names its own. Connections are warm on both
sides; the sandbox is a process of its own. What the link takes besides its calls are the ledger's pushes.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import requests
from requests.auth import HTTPBasicAuth

from pmgitops.ledger.book import Book
from pmgitops.ledger.git import GitLedger
from pmgitops.model.request import Ticket
from pmgitops.model.scalars import instant_text
from pmgitops.model.ticket import TicketLink
from pmgitops.settings import Config, parse
from pmgitops.source import Repository
from pmgitops.tickets import gate, inquiry, outbox
from pmgitops.tickets.login import Session, judge
from pmgitops.tickets.servicenow import ServiceNow
from pmgitops.wiring import clock
from tests.bench.bench_apply import repository, sandbox, say, told

ROUNDS = 3
PARALLEL = 4


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--requests", type=int, default=500)
    given, _ = arguments.parse_known_args()
    with sandbox() as url:
        numbers = furnished(url, given.requests)
        config = parse(f'{{"tickets": {{"S": {{"host": "{url}", "window": "off"}}}}}}'.encode())
        with Session(auth=HTTPBasicAuth("pmgitops", "sandbox"), judge=judge) as session:
            reader = ServiceNow(url, session, parallel=PARALLEL)
            calls = counted(url, lambda: judged(numbers, config, reader))
            took: dict[str, list[float]] = {"a bare client, the same calls": [], "the gate, and read again": []}
            with Bare(url) as bare:
                for turn in range(ROUNDS + 1):
                    pair = timed(lambda: bare.repeat(calls)), timed(lambda: judged(numbers, config, reader))
                    if turn:  # the first one warms up
                        for times, one in zip(took.values(), pair, strict=True):
                            times.append(one)
            told(f"{given.requests} requests, each with a ticket of its own, {PARALLEL} connections", took)
            say(f"  {len(calls)} calls: {len(calls) / given.requests:.2f} a request (bound: 4)")
            with tempfile.TemporaryDirectory(prefix="pmgitops-bench-") as folder:
                linking(Path(folder) / "link", url, numbers, reader)


def linking(folder: Path, url: str, numbers: list[str], reader: ServiceNow) -> None:
    """The notes that a submission brings, and the file that the first of them names (bound: 3 calls a note)."""
    book = Book(GitLedger(Repository(repository(folder, url, {"requests/README.md": ""}))), clock)
    for number in numbers:
        begun(book, number.lower(), reader.find(number)[0].link("S"))
    book.push()
    posts: list[float] = []
    counter = outbox.Counter({"s": reader}, hands=PARALLEL)
    calls = counted(url, lambda: posts.append(timed(lambda: outbox.deliver(book.load_open(), book, counter))))
    log = requests.get(f"{url}/_control/log", timeout=60).json()["log"]
    files = sum("/attachment" in entry["path"] for entry in log)
    notes = sum(entry["method"] == "PATCH" for entry in log)
    say(f"\nlinking {len(numbers)} requests, {PARALLEL} connections")
    say(f"  {posts[0]:9.1f} ms, {posts[0] / len(calls):.2f} ms a call")
    say(f"  {notes} notes: {(len(calls) - files) / notes:.2f} calls a note, each class asked about once (bound: 3)")
    say(f"  {len(numbers)} files: {files / len(numbers):.2f} calls a file")


def begun(book: Book, name: str, link: TicketLink) -> None:
    """A request that was submitted under a ticket, as the reconciler writes it."""
    book.write(
        name,
        "intended",
        revision="4" * 64,
        path=f"requests/team/{name}.yaml",
        commit="c" * 40,
        target="permissions-management",
        payload={},
        digest="d" * 64,
        correlation=f"pmgitops:{name}@444444444444",
        access="1 policy in AWS account 956987887735",
        grants=[],
        identity="alex@contoso.com",
        owner="somebody",
        until=instant_text(clock() + timedelta(minutes=1)),
        ticket=link.as_json(),
    )
    book.write(name, "submitted", remoteId=f"id-of-{name}")


def judged(numbers: list[str], config: Config, reader: ServiceNow) -> None:
    """What `apply` does: judge every request, and read every ticket again."""
    people = {
        "ticket_submitter_identity_id": "alex@contoso.com",
        "ticket_approver_identity_id": "alexmanager@contoso.com",
    }
    claims = [gate.Claim(Ticket(ticket_number=number, ticket_system="S", **people), name=number) for number in numbers]
    verdicts = inquiry.verdicts(claims, config, {"s": reader})
    assert all(verdict.outcome == "passes" for verdict in verdicts), verdicts
    records = {verdict.record.number: verdict.record for verdict in verdicts if verdict.record}
    assert not inquiry.changed(records, config, "s", {"s": reader})


class Bare:
    """As many sessions as there are connections, which do nothing but ask."""

    def __init__(self, url: str) -> None:
        self._url, self._own = url, threading.local()
        self._pool = ThreadPoolExecutor(PARALLEL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def repeat(self, calls: list[str]) -> None:
        """Every call once."""
        list(self._pool.map(self._ask, calls))

    def _ask(self, path: str) -> None:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.auth = ("pmgitops", "sandbox")
            self._own.session.trust_env = False
        answer = self._own.session.get(f"{self._url}{path}", headers={"Accept": "application/json"}, timeout=20)
        assert answer.status_code == 200
        answer.json()


def furnished(url: str, count: int) -> list[str]:
    """Tickets that pass; their numbers. Of each class, one has a note already, as on any instance that is in use."""

    def make(fields: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = requests.post(f"{url}/_control/tickets", json=fields, timeout=20).json()
        return made

    numbers = []
    for place in range(count):
        change = place % 2
        number = f"{'CHG' if change else 'INC'}{5_000_000 + place}"
        made = make(
            {"class": "change_request", "number": number, "state": "-1", "requested_by": "alex"}
            if change
            else {"number": number, "state": "2", "caller_id": "alex"}
        )
        if change:
            row = {"approver": "alexmanager", "sysapproval": made["sys_id"], "state": "approved"}
            make({"class": "sysapproval_approver", **row})
        numbers.append(number)
    for number in numbers[:2]:
        requests.patch(f"{url}/_control/tickets/{number}", json={"work_notes": "seen"}, timeout=20).raise_for_status()
    return numbers


def counted(url: str, act: Any) -> list[str]:
    """The calls that something makes, as a bare client can make them again."""
    requests.delete(f"{url}/_control/log", timeout=20)
    act()
    log = requests.get(f"{url}/_control/log", timeout=20).json()["log"]
    return [f"{entry['path']}?{urlencode(entry['query'])}" for entry in log if entry["path"].startswith("/api/now")]


def timed(act: Any) -> float:
    begun = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
