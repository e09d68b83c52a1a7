"""The files that a ticket is given: canonical, a function of the ledger, and each side holds the other's digest."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import rfc8785

from pmgitops.tickets.evidence import Attachment
from tests.tickets.conftest import intended, observed

NUMBER = "INC1234567"
GOLDEN = Path(__file__).parent / "golden_evidence"


def files(runs, name="a"):
    """The files as the ledger makes them, whether or not they were delivered."""
    return [post for post in runs.all(name) if isinstance(post, Attachment)]


def test_what_they_say(runs, golden):
    runs.begin("a", NUMBER, "approved", "approved/granted", "completed")
    runs.deliver()

    linked, closed = files(runs)

    for file in (linked, closed):
        told = json.loads(file.content)
        assert file.content == rfc8785.dumps(told)
        told["ticket"] |= {"instance": "example.service-now.com"}  # a port of its own in every run
        text = json.dumps(told, indent=2, sort_keys=True) + "\n"
        golden(GOLDEN / f"{file.transition.name}.json", _without_digests(text))


def _without_digests(text):
    """Markers and names hold the instance, which is another one in every run."""
    text = re.sub(r"pmgitops/1 [0-9a-f]{32}", "pmgitops/1 MARKER", text)
    text = re.sub(r"pmgitops-[0-9a-f]{12}-linked-[0-9a-f]{16}", "pmgitops-LINK-linked-DIGEST", text)
    return re.sub(r'"(sha256|head|snapshot)": "[0-9a-f]{64}"', r'"\1": "DIGEST"', text)


def test_each_has_the_digest_of_the_other(runs, instance):
    """The ticket holds the ledger's, in note and file; the ledger holds the files' and the ticket's."""
    runs.begin("a", NUMBER, "completed")
    runs.deliver()

    history = runs.book().histories(["a"])["a"]
    closing = next(event for event in history if event.event == "closing")
    first, last = instance.files(NUMBER)
    *_, note = instance.notes(NUMBER)
    assert f"Evidence: {last['file_name']}\nSHA-256: {last['hash']}\nLedger: {closing.prev}\npmgitops/1 " in note
    assert f"Evidence: {first['file_name']}\nSHA-256: {first['hash']}\n" in instance.notes(NUMBER)[0]
    told = {event.data["marker"]: event.data["sha256"] for event in history if event.event == "attachment-delivered"}
    assert told == {file["file_name"]: file["hash"] for file in (first, last)}
    _, closed = files(runs)
    assert json.loads(closed.content)["head"] == closing.prev
    assert json.loads(closed.content)["attachments"] == [{"name": first["file_name"], "sha256": first["hash"]}]


def test_they_are_named_after_what_they_hold(runs, instance):
    runs.begin("a", NUMBER, "completed")
    runs.deliver()

    for file, stored in zip(files(runs), instance.files(NUMBER), strict=True):
        digest = hashlib.sha256(file.content).hexdigest()
        assert re.fullmatch(rf"pmgitops-[0-9a-f]{{12}}-(linked|closed-out)-{digest[:16]}\.json", stored["file_name"])
        assert (stored["file_name"], stored["hash"], stored["content_type"]) == (file.file, digest, "application/json")


def test_what_follows_changes_nothing_in_them(runs):
    """Whoever has the ledger makes them again, years later, byte for byte."""
    runs.begin("a", NUMBER, "approved")
    (before,) = files(runs)
    runs.deliver()
    runs.tell("a", observed("z", 30, "completed"))
    runs.deliver()
    first, closed = files(runs)
    runs.deliver()

    assert first == before
    assert files(runs) == [first, closed]


def test_each_revision_is_a_link_of_its_own(runs, instance):
    record = runs.begin("a", NUMBER, "canceled")
    runs.deliver()
    again = intended("a", record.link("ServiceNow"), revision="5" * 64)
    runs.tell("a", again, ("submitted", {"remoteId": "id-2"}))
    runs.deliver()

    told = [(file.transition.name, json.loads(file.content)["revision"][0]) for file in files(runs)]
    assert told == [("linked", "4"), ("closed-out", "4"), ("linked", "5")]
    assert len({file["file_name"].split("-")[1] for file in instance.files(NUMBER)}) == 2
