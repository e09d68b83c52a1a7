"""Folding: histories -> where a request stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import reduce
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmgitops.ledger.interface import Event
from pmgitops.ledger.standing import Standing, after, standing
from pmgitops.model.scalars import instant_text
from pmgitops.targets.interface import Observation
from pmgitops.tickets import notes
from pmgitops.tickets.markers import marker_of
from tests.plan.histories import FORMER, NAME, START, TICKET, data_of, events, observed, stands

WORDS = [
    *("refused", "deferred", "withdrawn", "intended", "linked", "claimed", "submitted", "adopted", "unknown", "failed"),
    "imported",
    *("approved", "active", "granting-failed", "revoking", "completed", "rejected", "canceled"),
    *("removing", "replacing", "cancel-sent", "cancel-failed"),
]
REVISIONS = [FORMER, "a" * 64]


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Valid events in any order, also those that no run of ours would write."""
    written = draw(st.lists(st.sampled_from([*WORDS, "some-observation", "some-note"]), max_size=25))
    revision = draw(st.sampled_from(REVISIONS))
    return list(events([_drawn(draw, word) for word in written], revision))


def _drawn(draw: st.DrawFn, word: str) -> str | dict[str, Any]:
    if word == "some-observation":
        states = st.sampled_from(["submitted", "approved", "active", "completed", "rejected", "canceled", "failed"])
        words = st.lists(st.sampled_from(["submitted", "approved", "granted", "granting", "revoked"]), max_size=2)
        number = draw(st.integers(0, 5))
        return observed(draw(states), *draw(words), minute=draw(st.integers(0, 9)), change=f"change-{number}")
    if word == "some-note":
        event = draw(st.sampled_from(["note-pending", "note-delivered", "note-unknown"]))
        marker = draw(st.sampled_from(["pmgitops/1 " + digit * 32 for digit in "abc"]))
        return {"event": event, "marker": marker, "transition": "submitted"}
    return word


@settings(deadline=None)
@given(histories())
def test_every_history_folds(history: list[Event]) -> None:
    folded = standing(NAME, history)
    if folded is None:
        assert history == []
        return
    assert folded.seq == len(history)
    assert folded.name == NAME
    assert {type(value) for value in (folded.ended, folded.unsent, folded.holds, folded.open, folded.notes_due)} == {
        bool
    }
    assert not (folded.ended and folded.holds), "what has ended holds nothing"
    assert not (folded.unsent and folded.holds), "what was not sent holds nothing"
    assert folded.open or not folded.holds, "whoever holds access is looked at by every run"
    notes.due(folded, history)


@settings(deadline=None)
@given(histories())
def test_one_by_one_is_all_at_once(history: list[Event]) -> None:
    steps = list(accumulate(history, after, initial=Standing(NAME)))
    assert all(steps[place] == standing(NAME, history[:place]) for place in range(1, len(steps)))


@settings(deadline=None)
@given(histories())
def test_what_a_newer_pmgitops_wrote_changes_only_the_count(history: list[Event]) -> None:
    strange = [Event(2 * event.seq, event.at, "praised", {"by": "somebody"}, "") for event in history]
    numbered = [Event(2 * event.seq - 1, event.at, event.event, event.data, "") for event in history]
    mixed = [event for pair in zip(numbered, strange, strict=True) for event in pair]
    plainly, strangely = standing(NAME, history), standing(NAME, mixed)
    assert (plainly is None) is (strangely is None)
    if plainly and strangely:
        assert _unnumbered(plainly) == _unnumbered(strangely)


def _unnumbered(folded: Standing) -> dict[str, Any]:
    told = tuple(replace(happened, seq=0) for happened in folded.transitions)
    return {**_values(folded), "seq": 0, "transitions": told}


def _values(folded: Standing) -> dict[str, Any]:
    return {field: getattr(folded, field) for field in Standing.__slots__}


# Observing


def observation(number: int, minute: int) -> Observation:
    words = ("approved", "granted" if number % 2 else "revoked")
    return Observation(
        f"change-{number}", "remote-1", "active", "/".join(words), words, START + timedelta(minutes=minute)
    )


@settings(deadline=None)
@given(
    minutes=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    reads=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 13)), max_size=6),
)
def test_overlapping_reads_record_every_change_once(minutes: list[int], reads: list[tuple[int, int]]) -> None:
    told = [observation(number, minute) for number, minute in enumerate(sorted(minutes))]
    known = standing(NAME, events(["intended", "submitted"]))
    assert known is not None
    recorded: list[str] = []
    read = 0
    for begin, length in [*reads, (0, len(told))]:
        start = min(begin, read)
        read = max(read, min(start + length, len(told)))
        for seen in told[start:read]:
            if not known.seen(seen.at, seen.id):
                recorded.append(seen.id)
                known = after(known, _written(known.seq + 1, seen))
    assert recorded == [seen.id for seen in told]


def _written(seq: int, seen: Observation) -> Event:
    data = observed(seen.state, *seen.transitions, change=seen.id) | {"modified": instant_text(seen.at)}
    return Event(seq, instant_text(seen.at), data.pop("event"), data, "")


def test_the_first_submitted_is_told_by_the_send_and_not_again() -> None:
    known = standing(NAME, events(["linked", "submitted", observed("submitted", "submitted")]))
    assert known is not None
    assert [told.name for told in known.transitions] == ["linked", "submitted"]


def test_recurring_access_is_granted_more_than_once() -> None:
    history = [
        *("linked", "submitted"),
        observed("active", "approved", "granted", minute=1, change="a"),
        observed("active", "approved", "revoked", minute=2, change="b"),
        observed("active", "approved", "granted", minute=3, change="c"),
    ]
    known = standing(NAME, events(history))
    assert known is not None
    assert [(told.name, told.occurrence) for told in known.transitions if told.name == "granted"] == [
        ("granted", 1),
        ("granted", 2),
    ]
    assert len({marker_of(NAME, known.ticket, told) for told in known.transitions if known.ticket}) == 6


# Open: whom a run has to look at though no file changed


@pytest.mark.parametrize(
    ("history", "open_"),
    [
        ("refused", True),
        ("deferred", True),
        ("refused withdrawn", False),
        ("intended", True),
        ("intended unknown", True),
        ("intended failed", True),
        ("intended failed withdrawn", False),
        ("intended submitted", True),
        ("intended submitted approved", True),
        ("intended submitted active", True),
        ("intended submitted granting-failed", True),
        ("intended submitted completed", False),
        ("intended submitted rejected", False),
        ("intended submitted canceled", False),
        ("intended submitted removing cancel-sent", True),
        ("intended submitted removing cancel-failed", True),
        ("intended submitted removing cancel-sent canceled", False),
        ("intended submitted replacing cancel-sent", True),
        ("intended submitted replacing cancel-sent canceled", True),
        ("intended submitted replacing cancel-sent canceled withdrawn", False),
        ("linked submitted completed", True),  # the ticket has not been told
        ("linked failed withdrawn", True),
    ],
)
def test_open(history, open_) -> None:
    known = stands(history)
    assert known is not None
    assert known.open is open_


def test_it_closes_when_the_ticket_was_told_everything() -> None:
    known = stands("linked submitted completed")
    assert known is not None
    assert known.open
    history = list(events(["linked", "submitted", "completed"]))
    history.append(Event(known.seq + 1, "2026-01-15T10:00:00Z", "closing", {}, ""))
    known = after(known, history[-1])
    assert known.link == "closing"
    for post in notes.due(known, history):
        told = {"marker": post.marker, "transition": post.transition.name}
        event = "note-delivered" if isinstance(post, notes.Note) else "attachment-delivered"
        assert known.open
        known = after(known, Event(known.seq + 1, "2026-01-15T10:00:00Z", event, told, ""))
    assert notes.due(known, history) == []
    assert not known.open
    assert known.link == "closed-out"


# What single events keep and what they forget


def test_a_new_intention_forgets_how_often_the_former_revision_failed() -> None:
    known = stands("intended failed intended failed")
    assert known is not None
    assert known.attempts == 2
    fresh = reduce(after, events(["intended"], "a" * 64), known)
    assert (fresh.attempts, fresh.why, fresh.again, fresh.remote_id) == (0, "", "", "")


def test_the_lease_outlives_an_unknown_outcome_and_nothing_else() -> None:
    assert [
        bool(found.until) for word in ("unknown", "submitted", "failed") if (found := stands(f"intended {word}"))
    ] == [
        True,
        False,
        False,
    ]


def test_linking_is_told_once_for_each_ticket() -> None:
    again = events(
        ["linked", "failed", "linked", {**data_of("linked", FORMER), "ticket": {**TICKET, "sys_id": "8" * 32}}]
    )
    known = standing(NAME, again)
    assert known is not None
    assert [told.name for told in known.transitions] == ["linked", "linked"]


@pytest.mark.parametrize(("why", "removed", "replaced"), [("removing", True, False), ("replacing", False, True)])
def test_an_end_has_one_reason(why, removed, replaced) -> None:
    known = stands(f"intended submitted {why}")
    assert known is not None
    assert (known.removed, known.replaced, known.canceling) == (removed, replaced, "intended")
