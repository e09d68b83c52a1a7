"""An imported grant is adopted once, whatever goes wrong, and nothing is sent."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.lab import LEASE, PUSH_DEEDS, Lab, laboratory
from tests.faults.proxy import FAULTS, KILLS, Proxy, Script
from tests.world import ENVIRONMENT

PM = "/beta/identityGovernance/permissionsManagement/scheduledPermissionsRequests"
GOLDEN = Path(__file__).parent.parent / "targets" / "golden"


class Template(NamedTuple):
    """A world in which two grants of other people are imported and merged, and not applied yet."""

    folder: Path
    names: tuple[str, ...]
    pushes: int
    exchanges: int
    events: dict[str, list[str]]


def ask(lab: Lab, kind: str) -> None:
    """Somebody asks for access in the portal."""
    body = (GOLDEN / f"{kind}.json").read_bytes()
    headers = {"Authorization": "Bearer somebody", "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(lab.sandbox.url + PM, body, headers), timeout=10).close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy) -> Template:
    folder = tmp_path_factory.mktemp("adoption")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with laboratory(folder / "before", proxy) as lab:
            lab.configure(f"ledger: {{lease: {LEASE}s}}\nlimits: {{parallel: 1}}\n", gate="off")
            ask(lab, "aws-policies")
            ask(lab, "gcp-roles")
            lab.approve()
            lab.pass_time(5)
            written = lab.run("import", "--format", "json").json["written"]
            lab.push("imported")
        names = tuple(Path(one["path"]).stem for one in written)
        with laboratory(folder / "clean", proxy, folder / "before") as lab:
            assert lab.apply().code == 0
            events = {name: lab.events(name) for name in names}
            return Template(folder / "before", names, lab.pushes, len(lab.exchanges), events)


@pytest.fixture
def lab(tmp_path: Path, proxy: Proxy, template: Template):
    with laboratory(tmp_path / "lab", proxy, template.folder) as lab:
        yield lab


def adopted_once(lab: Lab, template: Template) -> None:
    """Each grant by its own name, by one event; nothing was sent and nothing was ended."""
    lab.settle()
    requests = lab.remote()
    assert [request["status"] for request in requests] == ["approved"] * 2, lab.journal
    assert {request["caller"] for request in requests} == {"somebody"}
    standings = lab.standings()
    assert sorted(standings) == sorted(template.names)
    assert {stands.remote_id for stands in standings.values()} == {request["id"] for request in requests}
    assert {stands.state for stands in standings.values()} == {"active"}
    for name in template.names:
        assert lab.events(name).count("imported") == 1, lab.journal
        assert set(lab.events(name)) <= {"imported", "observed", "deferred", "refused"}
    with lab.ledger() as ledger:
        assert list(ledger.verify_all()) == []


def at(number: int, deed: str) -> Script:
    return lambda exchange: deed if exchange.number == number else ""


def test_the_clean_history(lab: Lab, template: Template) -> None:
    assert (template.pushes, template.exchanges) == (PUSHES, EXCHANGES)
    assert {tuple(events) for events in template.events.values()} == {("imported", *["observed"] * 4)}
    adopted_once(lab, template)


PUSHES, EXCHANGES = 3, 3


@pytest.mark.parametrize("deed", PUSH_DEEDS)
@pytest.mark.parametrize("number", range(1, PUSHES + 1))
def test_ended_at_a_push(lab: Lab, template: Template, number: int, deed: str) -> None:
    ran = lab.apply(pushes={number: deed})
    assert ran.code == (-9 if deed.startswith("kill") else 6 if deed == "declined" else 0), ran
    adopted_once(lab, template)


@pytest.mark.parametrize("deed", [*KILLS, *FAULTS])
@pytest.mark.parametrize("number", range(1, EXCHANGES + 1))
def test_killed_or_disturbed_at_an_exchange(lab: Lab, template: Template, number: int, deed: str) -> None:
    assert lab.apply(script=at(number, deed)).code in {-9, 0, 1, 6}
    adopted_once(lab, template)


def test_two_runs_at_once(lab: Lab, template: Template) -> None:
    """One sleeps after it has read the target; the other adopts; the first finds that somebody was faster."""
    slow = lab.begin(script=at(2, "stop-after"))
    lab.sleeping(slow)
    other = lab.start()
    assert other.wait() == 0
    slow.signal(signal.SIGCONT)
    late = lab.finish(slow)
    assert late.code == 6, late
    assert late.out.count("another runner has it in hand") == 2
    adopted_once(lab, template)
