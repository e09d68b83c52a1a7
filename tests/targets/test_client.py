"""The client of Permissions Management against the sandbox: sends, ends, follows and finds again."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.model.scalars import instant_text
from pmgitops.targets import TARGETS
from pmgitops.targets.interface import Receipt
from pmgitops.targets.permissions_management.client import (
    PermissionsManagementReader,
    PermissionsManagementWriter,
    judge,
)
from pmgitops.transport import Bearer, Transport
from tests.targets.test_render import EXAMPLES, body_of
from tests.transport.served import Server, answer
from tests.world import World

PM = "/beta/identityGovernance/permissionsManagement"
MARK = "pmgitops:{}@000000000000"
BODY = body_of(next(path for path in EXAMPLES if path.stem == "aws-policies"))


class Service:
    """Both halves as one caller, and the sandbox's control route."""

    def __init__(self, world, transport, endpoint):
        self.control, self.advance = world.control, world.advance
        self.reader = PermissionsManagementReader(transport, endpoint)
        self.writer = PermissionsManagementWriter(transport, endpoint)

    def submit(self, name="a", **members):
        payload = TARGETS["permissions-management"].correlated({**BODY, **members}, MARK.format(name))
        return self.writer.submit(payload).remote_id

    def find(self, *names):
        found = self.reader.find(frozenset(MARK.format(name) for name in names))
        return {name: found.get(MARK.format(name)) for name in names}

    def seen(self, remote_id, since=None):
        """States and words of one request, oldest first."""
        return [(one.state, one.detail) for one in self.reader.changes(since) if one.remote_id == remote_id]

    def decide(self, remote_id, decision="approve"):
        self.control("POST", f"requests/{remote_id}/{decision}")

    def fault(self, **fault):
        self.control("POST", "faults", fault)

    def settings(self, **settings):
        self.control("POST", "settings", settings)

    def requests(self):
        return self.control("GET", "requests")["requests"]

    def log(self):
        return [(entry["method"], entry["path"].removeprefix(PM)) for entry in self.control("GET", "log")["log"]]


@pytest.fixture
def log_in(sandbox, tmp_path):
    with contextlib.ExitStack() as stack:

        def make(caller="pmgitops", endpoint=sandbox.graph_url):
            auth = Bearer(lambda: caller)
            transport = stack.enter_context(Transport(auth=auth, judge=judge, pause=0.001, deadline=2.0))
            return Service(World(tmp_path, sandbox), transport, endpoint)

        yield make


@pytest.fixture
def service(log_in):
    return log_in()


# Sending


def test_a_request_is_sent_once_and_arrives_whole(service):
    remote_id = service.submit()

    (request,) = service.requests()
    assert request["id"] == remote_id
    shown = request["request"]
    assert {name: shown[name] for name in BODY if name != "notes"} == {k: v for k, v in BODY.items() if k != "notes"}
    assert shown["notes"] == BODY["notes"] + "\n" + MARK.format("a")
    assert service.log() == [("POST", "/scheduledPermissionsRequests")]


def test_a_body_that_is_refused_is_told_by_the_services_words(service):
    with pytest.raises(PermanentRemoteError) as error:
        service.writer.submit(
            {**BODY, "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "1:00:00"}}}
        )

    assert (error.value.status, error.value.commit) == (400, Commit.NO)
    assert "'1:00:00'" in str(error.value)
    assert "(request-id " in str(error.value)
    assert not service.requests()


ANSWERS = [{"do": "status", "status": status} for status in (500, 502, 503, 504)] + [
    {"do": "close"},
    {"do": "html"},
    {"do": "empty"},
    {"do": "wrong-json"},
    {"do": "redirect", "location": "/login.do"},
    {"do": "delay", "seconds": 5},
]
LOST = [{**fault, "when": when} for fault in ANSWERS for when in ("before", "after")] + [
    {"do": "cut", "when": "after"},
    {"do": "partial", "when": "after"},
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault['do']}-{fault.get('status', '')}-{fault['when']}")
def test_an_answer_that_is_lost_is_neither_a_yes_nor_a_no(service, fault):
    """Whether the service had committed or not: the target is read, nothing is sent again by itself."""
    service.writer._transport.deadline = 0.5 if fault["do"] == "delay" else 5.0
    service.fault(**fault, method="POST")

    with pytest.raises(RemoteError) as error:
        service.submit()

    assert error.value.commit is Commit.UNKNOWN
    assert [method for method, _ in service.log()] == ["POST"]
    found = service.find("a")["a"]
    if fault["do"] != "delay":  # what is only slow arrives in the end
        assert bool(found) is (fault["when"] == "after")
    assert found is None or found == Receipt(service.requests()[0]["id"], adopted=True)


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": ""}, {"id": 7}])
def test_an_answer_without_an_id_is_read_back(service, body):
    service.fault(do="status", status=201, body=body, contentType="application/json", method="POST")

    with pytest.raises(TemporaryRemoteError) as error:
        service.submit()

    assert (error.value.code, error.value.commit) == ("no-id", Commit.UNKNOWN)


# Ending


def _pending(service):
    return service.submit()


def _scheduled(service):
    start = datetime.now(UTC) + timedelta(days=2)
    remote_id = service.submit(
        scheduleInfo={**BODY["scheduleInfo"], "startDateTime": f"{start:%Y-%m-%dT%H:%M:%SZ}"},
    )
    service.decide(remote_id)
    return remote_id


def _active(service):
    remote_id = service.submit()
    service.decide(remote_id)
    service.advance(60)
    return remote_id


def _completed(service):
    remote_id = _active(service)
    service.advance(7200)
    return remote_id


def _rejected(service):
    remote_id = service.submit()
    service.decide(remote_id, "reject")
    return remote_id


def _canceled(service):
    remote_id = service.submit()
    service.writer.cancel(remote_id)
    return remote_id


@pytest.mark.parametrize(
    ("make", "before", "after"),
    [
        (_pending, ("submitted", "submitted"), [("canceled", "canceled")]),
        (_scheduled, ("approved", "approved"), [("canceled", "canceled")]),
        (_active, ("active", "approved/granted"), [("active", "canceled/revoking"), ("canceled", "canceled/revoked")]),
    ],
)
def test_what_stands_is_ended(service, make, before, after):
    """One verb for all: canceled while it is pending or scheduled, revoked once it is active."""
    remote_id = make(service)
    told = service.seen(remote_id)
    assert told[-1] == before

    service.writer.cancel(remote_id)
    service.advance(60)

    assert service.seen(remote_id)[len(told) :] == after


@pytest.mark.parametrize("make", [_completed, _rejected, _canceled])
def test_what_has_ended_is_not_ended_again(service, make):
    remote_id = make(service)
    told = service.seen(remote_id)

    with pytest.raises(PermanentRemoteError, match="cannot be canceled") as error:
        service.writer.cancel(remote_id)

    assert (error.value.status, error.value.commit) == (400, Commit.NO)
    assert service.seen(remote_id) == told


def test_what_is_not_there_is_not_ended(service):
    for remote_id in ("00000000-0000-0000-0000-000000000000", "../../x", "a b?$filter=1"):
        with pytest.raises(PermanentRemoteError) as error:
            service.writer.cancel(remote_id)
        assert (error.value.status, error.value.commit) == (404, Commit.NO)
    assert all(path.endswith("/cancelAll") for _, path in service.log())


def test_an_end_answered_by_something_else_is_not_certain(service):
    remote_id = service.submit()
    service.fault(do="status", status=201, body={}, contentType="application/json", path="cancelAll")

    with pytest.raises(PermanentRemoteError) as error:
        service.writer.cancel(remote_id)

    assert error.value.commit is Commit.UNKNOWN


# Following


def test_the_whole_life_is_told_in_order_over_pages(service):
    service.settings(pageSize=2)
    remote_id = _completed(service)
    other = service.submit("b")

    assert service.seen(remote_id) == [
        ("submitted", "submitted"),
        ("approved", "approved"),
        ("approved", "approved/granting"),
        ("active", "approved/granted"),
        ("active", "approved/revoking"),
        ("approved", "approved/revoked"),
        ("completed", "completed"),
    ]
    assert service.seen(other) == [("submitted", "submitted")]
    changes = service.reader.changes(None)
    assert changes == sorted(changes, key=lambda one: one.at)
    assert len({one.id for one in changes}) == 8


@pytest.mark.parametrize("failing", ["granting", "revoking"])
def test_what_fails_is_told(service, failing):
    service.settings(failing=[failing])
    remote_id = _active(service)
    if failing == "revoking":
        service.writer.cancel(remote_id)
        service.advance(60)

    assert service.seen(remote_id)[-1] == (
        ("failed", "approved/grantingFailed") if failing == "granting" else ("failed", "canceled/revokingFailed")
    )


@pytest.mark.parametrize("blanks", [True, False])
def test_only_what_is_newer_is_read(service, blanks):
    """`gt` the watermark, on every page; the published examples have blanks in their nextLink."""
    service.settings(pageSize=1, nextLinkBlanks=blanks)
    first = service.submit("a")
    mark = service.reader.changes(None)[-1].at
    for name in "bcd":
        service.submit(name)

    fresh = service.reader.changes(mark)

    assert len(fresh) == 3
    assert first not in {one.remote_id for one in fresh}
    assert service.reader.changes(fresh[-1].at) == []
    asked = [entry["query"]["$filter"] for entry in service.control("GET", "log")["log"] if entry["query"]]
    assert asked == [f"modificationDateTime gt {instant_text(mark)}"] * 3 + [
        f"modificationDateTime gt {instant_text(fresh[-1].at)}"
    ]


WORDS = {
    # (statusDetail, activeOccurrenceStatus): where the request stands
    ("submitted", None): "submitted",
    ("approved", None): "approved",
    ("approved", "granting"): "approved",  # no access yet
    ("approved", "granted"): "active",
    ("approved", "grantingFailed"): "failed",
    ("approved", "revoking"): "active",  # not gone yet
    ("approved", "revoked"): "approved",  # between two occurrences
    ("approved", "revokingFailed"): "failed",
    ("completed", None): "completed",
    ("completed", "granting"): "active",  # may still come to be
    ("completed", "granted"): "active",
    ("completed", "grantingFailed"): "completed",  # there never was any
    ("completed", "revoking"): "active",
    ("completed", "revoked"): "completed",
    ("completed", "revokingFailed"): "failed",  # may still be there
    ("canceled", None): "canceled",
    ("canceled", "granting"): "active",
    ("canceled", "granted"): "active",
    ("canceled", "grantingFailed"): "canceled",
    ("canceled", "revoking"): "active",
    ("canceled", "revoked"): "canceled",
    ("canceled", "revokingFailed"): "failed",
    ("rejected", None): "rejected",
    ("rejected", "revoking"): "active",
    ("submitted", "unknownFutureValue"): "submitted",
    ("unknownFutureValue", None): "failed",  # nobody knows: neither over nor well
    ("expired", None): "failed",
    ("expired", "granted"): "active",
}


@pytest.fixture
def feed(log_in):
    """Change events out of thin air, followed by a reader."""

    def follow(*events):
        body = {"value": [{"id": f"c{place}", **event} for place, event in enumerate(events)]}
        service = log_in()
        service.fault(do="status", status=200, body=body, contentType="application/json", path="Changes")
        return service.reader.changes(None)

    return follow


EVENT = {"modificationDateTime": "2023-02-10T12:15:00Z", "permissionsRequestId": "r1", "statusDetail": "approved"}


@pytest.mark.parametrize(("words", "state"), WORDS.items(), ids=str)
@pytest.mark.parametrize("member", ["activeOccurrenceStatus", "activeOccurenceStatus"])
def test_where_a_request_stands_by_both_members(feed, words, state, member):
    """One page misspells the member."""
    detail, occurrence = words

    (seen,) = feed({**EVENT, "statusDetail": detail, **({member: occurrence} if occurrence else {})})

    assert (seen.state, seen.transitions) == (state, tuple(filter(None, words)))
    assert seen.detail == "/".join(filter(None, words))


def test_of_both_spellings_the_schemas_counts(feed):
    (seen,) = feed({**EVENT, "activeOccurrenceStatus": "granted", "activeOccurenceStatus": "revoked"})
    assert seen.detail == "approved/granted"


def test_an_odd_event_stops_no_others(feed):
    """The feed is the whole tenant's."""
    seen = feed({**EVENT, "statusDetail": "expired"}, {**EVENT, "permissionsRequestId": "r2"})
    assert [(one.remote_id, one.state) for one in seen] == [("r1", "failed"), ("r2", "approved")]


@pytest.mark.parametrize(
    "broken",
    [
        {"modificationDateTime": None},
        {"modificationDateTime": "yesterday"},
        {"modificationDateTime": "2023-02-10T12:15:00"},
        {"permissionsRequestId": None},
        {"permissionsRequestId": ""},
        {"id": 7},
    ],
)
def test_an_event_that_cannot_be_placed_is_told(feed, broken):
    """Leaving it out would move the watermark beyond it."""
    with pytest.raises(PermanentRemoteError) as error:
        feed({**EVENT, **broken})
    assert error.value.code == "unexpected"


def test_the_published_page_is_understood(feed):
    first = {"id": "1", "modificationDateTime": "2023-02-06T12:15:00Z", "statusDetail": "submitted", "ticketId": "INC1"}
    seen = feed(
        {**first, "permissionsRequestId": "1", "modificationDateTime": "2023-02-10T12:15:00Z"},
        {**first, "permissionsRequestId": "2"},
    )
    assert [one.remote_id for one in seen] == ["2", "1"]


# Pages


@pytest.fixture
def pages(log_in):
    """A reader of whatever pages a test has; `{url}` in them is the server's own address."""
    with contextlib.ExitStack() as stack:

        def serve(*bodies):
            server = stack.enter_context(Server())
            server.script = [answer(200, body.replace("{url}", server.url).encode()) for body in bodies]
            return log_in(endpoint=server.url + "/beta").reader, server

        yield serve


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("https://evil.example/beta/x", "another host"),
        ("{url}@evil.example/beta", "another host"),
        ("//evil.example/x", "another host"),
        ("/beta/x", "another host"),
        ("file:///etc/passwd", "another host"),
        ("", "another host"),
        ("{url}.evil.example/", "another host"),
    ],
)
def test_a_token_is_not_carried_elsewhere(pages, link, why):
    reader, server = pages(f'{{"value": [], "@odata.nextLink": "{link}"}}')

    with pytest.raises(PermanentRemoteError, match=why):
        reader.changes(None)

    assert len(server.requests) == 1


def test_a_page_that_leads_back_to_itself_ends(pages):
    reader, server = pages('{"value": [], "@odata.nextLink": "{url}/beta/again"}')

    with pytest.raises(PermanentRemoteError, match="back to itself"):
        reader.changes(None)

    assert len(server.requests) == 2


@pytest.mark.parametrize("page", ["{}", '{"value": null}', '{"value": {}}', '{"value": ["a"]}', '{"value": [[]]}'])
def test_a_page_without_a_list_is_none(pages, page):
    reader, _ = pages(page)

    with pytest.raises(PermanentRemoteError, match="without a list"):
        reader.find(frozenset({"x"}))


def test_a_page_that_broke_off_is_not_the_last(pages):
    reader, _ = pages('{"value": [], "error": {"code": "timeout", "message": "x"}}')

    with pytest.raises(PermanentRemoteError, match="broke off"):
        reader.find(frozenset({"x"}))


def test_a_page_that_is_lost_loses_all(service):
    """Half of a list would say that what is on the other half is certainly absent."""
    service.settings(pageSize=1)
    for name in "abc":
        service.submit(name)
    service.fault(do="status", status=500, method="GET", path="scheduledPermissionsRequests", skip=2, times=0)

    with pytest.raises(TemporaryRemoteError):
        service.find("a")


# Finding again


def test_requests_are_found_by_their_marks_over_pages(service, log_in):
    service.settings(pageSize=2)
    made = {name: service.submit(name) for name in "abcde"}
    by_another = log_in("megan@contoso.com").submit("m")

    found = service.find("a", "e", "m", "x")

    assert found.pop("m") == Receipt(by_another, adopted=True), "sent by an identity that is not the one that looks"
    assert found == {"a": Receipt(made["a"], adopted=True), "e": Receipt(made["e"], adopted=True), "x": None}


def test_only_the_last_line_is_the_mark(service):
    service.writer.submit({**BODY, "notes": f"{MARK.format('a')}\nas before"})
    service.writer.submit({**BODY, "notes": f"like {MARK.format('a')}"})
    service.writer.submit({name: value for name, value in BODY.items() if name != "notes"})

    assert service.find("a") == {"a": None}


def test_two_with_one_mark_are_for_a_person_to_look_at(service):
    service.settings(pageSize=1)
    for name in "aba":
        service.submit(name)

    with pytest.raises(PermanentRemoteError, match="two requests with pmgitops:a@000000000000") as error:
        service.find("a")

    assert error.value.code == "doubled"
    assert error.value.hint
    assert service.find("b")["b"]
