"""What each kind of failure is called, and whether a write may have happened: the road to exactly once."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc

import pytest
import requests

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.transport import Bearer, body_of, discreet
from tests.transport.served import answer

P, T = PermanentRemoteError, TemporaryRemoteError
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
CUT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIP = [b'{"a": "', *[b"x", 0.02] * 200, b'"}']


def gzipped(body):
    packed = gzip.compress(body)
    head = f"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    return f"HTTP/1.1 200 OK\r\n{head}".encode() + packed


# What the network does, and what is made of it. Of a read nothing can have happened; of a write anything, once it was
# sent.

BROKEN = {
    "closes at once": (["close"], T, "broken"),
    "closes in the status line": ([b"HTTP/1.", "close"], T, "broken"),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.6\r\n", "close"], T, "broken"),
    "cut before the body": ([CUT, "close"], T, "broken"),
    "cut body": ([CUT + b'{"a": 1', "close"], T, "broken"),
    "cut body that is JSON": ([CUT + b'{"a": 1}', "close"], T, "broken"),
    "cut between chunks": ([CHUNKED + b'8\r\n{"a": 1}\r\n', "close"], T, "broken"),
    "cut in a chunk": ([CHUNKED + b'8\r\n{"a"', "close"], T, "broken"),
    "no gzip": ([answer(200, b"{}", "Content-Encoding: gzip\r\n")], T, "broken"),
    "silence": ([5], T, "timeout.read"),
    "silence in the headers": ([b"HTTP/1.1 200 OK\r\n", 5], T, "timeout.read"),
    "silence in the body": ([CUT + b"{", 5], T, "timeout.read"),
    "dripping headers": ([b"HTTP/1.1 200 OK\r\nX: ", *[b"x", 0.02] * 200], T, "timeout.read"),
    "dripping body": ([CUT, *DRIP], T, "timeout.read"),
    "dripping chunks": ([CHUNKED, *[b"1\r\nx\r\n", 0.02] * 200], T, "timeout.read"),
    "too much": ([answer(200, b'{"a": "' + b"x" * 3000 + b'"}')], P, "oversize"),
    "too much when unpacked": ([gzipped(b'{"a": "' + b"x" * 30000 + b'"}')], P, "oversize"),
}


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
@pytest.mark.parametrize("fault", BROKEN)
def test_what_the_network_does(serve, client, fault, method):
    script, kind, code = BROKEN[fault]
    server = serve(script)
    deadline = 0.4 if code == "timeout.read" else 3.0
    begun = time.monotonic()

    with pytest.raises(RemoteError) as error:
        client(deadline=deadline, most=2000, attempts=1).request(method, server.url)

    assert (type(error.value), error.value.code) == (kind, code)
    assert error.value.commit is (Commit.NO if method == "GET" else Commit.UNKNOWN)
    assert time.monotonic() - begun < 2  # a drip lasts 4 s


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_is_refused_did_nothing(client, unused, method):
    with pytest.raises(TemporaryRemoteError, match="cannot be reached") as error:
        client(attempts=2).request(method, unused)

    assert (error.value.code, error.value.commit) == ("unreachable", Commit.NO)


def test_a_name_that_nobody_knows_did_nothing(client):
    with pytest.raises(TemporaryRemoteError, match=r"no\.invalid.* cannot be reached") as error:
        client(attempts=1).request("POST", "https://no.invalid/x?secret=1")

    assert (error.value.code, error.value.commit) == ("unreachable", Commit.NO)
    assert "secret" not in str(error.value)


def test_a_connection_that_is_not_taken_did_nothing(client):
    """A listener whose queue is full: nobody answers the handshake."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
            waiting.append(sock)
        with pytest.raises(TemporaryRemoteError) as error:
            client(attempts=1, deadline=0.4).request("POST", f"http://127.0.0.1:{server.getsockname()[1]}/")
        for sock in waiting:
            sock.close()

    assert (error.value.code, error.value.commit) == ("unreachable", Commit.NO)


def test_an_answer_in_time_is_whole_however_it_comes(serve, client):
    server = serve([CHUNKED, b"3\r\n", b'{"a', 0.05, b'\r\n5\r\n": 1}\r\n', 0.05, b"0\r\n\r\n"], gzipped(b'{"a": 2}'))
    transport = client()

    assert transport.request("GET", server.url).json() == {"a": 1}
    assert transport.request("GET", server.url).json() == {"a": 2}


def test_a_bomb_is_not_unpacked(serve, client):
    """Of 100 MB in 100 kB, no more than the cap and a chunk are ever held."""
    server = serve(gzipped(b" " * 100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(PermanentRemoteError, match="more than 1000000 bytes"):
            client(most=1_000_000).request("GET", server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8_000_000


# What the services answer: status x method -> type, code, commit

GRAPH = {
    200: (P, "200", Commit.UNKNOWN),
    202: (P, "202", Commit.UNKNOWN),
    302: (P, "302", Commit.UNKNOWN),
    307: (P, "307", Commit.UNKNOWN),
    400: (P, "400", Commit.NO),
    401: (P, "401", Commit.NO),
    403: (P, "403", Commit.NO),
    404: (P, "404", Commit.NO),
    405: (P, "405", Commit.NO),
    409: (P, "409", Commit.NO),
    410: (P, "410", Commit.NO),
    415: (P, "415", Commit.NO),
    429: (T, "429", Commit.NO),
    500: (T, "500", Commit.UNKNOWN),
    501: (P, "501", Commit.NO),
    502: (T, "502", Commit.UNKNOWN),
    503: (T, "503", Commit.UNKNOWN),
    504: (T, "504", Commit.UNKNOWN),
}
TABLE = {
    201: (P, "not-api", Commit.UNKNOWN),
    202: (T, "accepted", Commit.UNKNOWN),
    302: (P, "not-api", Commit.UNKNOWN),
    400: (P, "config", Commit.NO),
    401: (P, "auth", Commit.NO),
    403: (P, "forbidden.record", Commit.UNKNOWN),
    404: (P, "absent-or-hidden", Commit.NO),
    405: (P, "config", Commit.NO),
    406: (P, "config", Commit.NO),
    415: (P, "config", Commit.NO),
    429: (T, "throttled.queue", Commit.NO),
    500: (T, "server", Commit.UNKNOWN),
    502: (T, "server", Commit.UNKNOWN),
    503: (T, "server", Commit.UNKNOWN),
    504: (T, "server", Commit.UNKNOWN),
}


@pytest.mark.parametrize("body", [b"{}", b"", b"[]", b"nothing", b'{"error": null}', b'{"error": {"code": null}}'])
@pytest.mark.parametrize("status", GRAPH)
def test_what_graph_answers(serve, client, status, body):
    kind, code, commit = GRAPH[status]
    server = serve(answer(status, body, "Location: http://127.0.0.1:1/login\r\n"))
    methods = ["POST"] if status == 200 else ["POST", "GET"]
    for method in methods:
        with pytest.raises(RemoteError) as error:
            client(attempts=1).request(method, server.url)
        assert (type(error.value), error.value.code, error.value.status) == (kind, code, status)
        assert error.value.commit is (commit if method == "POST" else Commit.NO)
    assert len(server.requests) == len(methods)


@pytest.mark.parametrize("status", TABLE)
def test_what_the_table_api_answers(serve, table, status):
    kind, code, commit = TABLE[status]
    server = serve(
        answer(status, b'{"error": {"message": "m", "detail": null}, "status": "failure"}', "Location: /x\r\n")
    )
    for method in ("PATCH", "GET"):
        with pytest.raises(RemoteError) as error:
            table(attempts=1).request(method, server.url)
        assert (type(error.value), error.value.code, error.value.status) == (kind, code, status)
        assert error.value.commit is (commit if method == "PATCH" else Commit.NO)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ("Failed API level ACL Validation", "forbidden.api"),
        ("ACL Exception Update Failed due to security constraints", "forbidden.record"),
        ("Operation against file 'incident' was aborted by Business Rule 'No^" + "a" * 32 + "'", "refused.rule"),
        ("Data Policy Exception: Close notes is mandatory", "refused.rule"),
    ],
)
def test_refusals_of_servicenow_have_names(serve, table, detail, code):
    server = serve(answer(403, b'{"error": {"message": "Operation Failed", "detail": "%s"}}' % detail.encode()))

    with pytest.raises(PermanentRemoteError, match="Operation Failed") as error:
        table().request("GET", server.url)

    assert error.value.code == code


WRONG = {
    "HTML": (HTML, P, "not-api"),
    "cut headers": ([b"HTTP/1.1 200 OK\r\nContent-Ty", "close"], P, "not-api"),
    "no type": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", P, "not-api"),
    "a list": (answer(200, b"[]"), P, "not-api"),
    "null": (answer(200, b"null"), P, "not-api"),
    "text": (answer(200, b'"result"'), P, "not-api"),
    "empty": (answer(200, b""), T, "broken"),
    "no JSON": (answer(200, b"{'a': 1}"), T, "broken"),
    "half": (answer(200, b'{"result": [{"a"'), T, "broken"),
    "no text": (answer(200, b'{"a": "\xff"}'), T, "broken"),
    "deep": (answer(200, b'{"a": ' + b"[" * 100_000), T, "broken"),
    "huge number": (answer(200, b'{"a": ' + b"1" * 100_000 + b"}"), T, "broken"),
    "an error beside the result": (answer(200, b'{"result": [{}], "error": {"message": "quota"}}'), T, "partial"),
    "failure": (answer(200, b'{"result": [], "status": "failure"}'), T, "partial"),
}


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_is_none(serve, table, wrong, method):
    body, kind, code = WRONG[wrong]
    server = serve(body)

    with pytest.raises(RemoteError) as error:
        table(attempts=1).request(method, server.url)

    assert (type(error.value), error.value.code) == (kind, code)
    assert error.value.commit is (Commit.NO if method == "GET" else Commit.UNKNOWN)


# What an error may say

LEAKS = ("a-secret-token", "anna@contoso.example", "eyJhbGciOi", "hunter2", "PASSWORD")
INDISCREET = (
    b'{"error": {"code": "for anna@contoso.example", "message": "Bearer a-secret-token of anna@contoso.example is not '
    b'eyJhbGciOi.eyJzdWIi.c2ln, was Basic hunter2", "detail": "anna@contoso.example\\nand more"}}'
)
SCRIPTS = {name: script for name, (script, _, code) in (BROKEN | WRONG).items() if code != "partial"} | {
    str(status): answer(status, INDISCREET, "Location: /a?b=anna@contoso.example\r\n")
    for status in GRAPH
    if status > 201
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_error_tells_a_secret(serve, client, table, script):
    """Not in its text, its hint, its code, nor in what a traceback would show of its causes."""
    server = serve(SCRIPTS[script])
    for make in (client, table):
        transport = make(deadline=0.1, most=2000, attempts=1)
        url = f"{server.url}/table/task?sysparm_query=email=anna@contoso.example^password=PASSWORD"
        with pytest.raises(RemoteError) as error:
            _read(transport, url)
        shown = [error.value] if error.value.__suppress_context__ else _chain(error.value)
        for one in shown:
            text = f"{one} {getattr(one, 'hint', '')} {getattr(one, 'code', '')}"
            assert not [leak for leak in LEAKS if leak in text]
            assert "\n" not in str(one)
            assert len(str(one)) < 600


def _read(transport, url):
    return body_of(transport.request("GET", url), Commit.NO)


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("token", ["a-secret-token\n", "a secret token", "a-secret-tokén", "", "a\r\nX-Evil: 1"])
def test_a_token_that_no_header_can_hold_is_not_shown(serve, client, token):
    server = serve(answer())

    with pytest.raises(PermanentRemoteError) as error:
        client(auth=Bearer(lambda: token)).request("POST", server.url)

    assert (error.value.code, error.value.commit) == ("config", Commit.NO)
    assert "secret" not in str(error.value)
    assert not server.requests


def test_a_token_that_cannot_be_had_leaves_nothing_unknown(serve, client):
    """Nothing was sent, so there is nothing to read back."""

    def refuse():
        raise TemporaryRemoteError("nobody to log in as", code="auth", commit=Commit.UNKNOWN)

    server = serve(answer())
    with pytest.raises(TemporaryRemoteError) as error:
        client(auth=Bearer(refuse), attempts=1).request("POST", server.url)

    assert error.value.commit is Commit.NO
    assert not server.requests


def test_words_of_a_service_are_one_bounded_line():
    assert discreet(" a\n b\t") == "a b"
    assert discreet("x" * 1000) == "x" * 300
    assert discreet(None) == ""
    assert discreet("who is alex.wilber+x@mail.contoso.co.uk?") == "who is (left out)?"


# The environment


def test_the_environment_has_no_say(serve, client, monkeypatch, tmp_path):
    """A .netrc would replace the token, a proxy read it, and a bundle decide whom to trust."""
    server, proxy = serve(answer()), serve(answer())
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alex password hunter2\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    transport = client()

    transport.request("GET", server.url)

    assert server.headers("Authorization") == ["Bearer a-secret-token"]
    assert not proxy.requests
    trusted = transport.merge_environment_settings("https://127.0.0.1/", {}, None, None, None)
    assert (trusted["verify"], dict(trusted["proxies"])) == (True, {})


def test_a_bare_session_would_have_obeyed_it(serve, monkeypatch, tmp_path):
    """The test above can fail."""
    proxy = serve(answer())
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alex password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with requests.Session() as bare:
        bare.get("http://127.0.0.1:1/", headers={"Authorization": "Bearer a-secret-token"}, timeout=5)

    assert proxy.headers("Authorization")[0].startswith("Basic ")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "nothing.pem")
    assert bare.merge_environment_settings("https://127.0.0.1/", {}, None, None, None)["verify"] == "nothing.pem"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_redirects_are_not_followed(serve, client, status, method):
    elsewhere = serve(answer())
    server = serve(answer(status, b"", f"Location: {elsewhere.url}/\r\n"))

    with pytest.raises(PermanentRemoteError):
        client().request(method, server.url)

    assert not elsewhere.requests


# Threads and connections


def test_connections_are_kept(serve, client):
    server = serve(answer())
    transport = client()
    for _ in range(5):
        transport.request("GET", server.url)

    assert len(server._connections) == 1


def test_a_transport_within_a_transport_keeps_both_deadlines(serve, client):
    """A token is fetched over a connection of its own, while the call that needs it is being prepared."""
    inner = serve(answer(200, b'{"token": "abc"}'))
    outer = serve([CUT, *DRIP])
    tokens = client(judge=lambda _response, _commit: None)
    auth = Bearer(lambda: tokens.request("POST", inner.url).json()["token"])

    with pytest.raises(TemporaryRemoteError) as error:
        client(auth=auth, deadline=0.3).request("POST", outer.url)

    assert (error.value.code, error.value.commit) == ("timeout.read", Commit.UNKNOWN)
    assert outer.headers("Authorization") == ["Bearer abc"]


def test_what_is_late_is_not_sent(serve, client):
    """A name server or a login that takes too long: the lease may have run out, and another runner have begun."""

    def slowly():
        time.sleep(0.4)
        return "abc"

    server = serve(answer(201))
    with pytest.raises(TemporaryRemoteError) as error:
        client(auth=Bearer(slowly), deadline=0.3).request("POST", server.url)

    assert error.value.commit is Commit.NO
    assert not server.requests
