"""Files reach their ticket once each, whatever happens on the way; and the adapter's part of it."""

from __future__ import annotations

import hashlib

import pytest

from pmgitops.errors import PermanentRemoteError, RemoteError
from tests.tickets.test_outbox import AFTER, HEADLINES, headlines

NUMBER = "INC1234567"
FILE = "pmgitops-0123456789ab-linked-0123456789abcdef.json"
CONTENT = b'{"a":1}'
OVER = "pmgitops: this request is over; nothing more will follow"


@pytest.fixture
def link(ours):
    (record,) = ours.find(NUMBER)
    return record.link("ServiceNow")


def names(instance):
    return [file["file_name"] for file in instance.files(NUMBER)]


# The adapter


def test_attach_list_and_fetch(ours, link, instance):
    stored = ours.attach(link, FILE, CONTENT)

    assert (stored.name, stored.sha256) == (FILE, hashlib.sha256(CONTENT).hexdigest())
    assert ours.attachments(link, FILE) == [stored]
    assert ours.fetch(stored) == CONTENT
    (upload,) = instance.log("POST")
    assert upload["query"] == {"table_name": "incident", "table_sys_id": link.sys_id, "file_name": FILE}
    assert ours.attachments(link, FILE.replace("linked", "closed-out")) == []


def test_a_file_may_hold_what_reads_like_an_error(ours, link):
    """The judge looks at answers of the API, not at what people keep in files."""
    content = b'{"error":{"message":"x"},"status":"failure"}'
    assert ours.fetch(ours.attach(link, FILE, content)) == content
    text = FILE.replace("linked", "other")
    assert ours.fetch(ours.attach(link, text, b"not JSON at all \xff")) == b"not JSON at all \xff"


@pytest.mark.parametrize("name", ["evil.json", FILE + "^x=y", "../" + FILE, FILE.upper(), FILE + "\n"])
def test_only_names_of_ours_reach_a_query(ours, link, instance, name):
    before = len(instance.log())
    with pytest.raises(PermanentRemoteError, match="cannot be"):
        ours.attachments(link, name)
    with pytest.raises(PermanentRemoteError, match="cannot be"):
        ours.attach(link, name, CONTENT)
    assert len(instance.log()) == before


@pytest.mark.parametrize("status", [400, 403, 404, 413, 500])
def test_a_failed_upload_is_told(ours, link, instance, status):
    instance.fault(do="status", status=status, method="POST", times=0)
    with pytest.raises(RemoteError):
        ours.attach(link, FILE, CONTENT)
    assert names(instance) == []


# Exactly once


@pytest.mark.parametrize("when", ["after", "before"])
@pytest.mark.parametrize("fault", AFTER, ids=lambda fault: f"{fault['do']}-{fault.get('status', '')}")
def test_exactly_one_file_whatever_an_upload_answers(runs, instance, log_in, fault, when):
    if when == "before" and fault["do"] in ("cut", "partial"):
        fault = {"do": "close"}  # there is no answer yet to break
    runs.client = log_in(deadline=0.6 if fault["do"] == "delay" else 5.0)
    runs.begin("seen", instance.ticket()["number"])
    assert runs.deliver() == []  # a file on another ticket: files can be seen
    runs.begin("a", NUMBER)
    instance.fault(**fault, method="POST", path="/attachment", when=when)

    assert runs.deliver() == []
    for _ in range(3):
        assert runs.deliver() == []

    assert len(names(instance)) == 1
    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]
    assert runs.statuses("a", "pmgitops-") == ["delivered"]


@pytest.mark.parametrize("when", ["after", "before"])
def test_blind_a_file_is_never_sent_twice(runs, instance, log_in, when):
    """Nobody can say whether it is there; notes go on, but the last one waits for the evidence."""
    runs.meanwhile = lambda: instance.settings(hidden=[file["sys_id"] for file in instance.files(NUMBER)])
    runs.begin("a", NUMBER, "completed")
    instance.fault(do="status", status=500, method="POST", path="/attachment", when=when)
    instance.fault(do="status", status=500, method="POST", path="/attachment", when=when)

    for _ in range(4):
        left = runs.deliver()
        assert "whether the attachment was written cannot be read back" in {one.why for one in left}

    assert len(names(instance)) == (2 if when == "after" else 0)
    assert headlines(instance.notes(NUMBER)) == [*HEADLINES[:2], HEADLINES[7]]
    runs.meanwhile = lambda: None
    instance.settings(hidden=[])
    runs.begin("seen", instance.ticket()["number"])
    runs.deliver()
    assert runs.deliver(log_in()) == []
    assert len(names(instance)) == 2
    assert headlines(instance.notes(NUMBER))[-1] == OVER


def test_an_encrypted_file_is_held_against_its_content(runs, instance):
    instance.settings(attachmentEncrypted=True)
    runs.begin("a", NUMBER, "completed")
    for _ in range(3):
        assert runs.deliver() == []

    assert [file["hash"] for file in instance.files(NUMBER)] == ["", ""]
    assert len(instance.log("POST")) == 2
    assert runs.book()["a"].link == "closed-out"


def test_where_files_are_refused_notes_go_on_and_the_link_stays_open(runs, instance):
    """An instance that takes no such files: the last note waits, and says so in every run."""
    runs.begin("seen", instance.ticket()["number"])
    runs.deliver()
    instance.settings(attachmentExtensions=["pdf"])
    runs.begin("a", NUMBER, "completed")

    for _ in range(2):
        assert {one.why[:32] for one in runs.deliver()} == {"ServiceNow answered 403 to POST "[:32]}

    assert headlines(instance.notes(NUMBER)) == [*HEADLINES[:2], HEADLINES[7]]
    assert runs.book()["a"].open
    instance.settings(attachmentExtensions=[])
    assert runs.deliver() == []
    assert headlines(instance.notes(NUMBER))[-1] == OVER
    assert runs.book()["a"].link == "closed-out"
    assert not runs.book()["a"].open


def test_what_was_taken_away_is_given_again_before_the_end(runs, instance, ours):
    """The close-out looks at the first file once more."""
    runs.begin("seen", instance.ticket()["number"])
    runs.begin("a", NUMBER, "approved")
    runs.deliver()
    (first,) = instance.files(NUMBER)
    ours._client.resource(api_path="/attachment").request("DELETE", path_append=f"/{first['sys_id']}")
    assert names(instance) == []
    runs.tell("a", ("observed", {"id": "z", "state": "completed", "detail": "completed", "transitions": ["completed"],
                                 "modified": "2026-01-15T11:00:00Z"}))  # fmt: skip

    assert runs.deliver() == []

    again, last = instance.files(NUMBER)
    assert (again["file_name"], again["hash"]) == (first["file_name"], first["hash"])
    assert "closed-out" in last["file_name"]


# What it costs


def test_three_calls_a_note_once_it_is_known_where_notes_are_seen(runs, instance):
    """One look, one write, one look; a file is one look and one write."""
    runs.begin("warm", instance.ticket()["number"])
    runs.deliver()
    runs.begin("a", NUMBER, "approved", "approved/granted")
    before = len(instance.log())

    assert runs.deliver() == []

    calls = instance.log()[before:]
    about_files = [call for call in calls if "/attachment" in call["path"]]
    assert len(about_files) == 2
    assert len(calls) - len(about_files) <= 3 * 4
    assert sum(call["method"] == "PATCH" for call in calls) == 4


@pytest.mark.parametrize("settings", [{"journalReadable": False}, {"journalReadable": False, "notesReadable": False}])
def test_so_it_is_where_the_journal_is_closed(runs, instance, settings):
    instance.settings(**settings)
    runs.begin("warm", instance.ticket()["number"])
    runs.deliver()
    runs.begin("a", NUMBER, "approved", "approved/granted")
    before = len(instance.log())

    assert runs.deliver() == []

    calls = [call for call in instance.log()[before:] if "/attachment" not in call["path"]]
    assert len(calls) <= 3 * 4


# Nothing else is written


def test_nothing_else_is_ever_written(runs, instance):
    """A whole life: every write's path, and every field that it brings."""
    runs.begin("a", NUMBER, "approved", "approved/granted", "approved/revoked", "completed")
    runs.deliver()
    runs.deliver()

    writes = [entry for entry in instance.log() if entry["method"] not in {"GET", "HEAD"}]
    told = [
        (entry["method"], entry["path"].rpartition("/")[0], tuple(entry["body"]))
        for entry in writes
        if entry["method"] == "PATCH"
    ]
    assert set(told) == {("PATCH", "/api/now/table/incident", ("work_notes",))}
    assert {(entry["method"], entry["path"]) for entry in writes if entry["method"] != "PATCH"} == {
        ("POST", "/api/now/attachment/file")
    }


def correlating(runs):
    runs.named = frozenset({"servicenow"})


def test_a_ticket_is_named_only_where_that_is_configured_and_it_has_no_name(runs, instance):
    correlating(runs)
    runs.begin("a", NUMBER)
    runs.begin("b", NUMBER)
    taken = instance.ticket(correlation_id="JIRA-7")["number"]
    runs.begin("c", taken)
    for _ in range(2):
        assert runs.deliver() == []

    ticket = instance.control("GET", f"tickets/{NUMBER}")
    name = ticket["correlation_id"]
    assert name in {"pmgitops:a", "pmgitops:b"}, "who comes first, and nobody after"
    assert instance.control("GET", f"tickets/{taken}")["correlation_id"] == "JIRA-7"
    named = [entry["body"] for entry in instance.log("PATCH") if "work_notes" not in entry["body"]]
    assert named == [{"correlation_id": name, "correlation_display": "pmgitops"}]


def test_a_name_that_may_not_be_written_holds_up_no_note(runs, instance):
    correlating(runs)
    runs.begin("a", NUMBER)
    instance.fault(do="status", status=403, method="PATCH")

    (left,) = runs.deliver()

    assert left.why.startswith("correlation_id cannot be written: ")
    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]
    assert runs.deliver() == []
