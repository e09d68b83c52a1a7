"""Whatever stands in a path or a message: it forges no line, gives no command, mentions nobody and links nowhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pmgitops.flows.apply import Applied
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.plan import Plan
from pmgitops.reconcile import Result
from pmgitops.report import findings, outcomes, plans
from tests.report.fixed import HOSTILE

any_text = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=40),
    st.text("@#&<>|`*_[]()!:\\/\r\n \x00\x1b\udcffGH-www.a1", max_size=20),
)
found = st.builds(
    Finding,
    any_text.filter(bool),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["arn", "short-lived"]),
    any_text,
    st.sampled_from(["error", "approval", "warning"]),
)
several = st.lists(found, max_size=4)


def utf8(text: str) -> str:
    """What can be printed."""
    text.encode()
    return text


@settings(deadline=None)
@given(several)
def test_text_has_one_line_for_each(many: list[Finding]) -> None:
    text = utf8(findings.text(1, many))
    assert len(text.split("\n")) == len(many) + 1
    assert all(line.isprintable() for line in text.split("\n"))


@settings(deadline=None)
@given(several)
def test_github_gets_one_command_for_each(many: list[Finding]) -> None:
    text = utf8(findings.github(1, many))
    lines = re.split(r"\r\n|\n|\r", text)
    assert len(lines) == len(many) + 1
    for line, one in zip(lines, many, strict=False):
        match = re.fullmatch(r"::(error|warning|notice) file=([^:,]+),line=(\d+),col=(\d+),title=([^:,]+)::(.*)", line)
        assert match, line
        assert (int(match[3]), int(match[4]), match[5]) == (one.line, one.column, one.rule)
        if one.message.isprintable() and one.path.isprintable():
            assert (unescaped(match[2]), unescaped(match[6])) == (one.path, one.message)
    assert not lines[-1].startswith("::")


def unescaped(value: str) -> str:
    """As the runner reads a workflow command."""
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        value = value.replace(code, char)
    return value


@settings(deadline=None)
@given(several)
def test_json_is_json(many: list[Finding]) -> None:
    body = json.loads(utf8(findings.json(1, many)))
    assert [one["line"] for one in body["findings"]] == [one.line for one in many]
    for told, one in zip(body["findings"], many, strict=True):
        if not re.search("[\ud800-\udfff]", one.path + one.message):
            assert (told["path"], told["message"]) == (one.path, one.message)


@settings(deadline=None)
@given(several)
def test_sarif_has_the_shape_that_code_scanning_takes(many: list[Finding]) -> None:
    log = json.loads(utf8(findings.sarif(1, many)))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "pmgitops"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    assert len(run["results"]) == len(many)
    for result, one in zip(run["results"], many, strict=True):
        assert ids[result["ruleIndex"]] == result["ruleId"] == one.rule
        assert result["level"] in {"error", "warning", "note"}
        assert isinstance(result["message"]["text"], str)
        (location,) = result["locations"]
        artifact = location["physicalLocation"]["artifactLocation"]
        assert re.fullmatch(r"[A-Za-z0-9._~/%:-]+", artifact["uri"]), "a URI"
        path = unquote_to_bytes(artifact["uri"].removeprefix("file://"))
        assert path == one.path.encode("utf-8", "surrogateescape") or not one.path.isprintable()
        assert ("uriBaseId" in artifact) is (not one.path.startswith("/"))
        region = location["physicalLocation"]["region"]
        assert region["startLine"] >= 1
        assert region["startColumn"] >= 1


@settings(deadline=None)
@given(several)
def test_junit_is_well_formed(many: list[Finding]) -> None:
    suite = ET.fromstring(utf8(findings.junit(1, many)))
    tests, failures = suite.findall("testcase"), suite.findall("testcase/failure")
    assert (suite.get("tests"), suite.get("failures")) == (str(len(tests)), str(len(failures)))
    assert len(tests) == len(many) + 1
    assert len(failures) == sum(one.severity != "warning" for one in many)
    assert {child.tag for child in suite.iter()} <= {"testsuite", "testcase", "failure"}


# Markdown, as a reader sees it


class Page(HTMLParser):
    """The rendered page: its tags, and its text outside of code, which is where GitHub looks for mentions."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.comments: list[str] = []
        self.prose = ""
        self._code = 0
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))

    def handle_starttag(self, tag: str, _: object) -> None:
        self.tags.append(tag)
        self._code += tag in {"code", "pre"}

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in {"code", "pre"}

    def handle_data(self, data: str) -> None:
        self.prose += "" if self._code else data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


PLAIN = {"p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code"}
COMMENT = PLAIN | {"h3", "ul", "li", "details", "summary", "b", "pre", "hr", "sub"}
MENTION = re.compile(r"(?<!\w)@\w")
REFERENCE = re.compile(r"#\d|\bGH-\d", re.IGNORECASE)


def harmless(page: Page, source: str, tags: set[str]) -> None:
    assert set(page.tags) <= tags
    assert not MENTION.search(page.prose)
    assert not REFERENCE.search(page.prose)
    # What GitHub makes links of, it finds in the source.
    assert not re.search(r"(https?|ftp|mailto|xmpp):|www\.|[\w.+-]+@[\w-]", fences_left_out(source))


def fences_left_out(source: str) -> str:
    return "".join(source.split("```")[::2])


@settings(deadline=None)
@given(several)
def test_a_summary_is_a_table_and_nothing_else(many: list[Finding]) -> None:
    source = utf8(findings.markdown(1, many))
    page = Page(source)
    harmless(page, source, PLAIN)
    assert page.comments == []
    assert page.tags.count("tr") == (len(many) + 1 if many else 0)
    assert page.tags.count("td") == 3 * len(many)


@settings(deadline=None)
@given(several, st.lists(st.tuples(any_text, any_text, any_text), max_size=3))
def test_a_comment_says_what_we_say(many: list[Finding], texts: list[tuple[str, str, str]]) -> None:
    changes = tuple(
        Change(
            "create",
            clean(name),
            "permissions-management",
            clean(why),
            "r",
            f"requests/{place}",
            {"notes": clean(note)},
        )
        for place, (name, why, note) in enumerate(texts)
    )
    source = utf8(plans.markdown(Plan(changes, tuple(many))))
    page = Page(source)
    harmless(page, source, COMMENT)
    assert page.comments == [" pmgitops:plan "]
    assert page.tags.count("details") == page.tags.count("pre") == len(changes)
    assert page.tags.count("h3") == 1
    assert page.tags.count("td") == 3 * len(many)


def clean(note: str) -> str:
    return note.encode("utf-8", "ignore").decode()  # changes come from files that are UTF-8


@settings(deadline=None)
@given(any_text, any_text)
def test_what_apply_tells_keeps_to_its_line(name: str, why: str) -> None:
    applied = Applied("c" * 40, "0" * 12, (Result(name, "none", "refused", "refused", "", why),))
    text = utf8(outcomes.applied_text(applied))
    assert text.isprintable()
    json.loads(utf8(outcomes.applied_json(applied)))


@pytest.mark.parametrize("message", ["alex@contoso.com asks", "see #12", "S3:* | EC2:*", "a < b & c", "the 1st @ 9:00"])
def test_what_is_harmless_reads_as_it_was_written(message: str) -> None:
    page = Page(findings.markdown(1, [Finding("requests/a.yaml", 1, 1, "r", message)]))
    assert message in page.prose.replace("\u200b", "")
