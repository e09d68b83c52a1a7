"""The comment on a pull request: the verdict at a glance, and room for everything that matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.plan import Plan
from pmgitops.report import plans
from tests.report.fixed import FINDINGS, PAYLOAD, PLAN

ERROR, APPROVAL, WARNING = FINDINGS[0], FINDINGS[2], FINDINGS[3]
UNCHANGED = replace(PLAN, changes=(PLAN.changes[3],), findings=())


def heading(plan: Plan) -> str:
    marker, title, *_ = plans.markdown(plan).splitlines()
    assert marker == plans.MARKER
    return title


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (replace(PLAN, findings=(ERROR, APPROVAL, WARNING)), "### :no_entry: Not yet: 1 error to mend"),
        (replace(PLAN, findings=FINDINGS), "### :no_entry: Not yet: 2 errors to mend"),
        (replace(UNCHANGED, findings=(ERROR,)), "### :no_entry: Not yet: 1 error to mend"),
        (replace(PLAN, findings=(APPROVAL,)), "### :hourglass: May be merged; some of it then awaits approval"),
        (replace(PLAN, findings=(WARNING,)), "### :white_check_mark: May be merged"),
        (replace(PLAN, findings=()), "### :white_check_mark: May be merged"),
        (UNCHANGED, "### :white_check_mark: Merging changes no access"),
        (Plan(()), "### :white_check_mark: Merging changes no access"),
    ],
)
def test_the_verdict_comes_first(plan: Plan, said: str) -> None:
    assert heading(plan) == said


def test_it_counts_what_merging_does() -> None:
    assert "**Merging will create 3, cancel 1.**" in plans.markdown(PLAN)
    assert "Merging will" not in plans.markdown(UNCHANGED)


def test_it_ends_with_the_digest_to_approve() -> None:
    assert f"<code>{PLAN.digest}</code>" in plans.markdown(PLAN).splitlines()[-1]


def test_what_is_held_is_marked() -> None:
    held = [line for line in plans.markdown(PLAN).splitlines() if "held: see above" in line]
    assert [name for name in ("anna", "ben", "zoe") if any(f"<code>{name}</code>" in line for line in held)] == [
        "anna",
        "ben",
    ]


def many(number: int, payload: dict[str, object] | None = None) -> tuple[Change, ...]:
    return tuple(
        Change(
            "create", f"request-{place:04}", "permissions-management", "new file", "r", f"{place}", payload or PAYLOAD
        )
        for place in range(number)
    )


@pytest.mark.parametrize("number", [50, 300, 500, 5000])
def test_it_fits_with_any_number_of_requests(number: int) -> None:
    page = plans.markdown(Plan(many(number)))
    assert len(page) < 65_536
    assert page.startswith(plans.MARKER)
    assert f"create {number}." in page
    assert page.count("<details>") == page.count("</details>") == page.count("```json")
    assert Plan(many(number)).digest in page.splitlines()[-1]
    if number >= 300:
        assert "bodies do not fit" in page
    assert ("more changes do not fit" in page) is (number == 5000)


def test_it_fits_with_any_number_of_findings() -> None:
    found = tuple(Finding("requests/a.yaml", line, 1, "arn", "@" * 200) for line in range(1, 2000))
    page = plans.markdown(Plan(many(500), found))
    assert len(page) < 65_536
    assert "more findings do not fit" in page
    assert "request-0000" in page
    assert heading(Plan(many(500), found)) == "### :no_entry: Not yet: 1999 errors to mend"


def test_one_body_that_is_too_large_does_not_hide_the_changes() -> None:
    page = plans.markdown(Plan(many(3, {"notes": "x" * 70_000})))
    assert len(page) < 65_536
    assert all(f"request-000{place}" in page for place in range(3))
    assert "3 bodies do not fit" in page
