"""Policies and the results of their cases: text, JSON, JUnit."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from pmgitops.policy.bundle import Bundle
from pmgitops.policy.cases import Result
from pmgitops.report import findings
from pmgitops.report.quoting import dumped, one_line, visible


def list_text(bundle: Bundle) -> str:
    """A rule a line, then what is wrong with any."""
    rules = [rule.policy for rule in bundle.policies]
    width = max((len(rule.id) for rule in rules), default=0)
    lines = [f"{rule.id:{width}}  {rule.severity:8}  {one_line(rule.title)}" for rule in rules]
    return "\n".join([*lines, *findings.lines(bundle.findings)])


def list_json(bundle: Bundle) -> str:
    """For programs."""
    rules = [
        {"id": rule.policy.id, "severity": rule.policy.severity, "title": rule.policy.title, "why": rule.policy.why}
        for rule in bundle.policies
    ]
    return dumped(
        {"digest": bundle.digest, "policies": rules, "findings": [found.as_json() for found in bundle.findings]}
    )


def test_text(bundle: Bundle, results: Sequence[Result]) -> str:
    """What did not hold, then how many did."""
    failed = [result for result in results if not result.passed]
    lines = findings.lines(found for result in failed for found in result.findings)
    counted = f"{len(bundle.policies)} policies, {len(results) - len(failed)} of {len(results)} cases hold"
    return "\n".join([*lines, *findings.lines(bundle.findings), counted])


def test_json(bundle: Bundle, results: Sequence[Result]) -> str:
    """For programs."""
    cases = [
        {
            "policy": result.policy,
            "it": result.it,
            "path": result.path,
            "line": result.line,
            "expected": result.expected,
            "got": result.got,
            "passed": result.passed,
        }
        for result in results
    ]
    return dumped({"cases": cases, "findings": [found.as_json() for found in bundle.findings]})


def test_junit(bundle: Bundle, results: Sequence[Result]) -> str:
    """A test case for each case, and one for each policy that does not load."""
    failed = [result for result in results if not result.passed]
    failures = len(failed) + len(bundle.findings)
    suite = ET.Element(
        "testsuite", name="policies", tests=str(len(results) + len(bundle.findings)), failures=str(failures)
    )
    for result in results:
        case = ET.SubElement(suite, "testcase", classname=result.policy, name=one_line(result.it))
        if not result.passed:
            message = f"{visible(result.path)}:{result.line}: expected {result.expected}, got {result.got}"
            ET.SubElement(case, "failure", message=message)
    for found in bundle.findings:
        case = ET.SubElement(suite, "testcase", classname=visible(found.path), name=found.rule)
        ET.SubElement(case, "failure", message=f"{visible(found.path)}:{found.line}: {one_line(found.message)}")
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


LISTS = {"text": list_text, "json": list_json}
TESTS = {"text": test_text, "json": test_json, "junit": test_junit}
