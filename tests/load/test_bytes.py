"""What a file of cases cannot hold well: odd bytes, sizes and depths, and whatever hypothesis thinks of."""

import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yaml.cyaml import CParser

from pmgitops import document
from pmgitops.document import MAX_DEPTH, MAX_FINDINGS, MAX_SIZE, Document, parse, read
from pmgitops.load import RequestFile, load

CASES = Path(__file__).parents[1] / "cases" / "requests"

REQUEST = """\
apiVersion: pmgitops/v1
kind: gcp-roles
authorizationSystemId: carbide-bonsai-205017
resourceId: carbide-bonsai-205017
roles: [roles/dialogflow.aamAdmin]
identity: {externalId: alex@contoso.com, source: ed, type: user}
justification: I look after the bots
scheduleInfo: {expiration: {duration: PT1H}}
"""


def faults(data):
    found = read(data if isinstance(data, bytes) else data.encode(), "a.yaml")
    return [] if isinstance(found, Document) else [(f.line, f.column, f.rule) for f in found]


# --- bytes


def test_a_byte_order_mark_is_accepted():
    marked = load("requests/a.yaml", b"\xef\xbb\xbf" + REQUEST.encode())
    assert isinstance(marked, RequestFile)
    assert marked.at(("apiVersion",), key=True) == (1, 1)
    assert marked.request.revision == load("requests/a.yaml", REQUEST.encode()).request.revision


def test_windows_line_ends_are_accepted_and_change_nothing():
    windows = load("requests/a.yaml", REQUEST.replace("\n", "\r\n").encode())
    assert windows.request.revision == load("requests/a.yaml", REQUEST.encode()).request.revision
    assert windows.at(("justification",)) == (7, 16)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a: \xff", (1, 4, "encoding")),
        (b"a: b\nc\xc3\xa9: \xe9t\xe9", (2, 5, "encoding")),
        (b"a: \xed\xa0\x80", (1, 4, "encoding")),  # a surrogate
        (b"a: \xc0\xaf", (1, 4, "encoding")),  # longer than it needs to be
        (b"a: caf\xc3", (1, 7, "encoding")),  # cut
        ("a: b".encode("utf-16"), (1, 1, "encoding")),
        ("a: b".encode("utf-16-be"), (1, 1, "character")),
    ],
)
def test_what_is_not_utf_8_is_refused(data, place):
    assert faults(data) == [place] or (place[2] == "character" and faults(data)[0] == place)


@pytest.mark.parametrize("char", "\0\x01\x08\x0b\x0c\x1b\x7f\x85\x9f\u2028\u2029\u202e\u2066\ufffe\uffff\r")
def test_foreign_characters_are_refused_in_values_and_in_comments(char):
    assert faults(f"a: b\nc: d{char}e\n") == [(2, 5, "character")]
    assert faults(f"a: b\n# é {char} e\nc: d\n") == [(2, 5, "character")]


def test_a_line_break_that_only_yaml_sees_hides_nothing():
    """A reviewer sees a comment; YAML 1.1 would see another field."""
    for gap in "\r\x85\u2028\u2029":
        hidden = f"a: b # harmless{gap}policies: [everything]\n"
        assert faults(hidden) == [(1, 16, "character")]


@pytest.mark.parametrize("char", "\té\u00a0東🙂\ud7ff\ue000")
def test_other_characters_may_stand_in_a_comment(char):
    assert faults(f"# {char}\na: b\n") == []


def test_columns_count_code_points():
    assert faults("🙂é: &x 1\n") == [(1, 5, "alias")]
    assert read("🙂é: [é, ü]\n".encode(), "a.yaml").at(("🙂é", 1)) == (1, 9)


# --- size and depth


def test_64_kib_are_read_and_one_byte_more_is_not():
    assert faults(b"a: b\n#" + b"x" * (MAX_SIZE - 6)) == []
    assert faults(b"a: b\n#" + b"x" * (MAX_SIZE - 5)) == [(1, 1, "size")]


def nested(opening, closing, levels):
    return f"a: {opening * (levels - 1)}x{closing * (levels - 1)}\n"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_32_levels_are_read_and_one_more_is_not(opening, closing):
    assert faults(nested(opening, closing, MAX_DEPTH)) == []
    place = (1, 4 + len(opening) * (MAX_DEPTH - 1), "depth")
    assert faults(nested(opening, closing, MAX_DEPTH + 1)) == [place]
    # Far too deep is told by the tokens, before anything is composed; the place is the same.
    assert faults(nested(opening, closing, 2000)) == [place]


def test_blocks_are_counted_as_well():
    blocks = "".join("  " * level + "a:\n" for level in range(MAX_DEPTH - 1))
    assert faults(blocks + "  " * (MAX_DEPTH - 1) + "a: b\n") == []
    assert faults(blocks + "  " * (MAX_DEPTH - 1) + "a:\n" + "  " * MAX_DEPTH + "a: b\n") == [
        (MAX_DEPTH + 1, 2 * MAX_DEPTH + 1, "depth")
    ]
    assert faults("a:\n" + "- " * 31 + "x\n") == []
    assert faults("a:\n" + "- " * 32 + "x\n") == [(2, 63, "depth")]


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 65000,
        "{" * 65000,
        "- " * 32000,
        "? " * 32000,
        "a: " + "[" * 65000,
        "[a: " * 16000,
        "{a: " * 16000,
        "\n".join(" " * level + "a:" for level in range(300)),
        "a: &a [" + "*a," * 20000 + "]",
        "a: b\n" * 13000,
        "".join(f"a{number}: b\n" for number in range(7000)),
        "a: " + "&a " * 20000,
        "a: '" + "x" * 65000,
        "---\n" * 16000,
        "a: [" + "~," * 30000 + "]",
        "!" * 65000,
        "a: " + "! " * 30000,
        "%a\n" * 20000,
        '"' + "\\u202e" * 10000 + '": 1',
        " " * 65000 + "a: b",
        "a: " + "b" * 65000,
        "# " + "é\u202e" * 10000,
        b"\xff" * 65000,
        b"\0" * 65000,
        "\t" * 65000,
        ": " * 32000,
        ", " * 32000,
        "a:\n" * 20000,
        "kind: aws-policies\n" + "".join(f"policie{number}: b\n" for number in range(3000)),
    ],
    ids=lambda hostile: repr(hostile[:8]),
)
def test_hostile_files_are_answered_soon(hostile):
    data = hostile if isinstance(hostile, bytes) else hostile.encode()
    assert len(data) <= MAX_SIZE
    begun = time.process_time()
    found = load("requests/a.yaml", data)
    assert isinstance(found, list)
    assert 1 <= len(found) <= MAX_FINDINGS
    assert time.process_time() - begun < 5


def test_an_alias_bomb_is_not_set_off():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    document, found = parse("\n".join(lines).encode(), "a.yaml")
    assert document is None
    assert {finding.rule for finding in found} == {"alias"}
    assert (found[0].line, found[0].column) == (1, 5)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(["&", "&a", "!", "!a", "*a", " ", "\n", "\r\n", "\t", *"a:,-?[]{}'\"|>%#"]), max_size=14)
)
@example(["a", ":", " ", "a", "&a"])
@example(['"', "a", '"', ":", "&a", " ", "a"])
def test_no_anchor_and_no_tag_gets_past_the_look_at_the_bytes(parts):
    """What stands in the way of `_scan` is a pattern; what it lets by is asked of the scanner itself."""
    data = "".join(parts).encode()
    found, _ = parse(data, "a.yaml")
    if found is not None:
        assert not {fault.rule for fault in document._scan(data)} & {"alias", "tag", "directive"}


# --- what is read


@pytest.mark.parametrize(
    "scalar", ["no", "on", "012345678901", "1:30", "1_000", "0x1f", "1e3", ".inf", "2026-12-01", "off"]
)
def test_scalars_stay_the_text_that_was_written(scalar):
    assert read(f"gate: {scalar}\nall: [{scalar}]\n".encode(), "a.yaml").value == {"gate": scalar, "all": [scalar]}


def test_keys_stay_text_and_apart():
    value = read(b"1: a\ntrue: b\nnull: c\n~: d\n'': e\n", "a.yaml").value
    assert value == {"1": "a", "true": "b", "null": "c", "~": "d", "": "e"}


def test_null_means_absent_but_not_below_a_condition():
    text = "a: ~\nb: {c: null, d: '~'}\ncondition: {e: null, f: [~], g: {h: }}\nempty: {}\nnone: []\n"
    assert read(f"{text}i: {{condition: NULL}}\n".encode(), "a.yaml").value == {
        "b": {"d": "~"},
        "condition": {"e": "null", "f": ["~"], "g": {"h": ""}},
        "empty": {},
        "none": [],
        "i": {},
    }


@pytest.mark.parametrize(
    "nothing", ["", "\n\n", "# only a comment\n", "---\n", "~\n", "null", "--- ~\n...\n", "\ufeff"]
)
def test_nothing_in_a_file_is_a_finding(nothing):
    assert faults(nothing) == [(1, 1, "empty")]


@pytest.mark.parametrize("text", ["'null'", "''"])
def test_a_quoted_null_is_text_and_no_mapping(text):
    assert faults(text) == [(1, 1, "type")]


@pytest.mark.parametrize("cut", range(0, len(REQUEST), 7))
def test_a_cut_file_is_findings_or_less(cut):
    found = load("requests/a.yaml", REQUEST[:cut].encode())
    assert isinstance(found, list) or REQUEST[:cut].rstrip("}\n") == REQUEST.rstrip("}\n")


# --- whatever comes

yaml_like = st.text(alphabet=st.sampled_from("abk: -[]{},&*!|>'\"%#@`?~\n\t0\r\ufeff\u2028é🙂\\"), max_size=200)


@settings(max_examples=400, deadline=2000)
@given(
    st.one_of(
        st.binary(max_size=400), yaml_like.map(str.encode), yaml_like.map(lambda text: f"{REQUEST}{text}".encode())
    )
)
@example(b"\xef\xbb\xbf")
@example(b"? ")
@example(b"a: !")
@example(b"- - - ? - a")
def test_any_bytes_are_a_document_or_findings(data):
    found = load("requests/a.yaml", data)
    if isinstance(found, list):
        assert found
        lines = data.count(b"\n") + 1
        assert all(1 <= finding.line <= lines + 1 and finding.column >= 1 and finding.message for finding in found)
    else:
        assert found.request.revision


class Pure(document._PurePython):
    """The composer of a PyYAML that was built without libyaml, with the hooks of ours."""

    resolve = document._Composer.resolve
    descend_resolver = document._Composer.descend_resolver
    ascend_resolver = document._Composer.ascend_resolver


def both_ways(data):
    """What is read and what is found, with libyaml and without it."""
    for composer, nesting in ((document._Composer, document._SAFE_NESTING), (Pure, 0)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(document, "_Composer", composer)
            patched.setattr(document, "_SAFE_NESTING", nesting)
            found, findings = parse(data, "a.yaml")
        yield (found and found.value), [(finding.line, finding.column, finding.rule) for finding in findings]


def test_libyaml_is_used_where_it_is():
    assert issubclass(document._Composer, CParser)


STRICTER = "wildcards.yaml"  # a plain `s3:Get?bject` in a flow list: libyaml reads it, Python's scanner wants quotes


@pytest.mark.parametrize("path", sorted(CASES.glob("*/*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_pure_python_reads_the_same(path):
    fast, pure = both_ways(path.read_bytes())
    assert fast == pure or path.name == STRICTER


def test_a_byte_order_mark_moves_nothing():
    marked, plain = (list(both_ways(mark + b"a: &x b\n")) for mark in (b"\xef\xbb\xbf", b""))
    assert marked == plain == [(None, [(1, 4, "alias")])] * 2
    assert faults("\ufeffa: \u202e") == [(1, 4, "character")]


@settings(max_examples=300, deadline=None)
@given(yaml_like.map(str.encode))
@example(b"[" * 5000)
@example(b"a: [s3:Get?bject]")
def test_pure_python_may_refuse_more_but_never_reads_otherwise(data):
    (fast, _), (pure, _) = both_ways(data)
    assert fast is None or pure is None or fast == pure
