"""Entries as lines: the same entries are the same bytes, and every one is found again."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pmgitops.catalog.codec import Table, decoded, encoded
from pmgitops.catalog.interface import Entry

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SPECIAL = st.sampled_from(['"', "\\", '","', "\n", '"name":"x"', "o'x", "ä", "Ä", "A", "a", "\u2028", "\x00", "-", ","])
NAME = st.one_of(TEXT, st.lists(SPECIAL, max_size=5).map("".join)).filter(bool)
KINDS = st.sampled_from(["action", "identity", "policy", "resource", "role", "service", "system", "shared"])
FACTS = st.fixed_dictionaries({}, optional={"name": NAME, "id": NAME, "custom": st.just(True)})
ENTRIES = st.lists(st.builds(Entry, KINDS, NAME, FACTS), max_size=12, unique_by=lambda one: (one.kind, one.external_id))


@given(ENTRIES, st.randoms(use_true_random=False))
def test_the_same_entries_are_the_same_bytes(entries: list[Entry], chance: random.Random) -> None:
    data = encoded(entries)
    mixed = [*entries, *entries]
    chance.shuffle(mixed)
    assert encoded(mixed) == data
    assert sorted(map(decoded, data.split(b"\n")[:-1]), key=repr) == sorted(entries, key=repr)


@given(ENTRIES)
def test_every_entry_is_found(entries: list[Entry]) -> None:
    table = Table(encoded(entries))
    assert sorted(table, key=repr) == sorted(entries, key=repr)
    for entry in entries:
        assert table.get(entry.kind, entry.external_id) == entry
        assert table.by_id(entry.kind, entry.id) in [one for one in entries if one.id == entry.id]
        assert entry in table.by_name(entry.kind, entry.name)
    for kind in {entry.kind for entry in entries}:
        of_kind = [entry for entry in entries if entry.kind == kind]
        assert sorted(table.each(kind), key=repr) == sorted(of_kind, key=repr)
        assert sorted(table.names(kind)) == sorted(entry.external_id for entry in of_kind)


@given(ENTRIES, KINDS, NAME)
def test_nothing_else_is_found(entries: list[Entry], kind: str, name: str) -> None:
    table = Table(encoded(entries))
    found = table.get(kind, name)  # type: ignore[arg-type]
    folded = {(one.kind, ascii_lower(one.external_id)) for one in entries}
    assert (found is not None) == ((kind, ascii_lower(name)) in folded)
    assert all(ascii_lower(one.name) == ascii_lower(name) for one in table.by_name(kind, name))  # type: ignore[arg-type]
    key = table.by_id(kind, name)  # type: ignore[arg-type]
    assert (key is not None) == any((one.kind, one.id) == (kind, name) for one in entries)


@given(ENTRIES, st.lists(st.text("abcä-.:", min_size=1, max_size=3), min_size=1, max_size=2))
def test_a_search_finds_what_holds_every_word(entries: list[Entry], words: list[str]) -> None:
    table = Table(encoded(entries))
    for entry in table.search(words):
        line = encoded([entry]).decode().lower()
        assert all(word.lower() in line for word in words)
    for entry in entries:
        if all(word in entry.external_id for word in words):
            assert entry in list(table.search(words))


def ascii_lower(text: str) -> str:
    return text.encode().lower().decode()


def test_other_letters_are_the_same_name_and_its_own_come_first() -> None:
    entries = [Entry("action", "s3:GetObject"), Entry("role", "Reader"), Entry("role", "reader", {"name": "Other"})]
    table = Table(encoded(entries))
    assert table.get("action", "S3:getobject") == entries[0]
    assert table.get("role", "reader") == entries[2]
    assert table.get("role", "Reader") == entries[1]
    assert table.get("role", "READER") in entries[1:]
    assert table.get("action", "Reader") is None


def test_a_line_reads_as_what_it_is() -> None:
    entry = Entry("action", "s3:DeleteBucket", {"severity": "high", "does": "delete"})
    assert encoded([entry]) == b'["action","s3:DeleteBucket",{"does":"delete","severity":"high"}]\n'


def test_text_that_is_no_utf8_is_nobodys_name() -> None:
    table = Table(encoded([Entry("role", "x")]))
    assert table.get("role", "\ud800") is None
    assert list(table.search(["\ud800"])) == []
