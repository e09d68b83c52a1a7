"""What has to be done about a request: where it stands x what became of its file."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pmgitops.load import RequestFile, load
from pmgitops.model.finding import Finding
from pmgitops.plan import Desired, Held, Undeliverable, make
from tests.plan.histories import NAME, stands
from tests.world import REQUEST

# `!`: something at the target is canceled or revoked, and counts towards limits.maxCancellations.
# `?`: not settled. `-`: nothing at all. `reused`: the finding that names are never reused.
TABLE = """
history                                          | absent  | same    | new
                                                 | -       | create  | create
refused                                          | cancel  | create  | create
deferred                                         | cancel  | create  | create
refused withdrawn                                | -       | create  | create
intended                                         | cancel! | none    | replace!
intended claimed                                 | cancel! | none    | replace!
intended unknown                                 | cancel! | none    | replace!
intended unknown claimed failed                  | cancel  | create  | create
intended failed                                  | cancel  | create  | create
intended failed withdrawn                        | -       | create  | create
intended submitted                               | cancel! | none    | replace!
intended unknown claimed adopted                 | cancel! | none    | replace!
intended submitted approved                      | cancel! | none    | replace!
intended submitted active                        | cancel! | none    | replace!
intended submitted granting-failed               | cancel! | none    | replace!
intended submitted active completed              | -       | none    | reused
intended submitted rejected                      | -       | none    | reused
intended submitted canceled                      | -       | none    | reused
intended submitted active removing               | cancel  | cancel  | cancel
intended submitted active removing cancel-failed | cancel  | cancel  | cancel
intended submitted active removing cancel-sent   | none    | reused  | reused
intended submitted removing cancel-sent canceled | -       | reused  | reused
intended submitted active replacing cancel-sent revoking          | none    | replace | replace
intended submitted active replacing cancel-sent revoking canceled | cancel  | create  | create
intended submitted replacing cancel-sent canceled withdrawn       | -       | create  | create
imported                                         | cancel! | none    | replace!
imported active completed                        | -       | none    | reused
imported active replacing cancel-sent canceled   | cancel  | create  | create
"""


@dataclass(frozen=True)
class Row:
    history: str
    file: str
    expected: str


def rows() -> list[Row]:
    lines = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
    (_, *files), *body = lines
    table = [Row(history, file, cell) for history, *cells in body for file, cell in zip(files, cells, strict=True)]
    return table + [Row(history, "broken", "held") for history, *_ in body]


def wanted(*, name: str = NAME, text: str = REQUEST) -> RequestFile:
    file = load(f"requests/team/{name}.yaml", text.encode())
    assert isinstance(file, RequestFile), file
    return file


FINDING = Finding(f"requests/team/{NAME}.yaml", 3, 1, "arn", "is not an ARN")


def decided(history: str, file: str) -> str:
    here = wanted()
    desired: dict[str, Desired] = {
        "absent": {NAME: None},
        "same": {NAME: here},
        "new": {NAME: here},
        "broken": {NAME: Held(NAME, here.path, (FINDING,))},
    }[file]
    standing = stands(history, here.request.revision) if file == "same" else stands(history)
    known = {NAME: standing} if standing else {}
    changes, held = make([NAME], desired, known, lambda _: ("permissions-management", {"body": 1}))
    assert len(changes) + len(held) <= 1
    if held:
        rules = {finding.rule for finding in held[0].findings}
        return "held" if rules == {"arn"} else "reused" if rules == {"name-reused"} else str(rules)
    return f"{changes[0].action}{'!' if changes[0].ends_access else ''}" if changes else "-"


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.history or 'nothing'}, {row.file}")
def test_table(row: Row) -> None:
    assert decided(row.history, row.file) == row.expected


@pytest.mark.parametrize(
    ("history", "verb"), [("intended submitted", "canceled"), ("intended submitted active", "revoked")]
)
def test_it_says_whether_access_is_canceled_or_revoked(history: str, verb: str) -> None:
    known = {NAME: stands(history)}
    (cancel,), _ = make([NAME], {NAME: None}, known, lambda _: "")
    (replace,), _ = make([NAME], {NAME: wanted()}, known, lambda _: ("permissions-management", {}))
    assert verb in cancel.why
    assert verb in replace.why


def test_a_create_carries_what_it_is_made_of() -> None:
    here = wanted()
    (create,), held = make([NAME], {NAME: here}, {}, lambda _: ("permissions-management", {"body": 1}))
    assert held == ()
    assert (create.name, create.target, create.payload) == (NAME, "permissions-management", {"body": 1})
    assert (create.revision, create.path) == (here.request.revision, here.path)


def test_what_no_target_takes_is_held_at_its_kind() -> None:
    changes, (held,) = make([NAME], {NAME: wanted()}, {}, lambda _: Undeliverable("route", "no route takes it"))
    assert changes == ()
    assert [(found.rule, found.line, found.message) for found in held.findings] == [("route", 2, "no route takes it")]


def test_ending_access_asks_no_target_whether_it_renders() -> None:
    (cancel,), held = make([NAME], {NAME: None}, {NAME: stands("intended submitted")}, lambda _: "retired")
    assert (cancel.action, held) == ("cancel", ())


def test_changes_stand_in_the_order_of_their_names() -> None:
    files = {name: wanted(name=name) for name in ("zoe", "alex", "maria")}
    changes, _ = make(files, files, {}, lambda _: ("permissions-management", {}))
    assert [change.name for change in changes] == ["alex", "maria", "zoe"]
