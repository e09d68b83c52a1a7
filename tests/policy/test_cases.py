"""The cases of policies: laid over examples, judged one by one, and findings where they do not hold."""

import pytest
from made import POLICY, load

from pmgitops.document import Document
from pmgitops.load import RequestFile
from pmgitops.model.request import REQUEST
from pmgitops.policy import cases
from pmgitops.policy.examples import CHANGE, NOW, REQUESTS, TICKET, laid_over, without
from pmgitops.policy.facts import ChangeFacts, TicketFacts

HEAD = POLICY.split("cases:")[0]


def run(require, *written, data="teams: [red]\n", message="is not so"):
    text = (
        HEAD.replace("REQUIRE", require).replace("MESSAGE", message)
        + "cases:\n"
        + "".join(f"  - {case}\n" for case in written)
    )
    always = [f"{{it: {expect}, request: {{kind: gcp-roles}}, expect: {expect}}}" for expect in ("pass", "fail")]
    loaded = load(text + "".join(f"  - {case}\n" for case in always), data=data)
    assert not loaded.findings, loaded.findings
    return cases.run(loaded)[: len(written)]


def one(require, case, **more):
    (result,) = run(require, case, **more)
    return result


@pytest.mark.parametrize("kind", REQUESTS)
def test_the_examples_are_requests(kind):
    assert REQUEST.validate_python(REQUESTS[kind]).kind == kind


def test_the_circumstances_are_facts():
    assert TicketFacts.model_validate(TICKET).approval == "approved"
    assert ChangeFacts.model_validate(CHANGE).action == "create"


def test_laying_over_merges_mappings_and_replaces_the_rest():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert laid_over(base, {"a": {"c": [3]}, "e": 2}) == {"a": {"b": 1, "c": [3]}, "d": 1, "e": 2}
    assert without(base, "a.b") == {"a": {"c": [1, 2]}, "d": 1}
    assert without(base, "a") == {"d": 1}
    assert without(base, "x.y") == base
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_a_case_that_holds():
    result = one("request.name == 'case'", "{it: is so, request: {kind: aws-policies}, expect: pass}")
    assert (result.passed, result.policy, result.it, result.got, result.line) == (True, "rule", "is so", "pass", 10)


def test_a_case_that_does_not_hold_is_a_finding_where_it_says_so():
    result = one("request.name == ''", "{it: is so, request: {kind: aws-policies}, expect: pass}")
    (found,) = result.findings
    assert (result.passed, result.got, result.message) == (False, "fail", "is not so")
    assert (found.path, found.line, found.column, found.rule) == ("policies/rule.yaml", 10, 56, "policy-case")
    assert found.message == "is so: expected pass, got fail: is not so"


def test_a_rule_that_breaks_does_not_pass_for_one_that_refuses():
    result = one("1 / size(request.roles) == 1", "{it: refuses, request: {kind: aws-policies}, expect: fail}")
    assert (result.passed, result.got) == (False, "error")


def test_a_message_is_held_to_its_words():
    case = "{it: refuses, request: {kind: aws-policies}, expect: fail, message: %s}"
    assert one("request.name == ''", case % "not so").passed
    (found,) = one("request.name == ''", case % "so not").findings
    assert found.message == "refuses: 'so not' is not in the message: is not so"


def test_a_case_of_no_request_is_a_finding():
    result = one("true", "{it: is so, request: {kind: aws-policies, justfication: x}, expect: pass}")
    (found,) = result.findings
    assert (result.got, found.line, found.column) == ("invalid", 10, 47)
    assert "did you mean 'justification'?" in found.message
    result = one("true", "{it: is so, request: {kind: aws}, expect: pass}")
    assert result.findings[0].message.startswith("'aws' is not one of aws-policies, ")
    assert one("true", "{it: is so, request: {justification: x}, expect: pass}").got == "invalid"


def test_what_a_case_lacks():
    case = "{it: is so, request: {kind: aws-policies}, without: [ticketInfo, notes], expect: pass}"
    assert one('"!request.ticket.declared"', case).passed


@pytest.mark.parametrize(
    ("require", "facts"),
    [
        ("now == timestamp('2026-01-15T09:00:00Z')", "{}"),
        ("now == timestamp('2030-01-01T00:00:00Z')", "{now: 2030-01-01T00:00:00Z}"),
        ("ticket.found && ticket.approval == 'approved'", "{ticket: {}}"),
        ("ticket.active == false && ticket.class == 'incident'", "{ticket: {active: false, class: incident}}"),
        ("change.action == 'replace' && change.author != ''", "{change: {action: replace}}"),
        ("data.teams.includes('red')", "{}"),
        ("data.teams.includes('blue') && !data.teams.includes('red')", "{data: {teams: [blue]}}"),
        (
            "data.blackoutWindows.overlap(now, now + duration('1h'))",
            "{data: {blackoutWindows: [{start: 2026-01-15T09:30:00Z, end: 2026-01-15T10:00:00Z, why: x}]}}",
        ),
    ],
)
def test_a_case_brings_its_circumstances(require, facts):
    result = one(require, f"{{it: is so, request: {{kind: aws-policies}}, facts: {facts}, expect: pass}}")
    assert result.passed, result


def test_without_a_ticket_nobody_asked():
    case = "{it: waits, request: {kind: aws-policies}, expect: fail, message: before the ticket is read}"
    assert one("ticket.active", case).passed


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("{ticket: {aproval: x}}", "unknown field 'aproval'; did you mean 'approval'?"),
        ("{change: {action: creates}}", "'creates' is not one of create, replace, cancel, none"),
        ("{data: {teems: [a]}}", "data.yaml has no list of this name"),
        ("{data: {teams: a}}", "expected a list, not 'a'"),
    ],
)
def test_circumstances_that_cannot_be_are_findings(facts, message):
    result = one("true", f"{{it: is so, request: {{kind: aws-policies}}, facts: {facts}, expect: pass}}")
    (found,) = result.findings
    assert (result.got, found.line) == ("invalid", 10)
    assert message in found.message


def test_stand_ins_last_for_one_case():
    plain = "{it: is so, request: {kind: aws-policies}, expect: pass}"
    other = (
        "{it: is not, request: {kind: aws-policies}, facts: {data: {teams: [blue]}}, expect: fail, message: knows blue}"
    )
    results = run("data.teams.includes('red')", plain, other, plain, message="'knows {{ data.teams }}'")
    assert [result.passed for result in results] == [True, True, True]


def test_a_case_is_judged_as_a_request_is():
    """What `policy test` says of a case, `check` says of a file with the same content."""
    loaded = load(HEAD.replace("REQUIRE", "request.name == ''").replace("MESSAGE", "is {{ request.kind }}") + CASES)
    (_, failing) = cases.run(loaded)
    content = dict(REQUESTS["gcp-roles"])
    file = RequestFile("case", "requests/case.yaml", REQUEST.validate_python(content), Document(content, b"kind: x"))
    assert [found.message for found in loaded.judge(file, now=NOW)] == [failing.message] == ["is gcp-roles"]


CASES = """cases:
  - {it: passes, request: {kind: gcp-roles}, expect: pass}
  - {it: fails, request: {kind: gcp-roles}, expect: fail}
"""
