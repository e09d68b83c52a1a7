"""The digest of a plan: what was approved is what is applied, to the byte, and nothing else moves it."""

from __future__ import annotations

from dataclasses import replace
from json import dumps

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmgitops.errors import UnsafeError
from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.plan import Plan, make
from tests.plan.test_table import REQUEST, wanted

PAYLOAD = {"justification": "because", "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT1H"}}}
CREATE = Change("create", "alex-groups", "permissions-management", "new file", "r" * 64, "requests/a.yaml", PAYLOAD)
CANCEL = Change("cancel", "maria-roles", "permissions-management", "file gone, active: revoked", ends_access=True)
PLAN = Plan((CREATE, CANCEL), (), "policies", {"alex-groups": "ticket"})

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def test_it_is_short_enough_to_be_said_aloud() -> None:
    assert len(PLAN.digest) == 12
    assert set(PLAN.digest) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, changes=(replace(CREATE, payload={**PAYLOAD, "justification": "because "}), CANCEL)),
        replace(PLAN, changes=(replace(CREATE, payload={**PAYLOAD, "notes": ""}), CANCEL)),
        replace(PLAN, changes=(replace(CREATE, name="alex-group"), CANCEL)),
        replace(PLAN, changes=(replace(CREATE, target="azure-pim"), CANCEL)),
        replace(PLAN, changes=(replace(CREATE, action="replace"), CANCEL)),
        replace(PLAN, changes=(replace(CREATE, why="failed before, judged again"), CANCEL)),
        replace(PLAN, changes=(CREATE,)),
        replace(PLAN, changes=()),
        replace(PLAN, policies="other"),
        replace(PLAN, tickets={"alex-groups": "other"}),
        replace(PLAN, tickets={}),
    ],
    ids=range(11),
)
def test_whatever_was_approved_moves_it(other: Plan) -> None:
    assert other.digest != PLAN.digest


@settings(deadline=None)
@given(one=bodies, other=bodies)
def test_every_payload_has_its_own(one: object, other: object) -> None:
    digests = [Plan((replace(CREATE, payload={"a": payload}),)).digest for payload in (one, other)]
    assert (digests[0] == digests[1]) is (dumps(one, sort_keys=True) == dumps(other, sort_keys=True))


@settings(deadline=None)
@given(st.permutations(["alex", "maria", "zoe", "zora"]))
def test_the_order_of_files_does_not_move_it(names: list[str]) -> None:
    files = {name: wanted(name=name) for name in names}
    changes, _ = make(names, files, {}, lambda request: ("permissions-management", {"id": request.revision}))
    assert Plan(changes).digest == Plan(tuple(sorted(changes, key=lambda change: change.name))).digest == FOUR


FOUR = Plan(
    tuple(
        Change("create", name, "permissions-management", "new file", payload={"id": wanted(name=name).request.revision})
        for name in ("alex", "maria", "zoe", "zora")
    )
).digest


def test_neither_moving_nor_commenting_a_file_moves_it() -> None:
    def digest(path: str, text: str) -> str:
        file = wanted(text=text)
        file = replace(file, path=path)
        changes, _ = make([file.name], {file.name: file}, {}, lambda request: ("t", request.model_dump(mode="json")))
        return Plan(changes).digest

    assert digest("requests/a.yaml", REQUEST) == digest("requests/b/a.yaml", "# said otherwise\n" + REQUEST)
    assert digest("requests/a.yaml", REQUEST) != digest("requests/a.yaml", REQUEST.replace("PT1H", "PT2H"))


def test_what_is_only_shown_does_not_move_it() -> None:
    unchanged = Change("none", "zoe", "permissions-management", "active, unchanged")
    assert replace(PLAN, changes=(*PLAN.changes, unchanged)).digest == PLAN.digest
    assert replace(PLAN, findings=(Finding("a", 1, 1, "r", "m"),)).digest == PLAN.digest


def test_any_plan_passes_where_none_was_named_and_the_same_where_it_was() -> None:
    PLAN.refuse_if_other(None)
    PLAN.refuse_if_other(PLAN.digest)


@pytest.mark.parametrize("digest", ["", "0" * 12, PLAN.digest.upper(), PLAN.digest[:11], PLAN.digest + "0"])
def test_another_plan_is_refused(digest: str) -> None:
    with pytest.raises(UnsafeError, match="not " + digest) as refused:
        PLAN.refuse_if_other(digest)
    assert (refused.value.exit_code, refused.value.guard) == (4, "other-plan")
    assert refused.value.hint


@pytest.mark.parametrize(("ending", "limit", "passes"), [(0, 0, True), (1, 0, False), (2, 2, True), (3, 2, False)])
def test_the_limit_on_cancellations(ending, limit, passes) -> None:
    changes = [replace(CANCEL, name=f"a-{number}") for number in range(ending)]
    plan = Plan((CREATE, *changes, replace(CANCEL, ends_access=False)))
    if passes:
        plan.refuse_if_it_ends_too_much(limit)
        return
    with pytest.raises(UnsafeError, match=f"{ending} requests .*maxCancellations is {limit}") as refused:
        plan.refuse_if_it_ends_too_much(limit)
    assert (refused.value.exit_code, refused.value.guard) == (4, "mass-cancel")


def test_what_does_nothing_is_not_effective() -> None:
    unchanged = Change("none", "zoe", "permissions-management", "active, unchanged")
    assert Plan((CREATE, unchanged, CANCEL)).effective == (CREATE, CANCEL)
