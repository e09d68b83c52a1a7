"""Loading: every mistake in a policy or in data.yaml is a finding at its place, and with one nothing is judged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import PATH, POLICY, faults, load, policy, request

from pmgitops.errors import UnsafeError
from pmgitops.policy import bundle
from pmgitops.policy.engine import Absent, Failed
from pmgitops.policy.examples import NOW
from pmgitops.policy.facts import VARIABLES
from pmgitops.policy.message import Message
from pmgitops.policy.wording import faults as message_faults

GOOD = policy()
ENGINE = load(GOOD).engine


@pytest.mark.parametrize(
    ("require", "column", "message"),
    [
        ("request.duraton == 'x'", 18, "unknown field 'duraton' of request; known are name, kind"),
        ("request.schedule.duraton == 'x'", 27, "unknown field 'duraton' of schedule; did you mean 'duration'?"),
        ("reqest.name == 'x'", 10, "unknown name 'reqest'; did you mean 'request'?"),
        ("request.name.startWith('x')", 23, "unknown name 'startWith'; did you mean 'startsWith'?"),
        ("request.name == 1", 23, "found no matching overload for '_==_' applied to '(string, int)'"),
        (
            "request.schedule.duration <= '8h'",
            36,
            "found no matching overload for '_<=_' applied to '(duration, string)'",
        ),
        ("request.name ==", 25, "Syntax error: mismatched input '<EOF>'"),
        ("request.name", 10, "answers with string, not with true or false"),
        ("request.schedule", 10, "answers with schedule, not with true or false"),
        ("data.productionAcounts.includes('x')", 15, "unknown field 'productionAcounts' of data; did you mean"),
        (
            "data.blackoutWindows.includes('x')",
            31,
            "found no matching overload for 'includes' applied to '(windows, string)'",
        ),
        ("(" * 40 + "true" + ")" * 40, 10, "nested deeper than 32 levels"),
        ("request.name == '" + "a" * 4000 + "'", 10, "4018 characters; 4000 are the most"),
        (
            " && ".join(["request.roles.exists(role, role == 'x')"] * 9),
            10,
            "9 of all, exists, map and filter; 8 are the most",
        ),
    ],
)
def test_what_is_wrong_with_an_expression(require, column, message):
    ((line, at, rule, said),) = faults(policy(require))
    assert (line, at, rule) == (6, column, "policy")
    assert said.startswith(f"require: {message}")


@pytest.mark.parametrize(
    ("written", "line", "column"),
    [
        ("|\n  request.name == 'a'\n  && request.nam == 'b'", 8, 14),
        (">-\n  request.name == 'a'\n  && request.nam == 'b'", 8, 14),
        ("request.name == 'a'\n  && request.nam == 'b'", 7, 14),
        ("'request.name == ''ä'' && request.nam == ''b'''", 6, 44),
        ('"request.name == \\"\\u00e4\\"\\n && request.nam == \'b\'"', 6, 51),
        ("\"request.name == 'a' \\\n  && request.nam == 'b'\"", 7, 14),
        ("| # why so\n\n  request.name == 'a'\n\n  && request.nam == 'b'", 10, 14),
    ],
    ids=["literal", "folded", "plain", "single-quoted", "double-quoted", "continued", "blank-lines"],
)
def test_a_fault_points_into_the_file_however_the_text_is_written(written, line, column):
    assert [fault[:2] for fault in faults(policy(written))] == [(line, column)]


def test_every_fault_of_a_policy_is_shown():
    text = policy("request.nam == 'x' && request.kin == 'y'", message="'{{ request.nam }}'", applies="reqest.x == 1")
    assert [fault[:2] for fault in faults(text)] == [(6, 18), (6, 40), (7, 22), (9, 10)]


@pytest.mark.parametrize(
    ("message", "column", "said"),
    [
        ("'{{ request.duraton }}'", 22, "message: unknown field 'duraton' of request"),
        ("'{{ request.ticket.numbr }}'", 29, "message: unknown field 'numbr' of ticket; did you mean 'number'?"),
        ("'{{ requst.name }}'", 14, "message: unknown name 'requst'; did you mean 'request'?"),
        ("'{{ data.accounts }}'", 19, "message: unknown field 'accounts' of data; did you mean 'productionAccounts'?"),
        ("'{{ request.name | uper }}'", 29, "message: unknown filter 'uper'; did you mean 'upper'?"),
        ("'{{ nothing | uper }}'", 24, "message: unknown filter 'uper'; did you mean 'upper'?"),
        ("'{{ 1 if request.name is nmber else 2 }}'", 35, "message: unknown test 'nmber'; did you mean 'number'?"),
        ("'{{ request.name '", 11, "message: not a template: unexpected end of template"),
    ],
)
def test_what_is_wrong_with_a_message(message, column, said):
    ((line, at, rule, words),) = faults(policy(message=message))
    assert (line, at, rule) == (7, column, "policy")
    assert words.startswith(said)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (policy(id="other"), (2, 5, "policy", "the id is 'other', the file's name says 'rule'")),
        (policy(severity="fatal"), (5, 11, "value", "'fatal' is not one of error, approval, warning")),
        (policy(titel="x"), (9, 1, "unknown-field", "unknown field 'titel'; did you mean 'title'?")),
        (policy(where="it == 'x'"), (9, 8, "at", "where looks at items, and no path of at has a *")),
        (policy(at="kind and more"), (8, 1, "ascii", "'kind and more' has U+0020 (SPACE) at character 5")),
        (
            POLICY.split("cases:", 1)[0].replace("REQUIRE", "true"),
            (1, 1, "policy-cases", "no case that the rule lets pass"),
        ),
        (GOOD.replace("expect: pass", "expect: fail"), (9, 1, "policy-cases", "no case that the rule lets pass")),
        (GOOD.replace("expect: fail", "expect: pass"), (9, 1, "policy-cases", "no case that the rule refuses")),
        ("a: [", (2, 1, "yaml", "did not find expected node content")),
    ],
)
def test_what_is_wrong_with_the_form(text, fault):
    found = faults(text)
    assert any(entry[:3] == fault[:3] and entry[3].startswith(fault[3]) for entry in found), found


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("production-accounts: [a]", (1, 1, "list-name", "'production-accounts' is no name that a rule can say")),
        ("productionAccounts: a", (1, 21, "type", "expected a list, not 'a'")),
        ("productionAccounts: [a, a]", (1, 25, "repeated", "'a' stands twice")),
        (
            "blackoutWindows: [{start: now, end: 2026-01-01T00:00:00Z, why: x}]",
            (1, 27, "instant", "'now' is not an instant"),
        ),
        (
            "blackoutWindows: [{start: 2026-01-02T00:00:00Z, end: 2026-01-01T00:00:00Z, why: x}]",
            (1, 54, "window", "ends before it starts"),
        ),
        (
            "exceptions: [{policy: rul, request: a, until: 2026-01-01T00:00:00Z, why: x}]",
            (1, 23, "policy-data", "there is no policy 'rul'; did you mean 'rule'?"),
        ),
        ("exceptions: [{policy: rule, request: a, why: x}]", (1, 14, "missing", "'until' is missing")),
        ("a: 1\na: 2", (2, 1, "duplicate-key", "'a' is given twice")),
    ],
)
def test_what_is_wrong_with_the_data(data, fault):
    found = load(GOOD, data=data).findings
    assert {entry.path for entry in found} == {"policies/data.yaml"}
    assert any(
        (entry.line, entry.column, entry.rule) == fault[:3] and entry.message.startswith(fault[3]) for entry in found
    ), found


def test_broken_data_does_not_accuse_the_rules_that_use_it():
    found = load(policy("data.teams.includes('x')"), data="teams: [a]\nblackoutWindows: 1\n").findings
    assert [entry.path for entry in found] == ["policies/data.yaml"]


def test_no_policy_is_a_finding():
    for files in ([], [("policies/data.yaml", b"a: [b]")], [("policies/README.md", b"# rules")]):
        assert [found.rule for found in bundle.load(files).findings] == ["policy-file"]


def test_a_file_that_nobody_reads_is_a_finding():
    (found,) = bundle.load([(PATH, GOOD.encode()), ("policies/other.yml", b"")]).findings
    assert (found.path, found.rule) == ("policies/other.yml", "policy-file")


def test_an_id_is_given_once():
    (found,) = bundle.load([(PATH, GOOD.encode()), ("policies/z/rule.yaml", GOOD.encode())]).findings
    assert (found.path, found.line, found.message) == ("policies/z/rule.yaml", 2, f"'rule' is also the id of {PATH}")


def test_a_bundle_with_a_mistake_judges_nothing():
    loaded = load(policy("request.nam == 'x'"))
    with pytest.raises(UnsafeError, match="1 mistakes in the policies") as raised:
        loaded.judge(request(), now=NOW)
    assert "policies/rule.yaml:6" in raised.value.hint


def test_the_digest_is_of_what_decides():
    digest = load(GOOD).digest
    assert digest == load("# a comment\n" + GOOD.replace("it: passes", "it: lets it pass")).digest
    assert digest != load(GOOD.replace("!= ''", "!= 'a'")).digest
    assert digest != load(GOOD.replace("severity: error", "severity: warning")).digest
    assert digest != load(GOOD, data="productionAccounts: [a]").digest


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("request.schdule()'\"[]{}&|!=<>?: \n0123456789*", max_size=60))
def test_whatever_stands_in_an_expression_is_a_rule_or_a_finding(text):
    compiled = ENGINE.compile(text)
    lines = text.split("\n")
    if isinstance(compiled, list):
        assert compiled
        for fault in compiled:
            assert 1 <= fault.line <= len(lines)
            assert 1 <= fault.column <= len(lines[fault.line - 1]) + 2
    else:
        assert isinstance(ENGINE.situation({"now": NOW}).judge(compiled), bool | Failed | Absent)


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("{}%# request.name'\"|()[]\n0123456789if", max_size=60))
def test_whatever_stands_in_a_message_is_a_message_or_a_finding(text):
    if not message_faults(text, VARIABLES, {"data": (), "it": None}):
        assert len(Message(text).render({"request": {"name": "x"}})) <= 500


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 400), st.integers(0, 40))
def test_whatever_stands_in_a_file_is_a_policy_or_a_finding(noise, place, length):
    text = GOOD.encode()
    bundle.load([(PATH, text[:place] + noise + text[place + length :]), ("policies/data.yaml", noise)])


def test_a_policy_may_begin_with_a_byte_order_mark():
    text = "\ufeff" + policy("|\n  request.nam == 'x'")
    assert [fault[:2] for fault in faults(text)] == [(7, 11)]
