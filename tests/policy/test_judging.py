"""Judging a request: anything but a plain yes denies, what is not known yet waits, and exceptions end."""

from datetime import timedelta

import pytest
from made import at, judge, load, policy, request

from pmgitops.model.change import Change
from pmgitops.model.ticket import TicketRecord
from pmgitops.policy.engine import Absent, Failed
from pmgitops.policy.examples import NOW
from pmgitops.policy.facts import ChangeFacts, TicketFacts, ticket_facts
from pmgitops.policy.message import clean

APPROVED = TicketFacts(found=True, number="CHG1", approval="approved", active=True)
AWAITED = "The rule: cannot be judged before the ticket is read"


def told(found):
    return [(finding.severity, finding.message) for finding in found]


def test_a_request_that_keeps_the_rule_is_not_spoken_of():
    assert judge(policy("request.name == 'a-request'")) == []
    assert told(judge(policy("request.name == 'another'"))) == [("error", "is not so")]


def test_a_rule_is_silent_on_what_it_does_not_apply_to():
    text = policy("request.name == 'another'", applies="request.provider == 'azure'")
    assert judge(text) == []
    assert told(judge(text, request("azure-roles"))) == [("error", "is not so")]


def test_a_finding_carries_the_rules_name_and_points_into_the_request():
    (found,) = judge(policy("request.name == ''", at="scheduleInfo.expiration.duration", severity="warning"))
    assert (found.path, found.rule, found.severity) == ("requests/a-request.yaml", "rule", "warning")
    assert (found.line, found.column) == (9, 15)


# --- anything but true denies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("require", "why"),
    [
        ("1 / size(request.roles) == 1", "divide by zero"),
        ("request.policies[7] == 'x'", "Index error: index=7 size=1"),
        ("request.name.matches('(')", "invalid regular expression: missing ): ("),
        ("request.schedule.duration < duration('8x')", "String to Duration conversion failed"),
        ("dyn(request).nothing == 1", "no_such_field : nothing"),
        ("{'a': true}[request.name]", "Key not found"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_denies(require, why):
    ((severity, message),) = told(judge(policy(f'"{require}"', severity="warning")))
    assert severity == "error", "whatever the rule's own severity is"
    assert message.startswith("The rule: cannot be judged, and what cannot be judged is refused: ")
    assert why in message


def test_an_answer_that_is_neither_yes_nor_no_denies():
    """The checker lets no such rule in; should one come through, it does not pass for a yes."""
    engine = load(policy()).engine
    situation = engine.situation({"now": NOW})
    assert situation.judge(engine.environment.compile("'true'")) == Failed(
        "answers with string, not with true or false"
    )
    assert [fault.message for fault in engine.compile("dyn(true)")] == ["answers with dyn, not with true or false"]


def test_applies_denies_as_well():
    text = policy("true", applies="1 / size(request.roles) == 1")
    assert [severity for severity, _ in told(judge(text))] == ["error"]


# --- what is not known yet --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "require",
    [
        "ticket.approval == 'approved'",
        "request.name == 'another' || ticket.approval == 'approved'",
        "request.name == 'a-request' && ticket.approval == 'approved'",
        "request.policies.exists(policy, ticket.number == policy || ticket.active)",
        "data.productionAccounts.includes(ticket.number) || ticket.found",
        "ticket.shortDescription.words() < 9",
        "has(ticket.approval)",
        "ticket.approval == 'approved' || 1 / size(request.roles) == 1",
    ],
)
def test_a_rule_that_needs_the_ticket_waits_for_it(require):
    text = policy(require)
    assert told(judge(text)) == [("approval", AWAITED)]
    assert judge(text, ticket=APPROVED) == []


@pytest.mark.parametrize(
    "require",
    ["request.name == 'a-request' || ticket.approval == 'approved'", "size(request.policies) == 1 || ticket.active"],
)
def test_a_rule_that_is_decided_without_the_ticket_does_not_wait(require):
    assert judge(policy(require)) == []


def test_a_refusal_that_no_ticket_can_change_does_not_wait():
    assert told(judge(policy("request.name == 'another' && ticket.active"))) == [("error", "is not so")]


def test_applies_waits_as_well():
    assert told(judge(policy("request.name == 'another'", applies="ticket.found"))) == [("approval", AWAITED)]


def test_a_warning_that_waits_holds_nothing_back():
    assert told(judge(policy("ticket.active", severity="warning"))) == [("warning", AWAITED)]


@pytest.mark.parametrize(
    "require",
    [
        "1 / size(request.roles) == 1 && ticket.active",
        "1 / size(request.roles) == 1 || ticket.active",
        "request.policies.exists(ticket, ticket == 'x') || request.policies[7] == ''",
    ],
)
def test_what_went_wrong_is_not_mistaken_for_what_is_missing(require):
    assert [severity for severity, _ in told(judge(policy(require)))] == ["error"]


def test_a_known_ticket_that_does_not_decide_is_an_error_not_a_wait():
    text = policy("|\n  ticket.approval == 'approved' ? 1 / size(request.roles) == 1 : false")
    assert told(judge(text)) == [("approval", AWAITED)]
    assert [severity for severity, _ in told(judge(text, ticket=APPROVED))] == ["error"]


def test_the_request_cannot_speak_for_the_engine():
    """An engine's own words inside a justification are data, and do not turn a refusal into a wait."""
    words = 'UNKNOWN: No value with name "ticket" found in Activation'
    text = policy("timestamp(request.justification) < now")
    ((severity, message),) = told(judge(text, request(justification=words)))
    assert severity == "error"
    assert "ticket is read" not in message


def test_the_change_may_be_unknown_too():
    text = policy("change.action != 'cancel'")
    assert told(judge(text)) == [("approval", "The rule: cannot be judged before the change is known")]
    assert judge(text, change=Change("create", "a-request", "azure-pim", "new file")) == []
    assert told(judge(text, change=ChangeFacts(action="cancel"))) == [("error", "is not so")]


def test_a_ticket_record_becomes_facts():
    record = TicketRecord(
        "https://t", "incident", "0" * 32, "INC1", "2", "In Progress", True, "not requested", "Broken"
    )
    facts = ticket_facts(record)
    assert (facts.found, facts.class_, facts.state_label, facts.active) == (True, "incident", "In Progress", True)
    assert judge(policy("ticket.class == 'incident' && ticket.state == '2'"), ticket=record) == []
    assert ticket_facts(None) == TicketFacts(found=False)


def test_the_engine_tells_absence_from_failure():
    engine = load(policy()).engine
    situation = engine.situation({"now": NOW})
    assert situation.judge(engine.compile("ticket.active")) == Absent("ticket")
    assert situation.judge(engine.compile("request.name == ''")) == Failed(
        'No value with name "request" found in Activation'
    ), "a request is never awaited: without one, something is wrong"


# --- exceptions -------------------------------------------------------------------------------------------------------

UNTIL = at("2026-02-01T00:00:00Z")
EXCEPTED = """\
exceptions:
  - {policy: rule, request: a-request, until: 2026-02-01T00:00:00Z, why: the auditors agreed}
"""


def test_a_live_exception_turns_a_refusal_into_a_warning():
    (found,) = judge(policy("request.name == ''"), data=EXCEPTED, now=UNTIL - timedelta(microseconds=1))
    assert found.severity == "warning"
    assert found.message == "is not so (excepted until 2026-02-01T00:00:00Z: the auditors agreed)"


def test_an_ended_exception_is_named_and_helps_nobody():
    (found,) = judge(policy("request.name == ''"), data=EXCEPTED, now=UNTIL)
    assert found.severity == "error"
    assert found.message == "is not so (the exception ended 2026-02-01T00:00:00Z)"


def test_an_exception_is_for_one_request_and_one_rule():
    (found,) = judge(policy("request.name == ''"), request(name="another-one"), data=EXCEPTED)
    assert (found.severity, found.message) == ("error", "is not so")


def test_the_last_of_several_exceptions_counts():
    data = EXCEPTED + "  - {policy: rule, request: a-request, until: 2026-03-01T00:00:00Z, why: they agreed again}\n"
    (found,) = judge(policy("request.name == ''"), data=data, now=UNTIL)
    assert (found.severity, "they agreed again" in found.message) == ("warning", True)


def test_an_exception_covers_what_waits():
    (found,) = judge(policy("ticket.active"), data=EXCEPTED)
    assert (found.severity, found.message.startswith(AWAITED)) == ("warning", True)


# --- where findings point ---------------------------------------------------------------------------------------------

STATEMENTS = [
    {"statementId": "a", "effect": "allow", "actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::b/*"]},
    {"statementId": "b", "effect": "allow", "actions": ["s3:Put*"], "resources": ["arn:aws:s3:::b/*"]},
    {"statementId": "c", "effect": "allow", "actions": ["s3:Del*"], "resources": ["arn:aws:s3:::b/*"]},
]
STARRED = {
    "at": "[actions.*, statements.*.actions]",
    "where": "\"type(it) == string || it.actions.exists(action, action.contains('*'))\"",
    "message": '"{{ it if it is string else it.statementId }} has a star"',
}


def test_each_item_to_blame_gets_a_finding_at_its_own_line():
    file = request("aws-actions", statements=STATEMENTS)
    found = judge(policy("request.name == ''", **STARRED), file)
    assert [(entry.message, entry.line) for entry in found] == [
        ("b has a star", file.at(("statements", 1, "actions")).line),
        ("c has a star", file.at(("statements", 2, "actions")).line),
    ]
    assert len({entry.line for entry in found}) == 2


def test_the_first_place_that_is_there_counts():
    text = policy("request.name == ''", at="[resourceId, policies, kind]")
    for kind, place in (("aws-policies", "policies"), ("aws-actions", "kind"), ("gcp-roles", "resourceId")):
        file = request(kind)
        (found,) = judge(text, file)
        assert (found.line, found.column) == tuple(file.at((place,)))


def test_what_is_not_there_is_pointed_at_where_it_would_be():
    file = request()
    (found,) = judge(policy("request.name == ''", at="scheduleInfo.recurrence.range"), file)
    assert (found.line, found.column) == tuple(file.at(("scheduleInfo",), key=True))


def test_where_that_blames_nobody_still_leaves_a_finding():
    text = policy("request.name == ''", at="policies.*", where="it == 'nothing of the kind'")
    assert told(judge(text)) == [("error", "is not so")]


# --- messages ---------------------------------------------------------------------------------------------------------


def says(message, **changes):
    (found,) = judge(policy("request.name == ''", message=f'"{message}"'), request(**changes))
    return found.message


def test_a_message_speaks_of_facts_as_people_write_them():
    said = says("{{ request.schedule.duration }}, {{ now }}, {{ request.policies }}, {{ request.ticket.declared }}")
    policies = "arn:aws:iam::956987887735:policy/ReadCertificates"
    assert said == f"1h, 2026-01-15T09:00:00Z, {policies}, true"


def test_a_template_inside_a_request_stays_text():
    hostile = "{{ 7 * 7 }} {% for x in range(9) %}x{% endfor %} {{ request.__class__ }}"
    assert says("says {{ request.justification }}", justification=hostile) == f"says {hostile}"


def test_a_request_writes_one_line():
    said = says("says {{ request.notes }} here", notes="one\n::error::two\n\n\tthree")
    assert said == "says one ::error::two three here"


def test_what_steers_a_terminal_does_not_reach_it():
    """The loader lets no such character in; a ticket or a catalog might bring one."""
    assert clean("a\x1b[31mb\u202ec\u200bd\u2028e\x00f\ufeffg") == "a [31mb c d e f g"


def test_a_message_is_bounded():
    said = says("says {{ request.notes }}", notes="x" * 4000)
    assert len(said) == 500
    assert said.endswith("x...")


def test_a_message_that_cannot_be_written_loses_no_finding():
    assert says("about {{ ticket.number }}") == "(its message cannot be written: 'ticket' is undefined)"
    assert says("about {{ 1 // request.roles | length }}").startswith("(its message cannot be written: ")


@pytest.mark.parametrize(
    "escape", ["request.name.__class__.__mro__", "request.name.format.__globals__", "request['__class__']"]
)
def test_a_message_cannot_leave_its_sandbox(escape):
    assert "cannot be written" in says("{{ " + escape + " }}")
