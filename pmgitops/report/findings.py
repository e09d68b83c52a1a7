"""Findings as text, JSON, GitHub annotations, SARIF, JUnit and Markdown. All of them from the same values."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from pmgitops import __version__
from pmgitops.model.finding import Finding, Severity
from pmgitops.report.quoting import code, dumped, escaped, one_line, visible

Render = Callable[[int, Sequence[Finding]], str]


def text(requests: int, findings: Sequence[Finding]) -> str:
    """A line each, and a line that counts."""
    return "\n".join([*lines(findings), summary(requests, findings)])


def lines(findings: Iterable[Finding]) -> list[str]:
    """`path:line:column: severity [rule] message` for each."""
    return [visible(f"{f.path}:{f.line}:{f.column}: {f.severity} [{f.rule}] {one_line(f.message)}") for f in findings]


def summary(requests: int, findings: Sequence[Finding]) -> str:
    """How many requests were judged, and how many findings of each severity there are."""
    return f"{requests} {_plural(requests, 'request')} judged: {counted(findings) or 'nothing to mend'}"


def counted(findings: Sequence[Finding]) -> str:
    """How many findings of each severity there are; empty where there are none."""
    counts = Counter(finding.severity for finding in findings)
    shown: dict[Severity, str] = {
        "error": _plural(counts["error"], "error"),
        "approval": "awaiting approval",
        "warning": _plural(counts["warning"], "warning"),
    }
    return ", ".join(f"{counts[severity]} {words}" for severity, words in shown.items() if counts[severity])


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


def json(requests: int, findings: Sequence[Finding]) -> str:
    """For programs."""
    return dumped({"requests": requests, "findings": [finding.as_json() for finding in findings]})


def github(requests: int, findings: Sequence[Finding]) -> str:
    """Workflow commands, which GitHub shows at the line in the pull request."""
    return "\n".join([*(_command(finding) for finding in findings), summary(requests, findings)])


def _command(finding: Finding) -> str:
    command = {"error": "error", "approval": "warning", "warning": "notice"}[finding.severity]
    place = f"file={_property(finding.path)},line={finding.line},col={finding.column}"
    return f"::{command} {place},title={_property(finding.rule)}::{_data(finding.message)}"


def _data(value: str) -> str:
    value = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(value)


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
                        "artifactLocation": _artifact(f.path),
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
    return dumped(log)


def _artifact(path: str) -> dict[str, str]:
    """A path as a URI: beneath the repository, or, for a file that was named from outside, by itself."""
    uri = quote(os.fsencode(path))
    return {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": "%SRCROOT%"}


def junit(requests: int, findings: Sequence[Finding]) -> str:
    """One test case a finding (an error or an approval fails it), and one that says that judging took place."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415  # only here

    failures = [finding for finding in findings if finding.severity != "warning"]
    suite = ET.Element("testsuite", name="pmgitops", tests=str(len(findings) + 1), failures=str(len(failures)))
    ET.SubElement(suite, "testcase", classname="pmgitops", name=f"{requests} {_plural(requests, 'request')} judged")
    for f in findings:
        path = visible(f.path)
        case = ET.SubElement(suite, "testcase", classname=path, name=f"{f.rule} at {f.line}:{f.column}")
        if f.severity != "warning":
            failure = ET.SubElement(case, "failure", message=one_line(f.message), type=f.severity)
            failure.text = f"{path}:{f.line}:{f.column}: {one_line(f.message)}"
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


ICONS = {"error": ":x:", "approval": ":hourglass:", "warning": ":warning:"}


def markdown(requests: int, findings: Sequence[Finding]) -> str:
    """A table for a job's summary."""
    told = f"**{summary(requests, findings)}**"
    return "\n".join([told, "", *table(map(row, findings))]) if findings else told


def table(rows: Sequence[str] | map[str]) -> list[str]:
    """The lines of a table of findings."""
    return ["| | where | what |", "|---|---|---|", *rows]


def row(finding: Finding) -> str:
    """A finding's line of the table."""
    where, what = code(f"{finding.path}:{finding.line}"), escaped(finding.message)
    return f"| {ICONS[finding.severity]} {finding.severity} | {where} | {what} ({code(finding.rule)}) |"


FORMATS: dict[str, Render] = {
    "text": text,
    "json": json,
    "github": github,
    "sarif": sarif,
    "junit": junit,
    "markdown": markdown,
}
