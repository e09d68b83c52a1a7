"""Which requests a ticket has ever carried: an index that is written with the events, and never shrinks."""

from __future__ import annotations

import pytest

from pmgitops.ledger.interface import RUN, Entry

TICKET, OTHER = "a" * 32, "b" * 32


def intended(name, after=0):
    return Entry(name, "intended", {"n": name}, after)


def test_what_a_ticket_carries(runner):
    one, two = runner("one"), runner("two")
    assert one.carried([TICKET]) == {TICKET: frozenset()}
    assert not one.append([intended("anna"), intended("bert")], opened={"anna", "bert"}, carried={"anna": TICKET})
    assert not one.append([intended("carl")], carried={"carl": TICKET})
    two.refresh()
    assert two.carried([TICKET, OTHER]) == {TICKET: {"anna", "carl"}, OTHER: frozenset()}
    assert set(two.names()) == {"anna", "bert", "carl"}
    assert two.open() == {"anna", "bert"}
    assert list(two.verify_all()) == []


def test_what_has_ended_is_carried_for_ever(runner):
    ledger = runner("one")
    ledger.append([intended("anna")], opened={"anna"}, carried={"anna": TICKET})
    ledger.append([Entry("anna", "submitted", {}, 1)], closed={"anna"})
    ledger.append([intended("anna", 2)], carried={"anna": OTHER})
    assert ledger.carried([TICKET, OTHER]) == {TICKET: {"anna"}, OTHER: {"anna"}}


def test_who_was_too_late_carries_nothing(runner):
    one, two = runner("one"), runner("two")
    one.append([intended("anna")], carried={"anna": TICKET})
    assert two.append([intended("anna"), intended("bert")], carried={"anna": OTHER, "bert": OTHER}) == {"anna"}
    assert two.carried([TICKET, OTHER]) == {TICKET: {"anna"}, OTHER: {"bert"}}


def test_many_tickets_at_once(runner):
    tickets = {f"r{number}": f"{number:032x}" for number in range(450)}
    ledger = runner("one")
    ledger.append([intended(name) for name in tickets], carried=tickets)
    assert ledger.carried(tickets.values()) == {ticket: {name} for name, ticket in tickets.items()}


@pytest.mark.parametrize("carried", [{"b": TICKET}, {RUN: TICKET}])
def test_only_what_is_written_is_carried(runner, carried):
    with pytest.raises(ValueError, match="carried"):
        runner("one").append([intended("a"), Entry(RUN, "applied")], carried=carried)
