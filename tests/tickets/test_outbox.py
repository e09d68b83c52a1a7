"""Notes reach their ticket once each, in order, whatever happens on the way."""

from __future__ import annotations

import re

import pytest

from pmgitops.tickets import outbox
from pmgitops.tickets.notes import Note
from tests.tickets.conftest import intended, observed

NUMBER = "INC1234567"
MARKER = re.compile(r"^pmgitops/1 [0-9a-f]{32}$", re.MULTILINE)
LIFE = ("approved", "approved/granting", "approved/granted", "approved/revoking", "approved/revoked", "completed")
HEADLINES = [
    "pmgitops: this ticket carries an access request",
    "pmgitops: the request was submitted",
    "pmgitops: the request was approved",
    "pmgitops: access is being granted",
    "pmgitops: access was granted",
    "pmgitops: access is being taken away",
    "pmgitops: access was taken away",
    "pmgitops: the access has ended",
    "pmgitops: this request is over; nothing more will follow",
]


def headlines(notes):
    return [note.splitlines()[0] for note in notes]


def seen_elsewhere(instance):
    """A note on another ticket: what is seen of it tells that notes can be seen at all."""
    instance.change("INC0000007", work_notes="called the customer")


def test_a_life_is_told_once_and_in_order(runs, instance):
    runs.begin("a", NUMBER, *LIFE)

    assert runs.deliver() == []

    notes = instance.notes(NUMBER)
    assert headlines(notes) == HEADLINES
    assert len({MARKER.search(note)[0] for note in notes}) == len(notes)
    assert runs.statuses("a") == ["delivered"] * 9
    assert runs.statuses("a", "pmgitops-") == ["delivered"] * 2
    assert runs.pauses == []


def test_running_again_adds_nothing(runs, instance):
    runs.begin("a", NUMBER, "approved")
    for _ in range(10):
        assert runs.deliver() == []

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:3]
    assert len(instance.log("PATCH")) == 3


def test_nothing_but_work_notes_is_written(runs, instance):
    before = instance.control("GET", f"tickets/{NUMBER}")
    runs.begin("a", NUMBER)
    runs.deliver()

    assert [set(entry["body"]) for entry in instance.log("PATCH")] == [{"work_notes"}] * 2
    assert {entry["path"] for entry in instance.log("PATCH")} == {f"/api/now/table/incident/{before['sys_id']}"}
    after = instance.control("GET", f"tickets/{NUMBER}")
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"journal", "attachments", "sys_updated_on", "sys_updated_by", "sys_mod_count"}


def test_recurring_access_is_told_every_time(runs, instance):
    runs.begin("a", NUMBER, "approved/granted", "approved/revoked", "approved/granted")

    assert runs.deliver() == []

    assert headlines(instance.notes(NUMBER)).count("pmgitops: access was granted") == 2


# Writes whose outcome is unknown

ACL = {"error": {"message": "Operation Failed", "detail": "ACL Exception Update Failed due to security constraints"}}
AFTER = [
    {"do": "status", "status": 202},
    {"do": "status", "status": 500},
    {"do": "status", "status": 502},
    {"do": "status", "status": 503},
    {"do": "status", "status": 504},
    {"do": "status", "status": 403, "body": ACL},
    {"do": "empty"},
    {"do": "close"},
    {"do": "cut"},
    {"do": "partial"},
    {"do": "html"},
    {"do": "redirect", "location": "/login.do"},
    {"do": "delay", "seconds": 30},
]


@pytest.mark.parametrize("when", ["after", "before"])
@pytest.mark.parametrize("fault", AFTER, ids=lambda fault: f"{fault['do']}-{fault.get('status', '')}")
def test_exactly_one_note_whatever_a_write_answers(runs, instance, log_in, fault, when):
    """Committed or not, every note is there once at the end, in order, and later runs add none."""
    if when == "before" and fault["do"] in ("cut", "partial"):
        fault = {"do": "close"}  # there is no answer yet to break
    seen_elsewhere(instance)
    runs.client = log_in(deadline=0.6 if fault["do"] == "delay" else 5.0)
    runs.begin("a", NUMBER, "approved")
    instance.fault(**fault, method="PATCH", when=when, skip=1)

    assert runs.deliver() == []
    for _ in range(3):
        assert runs.deliver() == []

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:3]
    assert runs.statuses("a") == ["delivered"] * 3


COMMITTED = [fault for fault in AFTER if fault.get("status", 0) in (0, 202, 500, 503)]
JOURNALS = {
    "readable": {},
    "on the record": {"journalReadable": False},
    "blind": {"journalReadable": False, "notesReadable": False},
}


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("fault", COMMITTED, ids=lambda fault: f"{fault['do']}-{fault.get('status', '')}")
def test_what_committed_before_it_went_wrong_is_there_once(runs, instance, log_in, fault, journal):
    """Whether the journal can be read or not; where it cannot, the ledger says `unknown`, and nothing is sent again."""
    runs.client = log_in(deadline=0.6 if fault["do"] == "delay" else 5.0)
    runs.begin("a", NUMBER)
    instance.settings(**JOURNALS[journal])
    instance.fault(**fault, method="PATCH", when="after", skip=1)

    left = [runs.deliver() for _ in range(3)]

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]
    assert runs.statuses("a") == ["delivered", "unknown" if journal == "blind" else "delivered"]
    assert [len(some) for some in left] == [int(journal == "blind")] * 3


@pytest.mark.parametrize(("status", "pauses"), [(500, outbox.SOON), (504, outbox.LATE), (202, outbox.LATE)])
def test_what_may_still_be_under_way_is_waited_for(runs, instance, status, pauses):
    """A gateway that gives up says nothing of the instance behind it, which may take a minute."""
    seen_elsewhere(instance)
    runs.begin("a", NUMBER)
    instance.fault(do="status", status=status, method="PATCH")

    assert runs.deliver() == []

    assert tuple(runs.pauses) == pauses
    assert sum(outbox.LATE) > 60


def test_a_write_that_arrives_late_is_not_repeated(runs, instance):
    """It was still under way when the client had given up, and is there at the third look."""
    seen_elsewhere(instance)
    runs.begin("a", NUMBER)
    (_, note, *_) = runs.due("a")
    instance.fault(do="close", method="PATCH")

    def meanwhile():
        if len(runs.pauses) == 3:
            instance.change(NUMBER, work_notes=note.text)

    runs.meanwhile = meanwhile
    assert runs.deliver() == []

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]
    assert len(runs.pauses) == 3


def test_a_runner_that_died_after_writing_is_not_followed_by_a_second_note(runs, instance):
    """The ledger says that a note was about to be written, and no more."""
    record = runs.begin("a", NUMBER)
    first, second = [post for post in runs.due("a") if isinstance(post, Note)]
    pending = [
        ("note-pending", {"marker": note.marker, "transition": note.transition.name, "ticket": NUMBER})
        for note in (first, second)
    ]
    runs.tell("a", *pending)
    runs.client.add_note(record.link("ServiceNow"), first.text)

    assert runs.deliver() == []

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]
    assert len(instance.log("PATCH")) == 2


def test_a_second_unknown_in_a_row_is_left_to_the_next_run(runs, instance):
    seen_elsewhere(instance)
    runs.begin("a", NUMBER)
    instance.fault(do="status", status=500, method="PATCH", times=2)

    (left,) = runs.deliver()
    assert (left.name, left.ticket) == ("a", NUMBER)
    assert "cannot be read back" in left.why
    assert runs.deliver() == []

    assert sorted(headlines(instance.notes(NUMBER))) == sorted(HEADLINES[:2])


# Journals that cannot be read


@pytest.mark.parametrize("when", ["after", "before"])
def test_where_the_journal_is_closed_the_record_shows_it(runs, instance, when):
    """As formatted text, in the user's time zone and language; the marker is found in it all the same."""
    instance.settings(journalReadable=False)
    runs.begin("a", NUMBER, "approved")
    instance.fault(do="status", status=500, method="PATCH", when=when, skip=1)

    assert runs.deliver() == []
    assert runs.deliver() == []

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:3]


@pytest.mark.parametrize("when", ["after", "before"])
def test_blind_a_note_is_never_sent_twice(runs, instance, when):
    """Nobody can say whether it was written, so it is not repeated; the ticket goes on being told what follows."""
    instance.settings(journalReadable=False, notesReadable=False)
    runs.begin("a", NUMBER, "approved")
    instance.fault(do="status", status=500, method="PATCH", when=when, skip=1)

    for _ in range(5):
        (left,) = runs.deliver()
        assert "cannot be read back" in left.why

    expected = HEADLINES[:3] if when == "after" else [HEADLINES[0], HEADLINES[2]]
    assert headlines(instance.notes(NUMBER)) == expected
    assert runs.statuses("a") == ["delivered", "unknown", "delivered"]
    assert len(instance.log("PATCH")) == 3

    instance.settings(journalReadable=True)
    assert runs.deliver() == []
    assert sorted(headlines(instance.notes(NUMBER))) == sorted(HEADLINES[:3])
    assert runs.statuses("a") == ["delivered"] * 3


def test_blind_without_faults_notes_are_delivered_unverified(runs, instance):
    instance.settings(journalReadable=False, notesReadable=False)
    runs.begin("a", NUMBER)

    assert runs.deliver() == []
    assert runs.deliver() == []

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]
    git_log = runs.book()._ledger.histories(["a"])["a"]
    assert [event.data["verified"] for event in git_log if event.event == "note-delivered"] == [False, False]


def test_an_unknown_note_adds_no_event_with_every_run(runs, instance):
    instance.settings(journalReadable=False, notesReadable=False)
    runs.begin("a", NUMBER)
    instance.fault(do="status", status=500, method="PATCH")
    runs.deliver()
    events = runs.book()["a"].seq
    for _ in range(3):
        runs.deliver()

    assert runs.book()["a"].seq == events


# Several tickets


def test_one_tickets_failure_holds_up_no_other(runs, instance):
    other = instance.ticket()["number"]
    first = runs.begin("a", NUMBER, "approved")
    runs.begin("b", other, "approved")
    instance.fault(do="status", status=404, path=first.sys_id, method="PATCH", times=0)

    (left,) = runs.deliver()

    assert (left.name, left.ticket) == ("a", NUMBER)
    assert "404" in left.why
    assert instance.notes(NUMBER) == []
    assert headlines(instance.notes(other)) == HEADLINES[:3]


def test_later_notes_wait_for_earlier_ones(runs, instance):
    runs.begin("a", NUMBER, "approved")
    instance.fault(do="status", status=400, method="PATCH", skip=1)

    assert len(runs.deliver()) == 1
    assert headlines(instance.notes(NUMBER)) == HEADLINES[:1]
    assert runs.deliver() == []
    assert headlines(instance.notes(NUMBER)) == HEADLINES[:3]


def test_two_requests_on_one_ticket_are_told_apart(runs, instance):
    for name in ("a", "b"):
        runs.begin(name, NUMBER)

    assert runs.deliver() == []

    notes = instance.notes(NUMBER)
    assert len(notes) == len({MARKER.search(note)[0] for note in notes}) == 4
    for name in ("a", "b"):
        own = [note for note in notes if note.splitlines()[1].split()[1] == name]
        assert headlines(own) == HEADLINES[:2]


def test_while_the_instance_is_down_everything_stays_due(runs, instance):
    """Nothing was attempted, so nothing is doubtful, not even where notes cannot be seen."""
    instance.settings(journalReadable=False, notesReadable=False)
    runs.begin("a", NUMBER)
    instance.fault(do="status", status=503, path="/api/now", times=0)

    (left,) = runs.deliver()
    assert "503" in left.why
    assert runs.statuses("a") == []
    instance.control("DELETE", "faults")

    assert runs.deliver() == []
    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]


def test_a_ticket_of_a_system_that_is_gone_is_told_so(runs):
    runs.begin("a", NUMBER)
    book = runs.book()

    (left,) = outbox.deliver(["a"], book, outbox.Counter({}))

    assert left.why == "ServiceNow is not configured any more"


def test_what_another_runner_moved_is_left_to_it(runs, instance):
    """Both are about to note the same; the ledger lets one."""
    runs.begin("a", NUMBER)
    late = runs.book()
    late.load(["a"])
    assert runs.deliver() == []

    assert outbox.deliver(["a"], late, runs.counter()) == []

    assert headlines(instance.notes(NUMBER)) == HEADLINES[:2]


def test_what_another_runner_is_about_to_write_is_left_to_it(runs, instance):
    """It has noted so, and its write is under way: the ticket does not show it yet."""
    runs.begin("a", NUMBER)
    late = runs.book()
    (_, note, *_) = runs.due("a", late)
    runs.tell("a", ("note-pending", {"marker": note.marker, "transition": "linked", "ticket": NUMBER}))

    assert outbox.deliver(["a"], late, runs.counter()) == []

    assert instance.log("PATCH") == []


def test_a_ticket_that_was_exchanged_gets_the_notes_from_then_on(runs, instance):
    """The new one hears from the beginning; the old one keeps what it has."""
    other = instance.ticket()["number"]
    runs.begin("a", NUMBER)
    runs.deliver()
    (record,) = runs.client.find(other)
    runs.tell("a", intended("a", record.link("ServiceNow"), revision="5" * 64), ("submitted", {"remoteId": "id-2"}))

    assert runs.deliver() == []

    assert len(instance.notes(NUMBER)) == 2
    assert headlines(instance.notes(other))[-2:] == HEADLINES[:2]
    assert observed("c", 1, "approved")[1]["transitions"] == ["approved"]
