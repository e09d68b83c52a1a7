"""A plan of three requests (create, cancel, replace), ended at every boundary of input and output: all histories end in
the same state. And the same plan with every kind of fault at every exchange.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.lab import LEASE, PUSH_DEEDS, THOROUGH, Lab, laboratory
from tests.faults.proxy import FAULTS, KILLS, Exchange, Proxy, Script
from tests.world import ENVIRONMENT

PUSHES = 14
"""As many as the clean run makes; `test_the_clean_history` says so."""
EXCHANGES = 41
KINDS = {
    1: "read",
    2: "ticket-read",
    5: "ticket-read",
    7: "send",
    8: "cancel",
    10: "read",
    14: "send",
    15: "ticket-read",
    18: "file",
    19: "note",
    20: "ticket-read",
    30: "file",
    40: "note",
}
"""What some of them are: the first of each kind, and those of the successor."""
STRUCK = [
    (number, deed)
    for number in range(1, EXCHANGES + 1)
    for place, deed in enumerate(FAULTS)
    if THOROUGH or number in (7, 8, 18, 19) or (number in KINDS and (number + place) % 4 == 0)
]
"""Every fault at every exchange where there is time; otherwise at each kind of write, and a few at the others."""
PUSHED = [
    (number, deed)
    for number in range(1, PUSHES + 1)
    for deed in PUSH_DEEDS
    if THOROUGH or deed.startswith("kill") or number in (1, 3, 5)
]


class Template(NamedTuple):
    """A world whose plan is made and not yet carried out, and where a clean run leads."""

    folder: Path
    pushes: int
    exchanges: list[Exchange]
    final: dict[str, Any]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy) -> Template:
    """What every history begins with: one request to create, one to cancel that is active, one to replace."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        return prepared(folder, proxy)


def prepared(folder: Path, proxy: Proxy) -> Template:
    with laboratory(folder / "before", proxy) as lab:
        lab.configure(
            f"ledger: {{lease: {LEASE}s}}\nlimits: {{parallel: 1}}\n", gate="required, parallel: 1"
        )  # one after another: every boundary has its number
        lab.request("gone", policy="Gone")
        lab.push("one that will go")
        assert lab.apply().code == 0
        lab.approve()
        lab.pass_time(60)
        lab.request("other", policy="Other")
        lab.push("one that will change")
        assert lab.apply().code == 0
        lab.request("fresh", policy="Fresh")
        lab.request("other", policy="Other", duration="PT2H")
        (lab.clone / "requests/team/gone.yaml").unlink()
        lab.push("create, cancel, replace")
    with laboratory(folder / "clean", proxy, folder / "before") as lab:
        assert lab.apply().code == 0
        pushes, exchanges = lab.pushes, lab.exchanges
        lab.settle()
        lab.holds()
        return Template(folder / "before", pushes, exchanges, lab.final())


@pytest.fixture
def lab(tmp_path: Path, proxy: Proxy, template: Template) -> Iterator[Lab]:
    with laboratory(tmp_path / "lab", proxy, template.folder) as lab:
        yield lab


def at(number: int, deed: str) -> Script:
    return lambda exchange: deed if exchange.number == number else ""


def ends_alike(lab: Lab, template: Template) -> None:
    lab.settle()
    lab.holds()
    assert lab.final() == template.final, "\n".join(lab.journal)


def test_the_clean_history(template: Template) -> None:
    assert (template.pushes, len(template.exchanges)) == (PUSHES, EXCHANGES)
    assert {number: template.exchanges[number - 1].kind for number in KINDS} == KINDS


@pytest.mark.parametrize(("number", "deed"), PUSHED)
def test_ended_at_a_push(lab: Lab, template: Template, number: int, deed: str) -> None:
    ran = lab.apply(pushes={number: deed})
    assert ran.code == (-9 if deed.startswith("kill") else 6 if deed == "declined" else 0), ran
    ends_alike(lab, template)


@pytest.mark.parametrize("deed", KILLS)
@pytest.mark.parametrize("number", range(1, EXCHANGES + 1))
def test_killed_at_an_exchange(lab: Lab, template: Template, number: int, deed: str) -> None:
    assert lab.apply(script=at(number, deed)).code == -9
    ends_alike(lab, template)


@pytest.mark.parametrize(("number", "deed"), STRUCK)
def test_a_fault_at_an_exchange(lab: Lab, template: Template, number: int, deed: str) -> None:
    assert lab.apply(script=at(number, deed)).code in {0, 6}
    ends_alike(lab, template)
