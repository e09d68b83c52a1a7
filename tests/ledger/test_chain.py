import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgitops.ledger import chain
from pmgitops.ledger.interface import RESERVED, Entry, Event, LedgerBrokenError

AT = "2026-01-31T09:30:00Z"
PATH = "ledger/ab/anna.jsonl"
EMPTY = chain.Tip(0, chain.FIRST)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
ENTRIES = st.lists(
    st.builds(
        Entry, st.just("anna"), TEXT, st.dictionaries(TEXT.filter(lambda key: key not in RESERVED), JSON, max_size=3)
    ),
    min_size=1,
    max_size=6,
)


def history(count: int) -> bytes:
    return chain.extend(EMPTY, [Entry("anna", f"event-{number}", {"n": number}) for number in range(count)], AT)


@given(ENTRIES)
def test_events_survive_the_way_through_text(entries):
    text = chain.extend(EMPTY, entries, AT)
    events = chain.decode(PATH, text)
    assert [(event.event, event.data) for event in events] == [(entry.event, entry.data) for entry in entries]
    assert [event.seq for event in events] == list(range(1, len(entries) + 1))
    assert b"".join(map(chain.encode, events)) == text
    assert chain.last(PATH, text) == events[-1]
    assert chain.tip(PATH, text) == chain.Tip(len(entries), chain.link(chain.encode(events[-1])))


@given(ENTRIES, ENTRIES)
def test_appending_in_two_goes_is_appending_in_one(first, second):
    start = chain.extend(EMPTY, first, AT)
    assert start + chain.extend(chain.tip(PATH, start), second, AT) == chain.extend(EMPTY, first + second, AT)


def test_a_line_is_as_documented():
    first, second = chain.extend(
        EMPTY, [Entry("a", "intended", {"b": {"z": 1, "y": [None]}, "a": "é"}), Entry("a", "x")], AT
    ).splitlines()
    assert (
        first
        == (
            '{"seq":1,"at":"2026-01-31T09:30:00Z","event":"intended","a":"é","b":{"y":[null],"z":1},"prev":"%s"}'
            % ("0" * 64)
        ).encode()
    )
    assert second == b'{"seq":2,"at":"2026-01-31T09:30:00Z","event":"x","prev":"%s"}' % chain.link(first).encode()


def test_an_empty_history_has_no_events():
    assert chain.decode(PATH, b"") == ()
    assert chain.last(PATH, b"") is None
    assert chain.tip(PATH, b"") == EMPTY


@given(ENTRIES.filter(lambda entries: len(entries) > 1), st.data())
def test_any_changed_byte_before_the_last_line_is_found(entries, data):
    text = bytearray(chain.extend(EMPTY, entries, AT))
    place = data.draw(st.integers(0, text.rindex(b"\n", 0, -1)))
    text[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(LedgerBrokenError):
        chain.decode(PATH, bytes(text))


@given(st.integers(0, 120), st.integers(1, 255))
def test_a_changed_byte_of_the_last_lines_frame_is_found(place, flip):
    """All of the last line but what `at`, `event` and the data say: nothing is tied to it yet."""
    text = bytearray(history(2))
    start = text.index(b"\n") + 1
    free = {start + at for token in (b"2026", b"event-1", b'"n"', b":1,") for at in _span(text[start:], token)}
    spot = start + place % (len(text) - start)
    if spot not in free:
        text[spot] ^= flip
        with pytest.raises(LedgerBrokenError):
            chain.decode(PATH, bytes(text))


def _span(text: bytearray, token: bytes) -> range:
    at = text.rindex(token)
    return range(at, at + (20 if token == b"2026" else len(token)))


@given(st.integers(2, 6), st.data())
def test_a_dropped_doubled_or_exchanged_line_is_found(count, data):
    lines = history(count).splitlines(keepends=True)
    one = data.draw(st.integers(0, count - 2))
    other = data.draw(st.integers(one + 1, count - 1))
    dropped = lines[:one] + lines[one + 1 :]
    doubled = lines[: other + 1] + lines[other:]
    exchanged = [*lines]
    exchanged[one], exchanged[other] = lines[other], lines[one]
    for broken in (dropped, doubled, exchanged):
        with pytest.raises(LedgerBrokenError):
            chain.decode(PATH, b"".join(broken))


@given(st.integers(1, 4), st.data())
def test_a_cut_line_is_found(count, data):
    text = history(count)
    cut = text[: data.draw(st.integers(1, len(text) - 1).filter(lambda at: text[at - 1 : at] != b"\n"))]
    line = cut.count(b"\n") + 1
    for read in (chain.decode, chain.last, chain.tip):
        with pytest.raises(LedgerBrokenError, match=f"{PATH}:{line}: the line is cut off"):
            read(PATH, cut)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\n", "not a line of JSON"),
        (b"not json\n", "not a line of JSON"),
        (b"\xff\n", "not a line of JSON"),
        (b"[]\n", "not an event"),
        (b"{}\n", "not an event"),
        (b'{"seq":1,"event":"x","at":"2026-01-31T09:30:00Z","prev":"0"}\n', "not an event"),
        (b'{"seq":true,"at":"2026-01-31T09:30:00Z","event":"x","prev":"0"}\n', "not an event"),
        (b'{"seq":1,"at":"yesterday","event":"x","prev":"0"}\n', "not an event"),
        (b'{"seq":1,"at":"2026-01-31T09:30:00Z","event":"x","b":1,"a":1,"prev":"0"}\n', "not an event"),
        (b'{"seq":1,"at":"2026-01-31T09:30:00Z","event":"x","prev":"0","more":1}\n', "not an event"),
        (b'{"seq":2,"at":"2026-01-31T09:30:00Z","event":"x","prev":"0"}\n', "seq is 2, and 1 would be next"),
        (b'{"seq":1,"at":"2026-01-31T09:30:00Z","event":"x","prev":"0"}\n', "not tied to the line before"),
    ],
)
def test_a_foreign_line_is_named(line, problem):
    for read in (chain.decode, chain.last):
        with pytest.raises(LedgerBrokenError, match=f"{PATH}:1: {problem}") as error:
            read(PATH, line)
        assert (error.value.path, error.value.line, error.value.exit_code, error.value.guard) == (PATH, 1, 4, "")


def test_the_broken_line_is_named():
    lines = history(4).splitlines(keepends=True)
    lines[1] = lines[1].replace(b"event-1", b"event-9")
    with pytest.raises(LedgerBrokenError, match=f"{PATH}:3: not tied"):
        chain.decode(PATH, b"".join(lines))


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_an_events_data_may_not_take_the_lines_keys(key):
    with pytest.raises(ValueError, match=f"data may not be called {key}"):
        chain.extend(EMPTY, [Entry("a", "x", {key: 1})], AT)


@pytest.mark.parametrize("value", [object(), 2**64, "\ud800", {1: 2}])
def test_an_events_data_is_json(value):
    with pytest.raises(ValueError, match="event 'x'"):
        chain.encode(Event(1, AT, "x", {"a": value}, chain.FIRST))
