"""Every report of one fixed set of findings, plan, policies and run: read as a diff, written anew with --bless."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pmgitops import __version__
from pmgitops.flows.apply import Applied
from pmgitops.ledger.standing import standing
from pmgitops.policy import bundle, cases
from pmgitops.reconcile import Result
from pmgitops.report import findings, outcomes, plans, rules
from pmgitops.tickets.outbox import Undelivered
from tests.plan.histories import events
from tests.report.fixed import FINDINGS, GOLDEN, PLAN
from tests.world import POLICY

SUFFIX = {"text": "txt", "json": "json", "github": "txt", "sarif": "sarif", "junit": "xml", "markdown": "md"}


def held(golden: Any, name: str, form: str, text: str) -> None:
    golden(GOLDEN / f"{name}-{form}.{SUFFIX[form]}", text.replace(__version__, "VERSION").rstrip("\n") + "\n")


@pytest.mark.parametrize("form", findings.FORMATS)
def test_findings(golden: Any, form: str) -> None:
    held(golden, "check", form, findings.FORMATS[form](7, FINDINGS))


@pytest.mark.parametrize("form", findings.FORMATS)
def test_no_findings(golden: Any, form: str) -> None:
    held(golden, "check-clean", form, findings.FORMATS[form](1, ()))


@pytest.mark.parametrize("form", plans.FORMATS)
def test_plan(golden: Any, form: str) -> None:
    held(golden, "plan", form, plans.FORMATS[form](PLAN))


BUNDLE = bundle.load(
    [
        ("policies/short-lived.yaml", POLICY.encode()),
        ("policies/wrong-case.yaml", POLICY.replace("short-lived", "wrong-case").replace("PT9H", "PT7H").encode()),
        (
            "policies/misspelt.yaml",
            POLICY.replace("short-lived", "misspelt").replace("request.sch", "request.shc").encode(),
        ),
    ]
)


@pytest.mark.parametrize("form", rules.LISTS)
def test_policy_list(golden: Any, form: str) -> None:
    held(golden, "policy-list", form, rules.LISTS[form](BUNDLE))


@pytest.mark.parametrize("form", rules.TESTS)
def test_policy_test(golden: Any, form: str) -> None:
    held(golden, "policy-test", form, rules.TESTS[form](BUNDLE, cases.run(BUNDLE)))


APPLIED = Applied(
    "c" * 40,
    PLAN.digest,
    (
        Result("anna", "create", "submitted", "applied", "6d5dc349"),
        Result("maria", "cancel", "canceled", "applied", "77aa0a11"),
        Result("omar", "follow", "active", "followed", "1f2e3d4c", "approved/granted"),
        Result("ben", "create", "unknown", "failed", "", "graph.microsoft.com/beta did not answer in time"),
        Result("cleo", "create", "deferred", "deferred", "", "nobody has approved it yet", frozenset({"approved"})),
        Result("zoe", "create", "refused", "refused", "", "asks for 9 hours\nand more", frozenset({"short-lived"})),
    ),
    FINDINGS[:1],
    (Undelivered("omar", "INC1234567", "example.service-now.com cannot be reached"),),
)


@pytest.mark.parametrize("form", ["text", "json"])
def test_apply(golden: Any, form: str) -> None:
    report = {"text": outcomes.applied_text, "json": outcomes.applied_json}[form]
    held(golden, "apply", form, report(APPLIED))


def test_apply_with_nothing_to_do() -> None:
    assert outcomes.applied_text(Applied("c" * 40, "0" * 12, ())) == "nothing to do"


STANDINGS = [
    stands
    for name, history in {
        "anna": "linked submitted active",
        "ben": "intended unknown",
        "cleo": "refused",
        "dora-with-a-long-name": "intended submitted completed",
        "eve": "intended failed",
    }.items()
    if (stands := standing(name, events(history.split())))
]


@pytest.mark.parametrize("form", ["text", "json"])
def test_status(golden: Any, form: str) -> None:
    report = {"text": outcomes.status_text, "json": outcomes.status_json}[form]
    held(golden, "status", form, report(STANDINGS))


def test_the_fixed_set_is_judged_at_no_particular_time() -> None:
    assert datetime.now(UTC).isoformat()[:10] not in "".join(path.read_text("utf-8") for path in GOLDEN.iterdir())
