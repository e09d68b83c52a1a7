"""One bad request never stalls the rest: it is named, tried again with growing pauses, and nobody waits for it."""

from __future__ import annotations

from pmgitops.ledger.standing import instant
from tests.faults.lab import Lab
from tests.faults.proxy import Exchange


def named(lab: Lab, name: str) -> str:
    """What a run says of a request."""
    return "\n".join(line for line in lab.apply().out.splitlines() if name in line)


def test_a_poisoned_file(lab: Lab) -> None:
    for number in range(5):
        lab.request(f"fine-{number}", policy=f"P{number}")
    lab.write("requests/team/poisoned.yaml", "kind: [aws-policies\n" + "\x00" * 10)
    lab.write("requests/team/bomb.yaml", "a: &a [x, x]\nb: &b [*a, *a]\n")
    lab.push("five fine, two poisoned")

    ran = lab.apply()

    assert ran.code == 1, ran
    assert "poisoned" in ran.out
    assert "bomb" in ran.out
    assert len(lab.remote()) == 5
    assert "poisoned" in named(lab, "poisoned")  # and by every run


def test_a_body_that_is_refused_for_ever(lab: Lab) -> None:
    """Its pauses double from a minute; the others are sent at once, and it is named by every run."""
    for number in range(5):
        lab.request(f"fine-{number}", policy=f"P{number}")
    lab.request("refused", policy="Refused")
    lab.push("five fine, one refused")
    refusals = []

    def refuses(exchange: Exchange) -> str:
        return "400" if exchange.kind == "send" and b"Refused" in exchange.body else ""

    pauses = []
    for _ in range(4):
        ran = lab.apply(script=refuses)
        assert ran.code == 6, ran
        assert "refused" in ran.out
        assert "400" in ran.out
        again = instant(lab.standings()["refused"].again)
        pauses.append(round((again - lab.now()).total_seconds() / 60))
        refusals += [exchange for exchange in lab.exchanges if exchange.kind == "send" and b"Refused" in exchange.body]
        assert len(lab.remote()) == 5
        before = lab.apply(script=refuses)
        assert before.code == 6
        assert "tried again after" in before.out
        assert not [exchange for exchange in lab.exchanges if exchange.kind == "send"]
        lab.pass_time(pauses[-1] * 60 + 5)
    assert pauses == [1, 2, 4, 8]
    assert len(refusals) == 4
    assert lab.apply().code == 0  # the target has come to its senses
    lab.settle()
    lab.holds()


def test_a_ticket_that_cannot_be_read(lab: Lab) -> None:
    lab.control("POST", "tickets", {"class": "incident", "number": "INC7654321", "state": "2", "caller_id": "alex"})
    for number in range(5):
        lab.request(f"fine-{number}", policy=f"P{number}")
    lab.request("deferred", policy="P9", ticket="INC7654321")
    lab.push("five fine, one whose ticket does not answer")

    def unread(exchange: Exchange) -> str:
        return "500-after" if "INC7654321" in exchange.path else ""

    for _ in range(2):
        ran = lab.apply(script=unread)
        assert ran.code == 6, ran
        assert "deferred deferred" in ran.out
        assert len(lab.remote()) == 5
    assert lab.apply().code == 0
    lab.settle()
    lab.holds()


def test_a_cancellation_that_is_refused(lab: Lab) -> None:
    """It is asked again after growing pauses, and holds up no other."""
    for name in ("one", "two", "stays"):
        lab.request(name, policy=name)
    lab.push("three")
    assert lab.apply().code == 0
    for name in ("one", "two"):
        (lab.clone / f"requests/team/{name}.yaml").unlink()
    lab.push("two go")
    ids = {row["request"]["notes"].partition(":")[2].partition("@")[0]: row["id"] for row in lab.remote()}

    ran = lab.apply(script=lambda exchange: "400" if exchange.kind == "cancel" and ids["one"] in exchange.path else "")

    assert ran.code == 6, ran
    assert sorted(status for _, status in lab.sent()) == ["canceled", "submitted", "submitted"]
    lab.pass_time(70)
    assert lab.apply().code == 0
    lab.settle()
    lab.holds()


def test_access_that_another_request_still_holds(lab: Lab) -> None:
    """Ending one of two requests for one permission leaves the other active; the plan says through whom it goes on."""
    lab.request("first", policy="Shared")
    lab.request("second", policy="Shared", duration="PT2H")
    lab.push("both")
    assert lab.apply().code == 0
    lab.approve()
    lab.pass_time(60)
    assert lab.apply().code == 0
    (lab.clone / "requests/team/first.yaml").unlink()
    lab.push("first goes")

    plan = lab.run("plan")
    assert "goes on through second" in plan.out, plan
    lab.settle()

    states = {name: stands.state for name, stands in lab.standings().items()}
    assert states == {"first": "canceled", "second": "active"}
    held = {row["request"]["scheduleInfo"]["expiration"]["duration"]: row["occurrence"] for row in lab.remote()}
    assert held == {"PT1H": "revoked", "PT2H": "granted"}
    lab.holds()
