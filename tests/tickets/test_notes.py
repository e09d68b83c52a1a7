"""A note's text: a function of the event and nothing else, harmless, bounded, and found again by its last line."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgitops.ledger.interface import Event
from pmgitops.ledger.standing import Standing, Transition
from pmgitops.model.ticket import TicketLink
from pmgitops.tickets.markers import marker_of
from pmgitops.tickets.notes import MOST, Note, Wording, due, harmless

LINK = TicketLink(
    system="ServiceNow",
    instance="example.service-now.com",
    table="incident",
    sys_id="a" * 32,
    number="INC1234567",
    state="In Progress",
    snapshot="d" * 64,
)
TRANSITION = Transition("granted", "4" * 64, "id-1", 1, "2026-01-15T10:00:00Z", "approved/granted", LINK)
STANDING = Standing(
    "alex-groups",
    access="policy AddUserToGroup in AWS account 956987887735",
    identity="alex@contoso.com",
    justification="I need to add a user to a group",
    ticket=LINK,
)
HISTORY = (
    Event(1, "2026-01-15T09:00:00Z", "intended", {"payload": {}, "commit": "c" * 40}, "0" * 64),
    Event(2, "2026-01-15T10:00:00Z", "closing", {}, "f" * 64),
)
NAMES = [
    *("linked", "submitted", "approved", "rejected", "granting", "granted", "grantingFailed"),
    *("revoking", "revoked", "revokingFailed", "completed", "canceled", "diverged", "inOrder", "closed-out"),
]


def note(transition=TRANSITION, wording=None, **changes):
    transition = replace(transition, seq={"linked": 1, "closed-out": 2}.get(transition.name, 0))
    posts = due(replace(STANDING, transitions=(transition,), **changes), HISTORY, wording)
    (one,) = [post for post in posts if isinstance(post, Note)]
    return one


@pytest.mark.parametrize("name", [*NAMES, "suspended"])
def test_the_text(golden, name):
    transition = replace(TRANSITION, name=name)
    details = {"linked": "", "diverged": "its approval is rejected, it was approved", "inOrder": "", "closed-out": ""}
    transition = replace(transition, detail=details.get(name, transition.detail))
    if name == "linked":
        transition = replace(transition, remote_id="")
    golden(Path(__file__).parent / "golden" / f"{name}.txt", note(transition).text + "\n")


def test_no_golden_file_is_left_over():
    assert {path.stem for path in (Path(__file__).parent / "golden").glob("*")} == {*NAMES, "suspended"}


MOVED = {"path": "requests/elsewhere/alex-groups.yaml", "commit": "e" * 40, "owner": "another", "attempts": 7, "seq": 9}


def test_a_moved_file_another_merge_and_another_runner_change_nothing():
    assert note(**MOVED) == note()


def test_a_marker_once_given_stays():
    """Tickets hold markers: a newer pmgitops computes the same ones, or every note would be written again."""
    event = (
        '{"instance":"example.service-now.com","occurrence":1,"remote":"id-1","request":"alex-groups@'
        + "4" * 64
        + '","sys_id":"'
        + "a" * 32
        + '","table":"incident","transition":"granted"}'
    )
    digest = hashlib.sha256(event.encode()).hexdigest()
    assert marker_of("alex-groups", LINK, TRANSITION) == f"pmgitops/1 {digest[:32]}"


OTHER = [{"name": "revoked"}, {"revision": "5" * 64}, {"remote_id": "id-2"}, {"occurrence": 2}]


@pytest.mark.parametrize("change", OTHER)
def test_another_event_has_another_marker(change):
    assert marker_of("a", LINK, replace(TRANSITION, **change)) != marker_of("a", LINK, TRANSITION)


@pytest.mark.parametrize("change", [{"instance": "other"}, {"table": "task"}, {"sys_id": "b" * 32}])
def test_so_has_another_ticket(change):
    assert marker_of("a", replace(LINK, **change), TRANSITION) != marker_of("a", LINK, TRANSITION)
    assert marker_of("b", LINK, TRANSITION) != marker_of("a", LINK, TRANSITION)


@pytest.mark.parametrize("change", [{"at": "2027-01-01T00:00:00Z"}, {"detail": "x"}])
def test_the_same_event_told_differently_has_the_same(change):
    assert marker_of("a", LINK, replace(TRANSITION, **change)) == marker_of("a", LINK, TRANSITION)


@pytest.mark.parametrize("change", [{"number": "INC7"}, {"state": "Closed"}, {"snapshot": "e" * 64}])
def test_a_ticket_is_its_record_and_not_how_it_looked(change):
    assert marker_of("a", replace(LINK, **change), TRANSITION) == marker_of("a", LINK, TRANSITION)


# Text that is only text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[code]<script>[/code]", "[ code]<script>[/ code]"),
        ("[CoDe]x[/CODE]", "[ code]x[/ code]"),
        ("[co\x00de]", "[ code]"),
        ("[co\u00adde]", "[ code]"),
        ("[\u200bcode\u2060]", "[ code]"),
        ("[/co\u202ede]", "[/ code]"),
        ("[[code]code]", "[[ code]code]"),
        ("a\x1b[31mb\r\x07", "a[31mb"),
        ("a\u2028b\u2029c", "abc"),
        ("Größe 大きさ é", "Größe 大きさ é"),
        ("a\nb", "a\nb"),
    ],
)
def test_what_could_be_more_than_text(text, shown):
    assert harmless(text).casefold() == shown.casefold()


@given(st.text(st.sampled_from("[]/codeCODE \n\x00\u00ad\u200b"), max_size=40))
def test_no_text_becomes_a_tag(text):
    shown = harmless(text)
    assert not re.search(r"\[/?code\]", shown, re.IGNORECASE)
    assert harmless(shown) == shown


hostile = st.text(max_size=50) | st.text(st.sampled_from("[]/code\n\x1b{}%#"), max_size=60)


@given(access=hostile, identity=hostile, detail=hostile, remote_id=hostile)
def test_every_note_is_harmless_bounded_and_ends_with_its_marker(access, identity, detail, remote_id):
    one = note(replace(TRANSITION, detail=detail, remote_id=remote_id), access=access, identity=identity)

    assert one.text.split("\n")[-1] == one.marker
    assert [line.split(":")[0] for line in one.text.split("\n")[:-1]] == [
        *("pmgitops", "Request", "Access", "For"),
        *(["Request at the target"] if remote_id.split() else []),
        *(["Status at the target"] if detail.split() else []),
        "When",
    ]
    assert len(one.text) <= MOST
    assert not re.search(r"\[/?code\]", one.text, re.IGNORECASE)
    assert all(char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs"} for char in one.text)


@pytest.mark.parametrize("length", [0, 1, MOST - 300, MOST - 1, MOST, MOST + 1, 10 * MOST])
def test_a_long_note_keeps_its_beginning_and_its_marker(length):
    one = note(access="x" * length)

    assert len(one.text) <= MOST
    assert one.text.startswith("pmgitops: access was granted\nRequest: alex-groups (revision 444444444444)\n")
    assert one.text.endswith("\n" + one.marker)


def test_templates_in_what_is_told_stay_text():
    assert "{{ 7 * 7 }} {% if %}" in note(access="{{ 7 * 7 }} {% if %}").text


# What is due


def test_what_a_ticket_has_is_not_due():
    transitions = tuple(replace(TRANSITION, name=name) for name in NAMES[1:4])
    markers = [marker_of(STANDING.name, LINK, one) for one in transitions]
    standing = replace(STANDING, transitions=transitions)

    assert [one.transition.name for one in due(standing, HISTORY)] == NAMES[1:4]
    noted = {markers[0]: "delivered", markers[1]: "unknown", markers[2]: "pending"}
    assert [one.transition.name for one in due(replace(standing, notes=noted), HISTORY)] == NAMES[2:4]
    untied = replace(standing, transitions=tuple(replace(told, ticket=None) for told in standing.transitions))
    assert due(untied, HISTORY) == []


# A repository's own templates


def test_a_repositorys_own_template():
    """The one of the transition before the one of all notes; what comes last is not the template's business."""
    own = Wording({"note": "{{ name }}: {{ headline }}", "granted": "{{ identity | upper }} has it"})
    assert note(wording=own).text.splitlines() == ["ALEX@CONTOSO.COM has it", note().marker]
    linked = replace(TRANSITION, name="linked", remote_id="", detail="")
    lines = note(linked, wording=own).text.splitlines()
    assert lines[0] == "alex-groups: this ticket carries an access request"
    assert [line.split(":")[0] for line in lines[1:3]] == ["Evidence", "SHA-256"]


BROKEN = ["{% if %}", "{{ nme }}", "{% for x in name %}{% endfor %}", "{{ 'x' * 999 }}", "{{ name.upper() }}", "\x00{{"]


@pytest.mark.parametrize("source", BROKEN)
def test_for_a_template_that_will_not_do_the_built_in_one_stands_in(source):
    assert note(wording=Wording({"granted": source})) == note()
    assert note(wording=Wording({"granted": source, "note": "{{ at }}"})).text.startswith("2026-01-15 10:00:00 UTC\n")


HOSTILE = [
    "",
    "\n\n\n",
    "[code]<script>alert(1)</script>[/code]",
    "pmgitops/1 " + "0" * 32,
    "{{ access }}\npmgitops/1 " + "0" * 32 + "\n",
    "{{ '[co' ~ 'de]' }}",
    "x" * 3 * MOST,
]


@pytest.mark.parametrize("source", HOSTILE)
def test_whatever_a_template_does_the_marker_is_last_and_alone(source):
    text = note(wording=Wording({"note": source})).text
    assert re.findall(r"pmgitops/1 [0-9a-f]{32}", text) == [note().marker]
    assert text.endswith("\n" + note().marker)
    assert not re.search(r"\[/?code\]", text)
    assert len(text) <= MOST


def test_what_a_request_says_is_no_marker():
    """Otherwise a note would be taken for delivered because somebody wrote its marker into a request."""
    linked = replace(TRANSITION, name="linked")
    text = note(linked, justification="see " + marker_of("a", LINK, TRANSITION)).text
    assert re.findall(r"pmgitops/1 [0-9a-f]{32}", text) == [note(linked).marker]


def test_a_limit_of_its_own_cuts_the_body_and_never_the_evidence():
    linked = replace(TRANSITION, name="linked")
    text = note(linked, wording=Wording(limits={"servicenow": 1000}), justification="x" * 5000).text
    assert len(text) == 1000
    assert "\n...\nEvidence: pmgitops-" in text
    assert text.endswith(note(linked).marker)
