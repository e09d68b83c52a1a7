"""Findings as text, JSON, GitHub annotations, SARIF, JUnit and Markdown. All of them from the same values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import orjson

from pmgitops import __version__
from pmgitops.model.finding import Finding

Render = Callable[[int, Sequence[Finding]], str]


def text(requests: int, findings: Sequence[Finding]) -> str:
    """`path:line:column: severity [rule] message`, a line each, and a line that counts."""
    lines = [f"{f.path}:{f.line}:{f.column}: {f.severity} [{f.rule}] {one_line(f.message)}" for f in findings]
    return "\n".join([*lines, summary(requests, findings)])


def summary(requests: int, findings: Sequence[Finding]) -> str:
    """How many requests were judged, and how many findings of each severity there are."""
    counts = Counter(finding.severity for finding in findings)
    shown = [
        _counted(counts["error"], "error"),
        f"{counts['approval']} awaiting approval" if counts["approval"] else "",
        _counted(counts["warning"], "warning"),
    ]
    return (
        f"{_counted(requests, 'request') or '0 requests'} judged: {', '.join(filter(None, shown)) or 'nothing to mend'}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def json(requests: int, findings: Sequence[Finding]) -> str:
    """For programs."""
    body = {"requests": requests, "findings": [finding.as_json() for finding in findings]}
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()


def github(requests: int, findings: Sequence[Finding]) -> str:
    """Workflow commands, which GitHub shows at the line in the pull request."""
    return "\n".join([*(_command(finding) for finding in findings), summary(requests, findings)])


def _command(finding: Finding) -> str:
    command = {"error": "error", "approval": "warning", "warning": "notice"}[finding.severity]
    place = f"file={_property(finding.path)},line={finding.line},col={finding.column}"
    return f"::{command} {place},title={_property(finding.rule)}::{_data(finding.message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(_: int, findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0, for code scanning."""
    levels = {"error": "error", "approval": "warning", "warning": "note"}
    rules = sorted({finding.rule for finding in findings})
    results = [
        {
            "ruleId": f.rule,
            "ruleIndex": rules.index(f.rule),
            "level": levels[f.severity],
            "message": {"text": f.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f.path, "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": f.line, "startColumn": f.column},
                    }
                }
            ],
        }
        for f in findings
    ]
    driver = {"name": "pmgitops", "version": __version__, "rules": [{"id": rule} for rule in rules]}
    log: dict[str, Any] = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return orjson.dumps(log, option=orjson.OPT_INDENT_2).decode()


def junit(requests: int, findings: Sequence[Finding]) -> str:
    """One test case a finding (an error or an approval fails it), and one that says that judging took place."""
    failures = [finding for finding in findings if finding.severity != "warning"]
    suite = ET.Element("testsuite", name="pmgitops", tests=str(len(findings) + 1), failures=str(len(failures)))
    ET.SubElement(suite, "testcase", classname="pmgitops", name=f"{requests} requests judged")
    for f in findings:
        case = ET.SubElement(suite, "testcase", classname=f.path, name=f"{f.rule} at {f.line}:{f.column}")
        if f.severity != "warning":
            failure = ET.SubElement(case, "failure", message=one_line(f.message), type=f.severity)
            failure.text = f"{f.path}:{f.line}:{f.column}: {one_line(f.message)}"
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


def markdown(requests: int, findings: Sequence[Finding]) -> str:
    """A table for a job's summary."""
    if not findings:
        return f"**{summary(requests, findings)}**"
    rows = [
        f"| {f.severity} | {code(f'{f.path}:{f.line}')} | {code(f.rule)} | {escaped(f.message)} |" for f in findings
    ]
    return "\n".join(
        [f"**{summary(requests, findings)}**", "", "| | where | rule | what |", "|---|---|---|---|", *rows]
    )


def escaped(value: str) -> str:
    """Text of others inside Markdown: shown as it is, mentioning nobody and linking nowhere."""
    special = "\\`*_{}[]<>()#+-!|~@:"
    return "".join(f"&#{ord(char)};" if char in special else char for char in one_line(value))


def code(value: str) -> str:
    """Text of others as code inside a Markdown table."""
    return "<code>" + escaped(value) + "</code>"


def one_line(value: str) -> str:
    """Text that keeps to its line and to what can be seen."""
    return "".join(char if char.isprintable() else " " for char in " ".join(value.split()))


FORMATS: dict[str, Render] = {
    "text": text,
    "json": json,
    "github": github,
    "sarif": sarif,
    "junit": junit,
    "markdown": markdown,
}
