"""An instance of ServiceNow on loopback, ours and bare pysnow as its clients, and a ledger for the outbox."""

from __future__ import annotations

import contextlib
import itertools
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
import trustme
from requests.auth import HTTPBasicAuth

from pmgitops.ledger.book import Book
from pmgitops.ledger.git import GitLedger
from pmgitops.model.scalars import instant_text
from pmgitops.sandbox import Sandbox
from pmgitops.source import Repository
from pmgitops.tickets import links, notes, outbox
from pmgitops.tickets.login import Session, judge
from pmgitops.tickets.servicenow import ServiceNow
from tests.world import World, git

API = "/api/now"


class Instance:
    """The sandbox's ServiceNow as its administrator sees it."""

    def __init__(self, world, sandbox):
        self.control, self.host = world.control, f"http://{sandbox.servicenow_host}"
        self.number = map("INC{:07}".format, itertools.count(2000000))

    def fault(self, **fault):
        self.control("POST", "faults", fault)

    def settings(self, **settings):
        self.control("POST", "settings", settings)

    def ticket(self, **fields):
        """A new ticket; `class` is an incident where nothing is said."""
        return self.control("POST", "tickets", {"number": next(self.number), **fields})

    def user(self, user_name, **fields):
        """A new user, by default with the e-mail address that goes with the name."""
        email = f"{user_name}@contoso.com"
        return self.ticket(**{"class": "sys_user", "user_name": user_name, "name": user_name, "email": email} | fields)

    def approval(self, ticket, approver, state="approved", by=None):
        """A row of somebody who was asked, set to this state by themselves or by somebody else."""
        asked = {"class": "sysapproval_approver", "approver": approver, "sysapproval": ticket, "state": "requested"}
        row = self.ticket(**asked)["sys_id"]
        if state != "requested":
            self.write(f"sysapproval_approver/{row}", by or approver, state=state)
        return row

    def write(self, path, user, **fields):
        """One PATCH by a user."""
        address = f"{self.host}{API}/table/{path}"
        requests.patch(address, json=fields, auth=(user, "sandbox"), timeout=10).raise_for_status()

    def change(self, number, **fields):
        self.control("PATCH", f"tickets/{number}", fields)

    def files(self, number):
        """The ticket's attachments, oldest first."""
        return self.control("GET", f"tickets/{number}")["attachments"]

    def notes(self, number):
        """The ticket's work notes, oldest first."""
        return [entry["value"] for entry in self.control("GET", f"tickets/{number}")["journal"]]

    def log(self, method=None):
        """What was asked of the Table API."""
        return [
            entry
            for entry in self.control("GET", "log")["log"]
            if entry["path"].startswith(API) and method in (None, entry["method"])
        ]


@pytest.fixture
def instance(tmp_path, sandbox):
    return Instance(World(tmp_path, sandbox), sandbox)


@pytest.fixture
def log_in(instance):
    """Our client; the pauses between its attempts are short."""
    with contextlib.ExitStack() as stack:

        def make(auth=None, **options):
            options = {"pause": 0.001, "deadline": 2.0} | options
            parallel = options.pop("parallel", 4)
            session = Session(auth=auth or HTTPBasicAuth("pmgitops", "sandbox"), judge=judge, **options)
            return ServiceNow(instance.host, stack.enter_context(session), parallel=parallel)

        yield make


@pytest.fixture
def ours(log_in):
    return log_in()


@pytest.fixture(scope="module")
def authority():
    """A private one: no machine trusts it."""
    return trustme.CA()


@pytest.fixture
def ca(authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return str(tmp_path / "authority.pem")


@pytest.fixture
def secure(authority):
    """A sandbox that shows a certificate of the authority's, and asks for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    with Sandbox(tls=context) as running:
        yield running


class Runs:
    """Runs of `apply` as far as tickets know them: each has a ledger read anew, and delivers."""

    def __init__(self, clone, instance, client):
        self.clone, self.instance, self.client = clone, instance, client
        self.pauses = []
        self.now = datetime(2026, 1, 15, 9, tzinfo=UTC)
        self.meanwhile = lambda: None
        self.wording = notes.Wording()
        self.named = frozenset()

    def book(self):
        ledger = GitLedger(
            Repository(self.clone), remote="origin", ref="refs/heads/pmgitops/ledger", timeout=20, clock=self.clock
        )
        return Book(ledger, self.clock)

    def clock(self):
        self.now += timedelta(seconds=1)
        return self.now

    def tell(self, name, *events):
        """Append events to a request's history, as the reconciler does."""
        book = self.book()
        for event, data in events:
            book.write(name, event, **data)
        assert not book.push()
        assert book[name] == self.book()[name], "a standing is what reading its events again would make of it"

    def begin(self, name, number, *words):
        """A request that was submitted under this ticket; `words` are what the target reported since."""
        (record,) = self.client.find(number)
        later = [observed(f"c{place}", place, *word.split("/")) for place, word in enumerate(words)]
        self.tell(name, intended(name, record.link("ServiceNow")), ("submitted", {"remoteId": f"id-of-{name}"}), *later)
        return record

    def deliver(self, client=None):
        """One run; what it could not deliver."""
        book = self.book()
        names = book.load_open()
        links.close(names, book)
        undelivered = outbox.deliver(names, book, self.counter(client), pause=self._pause)
        assert book.standings(names) == self.book().standings(names)
        return undelivered

    def counter(self, client=None):
        writers = {"servicenow": client or self.client}
        return outbox.Counter(writers, wording=self.wording, named=self.named)

    def due(self, name, book=None):
        """What the tickets of a request have not certainly got."""
        book = book or self.book()
        return notes.due(book[name], book.histories([name])[name], self.wording)

    def all(self, name):
        """What the tickets of a request are due, or have got."""
        book = self.book()
        return notes.due(replace(book[name], notes={}), book.histories([name])[name], self.wording)

    def statuses(self, name, kind="pmgitops/1 "):
        """What the ledger says of each note."""
        return [status for marker, status in self.book()[name].notes.items() if marker.startswith(kind)]

    def _pause(self, seconds):
        self.pauses.append(seconds)
        self.meanwhile()


def intended(name, link, revision="4" * 64):
    until = instant_text(datetime(2026, 1, 15, 9, 1, tzinfo=UTC))
    return (
        "intended",
        {
            "revision": revision,
            "path": f"requests/team/{name}.yaml",
            "commit": "c" * 40,
            "target": "permissions-management",
            "payload": {},
            "digest": "d" * 64,
            "correlation": f"pmgitops:{name}@444444444444",
            "access": "1 policy in AWS account 956987887735",
            "grants": [],
            "identity": "alex@contoso.com",
            "justification": "I need to add a user to a group",
            "tool": "pmgitops 0.1.0",
            "verdict": {"policies": "e" * 64, "rules": ["short-lived"], "warnings": []},
            "owner": "somebody",
            "until": until,
            "ticket": link.as_json(),
        },
    )


def observed(change, minute, detail, occurrence=""):
    words = [word for word in (detail, occurrence) if word]
    modified = f"2026-01-15T10:{minute:02}:00Z"
    state = {"granted": "active"}.get(occurrence, detail)
    return (
        "observed",
        {"id": change, "state": state, "detail": "/".join(words), "transitions": words, "modified": modified},
    )


@pytest.fixture
def runs(tmp_path, instance, ours):
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "origin.git"), at=tmp_path)
    git("clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / "clone"), at=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "founded", at=tmp_path / "clone")
    git("push", "-q", "origin", "HEAD:main", at=tmp_path / "clone")
    return Runs(tmp_path / "clone", instance, ours)
