"""When a call is made again, after how long, and when it is given up."""

from __future__ import annotations

import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgitops.errors import Commit, PermanentRemoteError, TemporaryRemoteError
from pmgitops.transport import retry_after
from tests.transport.served import answer

BUSY = answer(503, b'{"error": {"code": "x", "message": "busy"}}')


def throttled(wait, status=429):
    return answer(status, b'{"error": {"code": "TooManyRequests", "message": "slower"}}', f"Retry-After: {wait}\r\n")


def gaps(server):
    times = [at for at, _ in server.requests]
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_made_again(serve, client, status):
    server = serve(answer(status), answer(status), answer(200, b'{"a": 1}'))

    assert client().request("GET", server.url).json() == {"a": 1}
    assert len(server.requests) == 3


def test_a_read_is_given_up_after_the_last_attempt(serve, client):
    server = serve(BUSY)

    with pytest.raises(TemporaryRemoteError) as error:
        client(attempts=3).request("GET", server.url)

    assert len(server.requests) == 3
    assert error.value.commit is Commit.NO


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 501])
def test_what_cannot_help_is_not_tried_again(serve, client, status):
    server = serve(answer(status))

    with pytest.raises(PermanentRemoteError):
        client().request("GET", server.url)

    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_write_is_not(serve, client, status):
    server = serve(throttled(0, status))

    with pytest.raises(TemporaryRemoteError) as error:
        client().request("POST", server.url, json={})

    assert len(server.requests) == 1
    assert error.value.commit is Commit.UNKNOWN


def test_but_for_one_that_was_certainly_not_taken(serve, client):
    server = serve(throttled(0), answer(201))

    assert client().request("POST", server.url, json={"a": 1}).status_code == 201
    assert [request.split("\r\n\r\n")[1] for _, request in server.requests] == ['{"a": 1}'] * 2


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_is_as_long_as_asked(serve, client, status):
    server = serve(throttled(1, status), answer())

    client().request("GET", server.url)

    assert 0.95 < gaps(server)[0] < 3


def test_the_pause_may_be_a_date(serve, client):
    """HTTP dates are whole seconds."""
    server = serve(throttled(format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)), answer())

    client().request("GET", server.url)

    assert 0.9 < gaps(server)[0] < 4


def test_a_pause_that_is_too_long_is_left_to_the_next_run(serve, client):
    server = serve(throttled(300))
    begun = time.monotonic()

    with pytest.raises(TemporaryRemoteError) as error:
        client().request("GET", server.url)

    assert error.value.wait == 300
    assert error.value.commit is Commit.NO
    assert time.monotonic() - begun < 1
    assert len(server.requests) == 1


def test_and_is_kept_by_every_later_call(serve, client):
    """What is sent in spite of it would count against the limit."""
    server = serve(throttled(300), answer())
    transport = client()
    for method in ("GET", "GET", "POST"):
        with pytest.raises(TemporaryRemoteError) as error:
            transport.request(method, server.url)
        assert 299 < error.value.wait <= 300
        assert error.value.commit is Commit.NO

    assert len(server.requests) == 1


def test_the_pause_is_the_whole_clients(serve, client):
    """One thread is told to wait; the others, with calls of their own, wait as well."""
    server = serve(throttled(1), answer())
    transport = client()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(transport.request, "GET", server.url)
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.1)
        others = [pool.submit(transport.request, "GET", f"{server.url}/{n}") for n in range(7)]
        for call in (first, *others):
            assert call.result(10).status_code == 200

    assert len(server.requests) == 9
    begun = server.requests[0][0]
    assert all(at - begun > 0.95 for at, _ in server.requests[1:])


def test_a_write_is_over_when_its_deadline_is(serve, client):
    """A runner's lease outlasts one deadline, not one for each time that the service asks it to come again."""
    server = serve(throttled(1))
    begun = time.monotonic()

    with pytest.raises(TemporaryRemoteError) as error:
        client(deadline=2.5, attempts=10).request("POST", server.url, json={})

    assert time.monotonic() - begun < 2.5
    assert len(server.requests) == 2
    assert error.value.wait is not None
    assert error.value.commit is Commit.NO


def test_a_write_does_not_begin_when_it_could_not_be_finished(serve, client):
    server = serve(throttled(2), answer())
    transport = client(deadline=2.5)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(transport.request, "GET", server.url)
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.1)
        with pytest.raises(TemporaryRemoteError, match="asked for a pause") as error:
            transport.request("POST", server.url)
        read.result(10)

    assert error.value.commit is Commit.NO
    assert [request.split()[0] for _, request in server.requests] == ["GET", "GET"]


def test_a_refused_login_is_not_repeated(serve, client):
    """The second would not fare better, and the fifth would lock the account."""
    server = serve(answer(401), answer(200))
    transport = client()
    for method in ("GET", "GET", "POST"):
        with pytest.raises(PermanentRemoteError) as error:
            transport.request(method, server.url)
        assert (error.value.status, error.value.commit) == (401, Commit.NO)

    assert len(server.requests) == 1


def test_nobody_there_is_not_asked_again_for_a_while(serve, client, unused):
    transport = client(patience=0.3, attempts=2)
    for _ in range(2):
        with pytest.raises(TemporaryRemoteError) as error:
            transport.request("GET", unused)
        assert (error.value.code, error.value.commit) == ("unreachable", Commit.NO)

    server = serve(answer())
    with pytest.raises(TemporaryRemoteError):
        transport.request("GET", server.url)
    time.sleep(0.35)
    assert transport.request("GET", server.url).status_code == 200


def test_each_attempt_has_an_id_of_its_own(serve, client):
    """Graph's best practices ask for a new GUID with every request; a repetition is another request."""
    server = serve(BUSY, BUSY, answer())

    client().request("GET", server.url)

    ids = server.headers("client-request-id")
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in ids)


def test_repetitions_are_not_printed(serve, client, capfd):
    server = serve(BUSY, answer())
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        client().request("GET", server.url)
    finally:
        root.handlers = handlers

    assert capfd.readouterr().err == ""


# Reading Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("7", 7), (" 7 ", 7), ("", None), ("soon", None), ("-1", None), ("²", None), ("9" * 400, None)],
)
def test_the_header_is_read(text, seconds):
    assert retry_after({"Retry-After": text}) == seconds


def test_a_date_is_read_by_the_services_own_clock():
    """A runner's clock that is a day off would otherwise make a pause of a day."""
    headers = {"Retry-After": "Wed, 21 Oct 2015 07:28:10 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after(headers) == 10
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:10 GMT"}) == 0
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:10 -0000", "Date": headers["Date"]}) == 10


@given(st.text(st.characters(max_codepoint=255), max_size=40), st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_header_breaks_it(wait, date):
    seconds = retry_after({"Retry-After": wait, "Date": date})
    assert seconds is None or seconds >= 0
