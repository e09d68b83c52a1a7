"""The platform around the tables, behaviours 23 to 30: logins, sessions, limits, broken answers, https, determinism."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time

import jwt
import pysnc
import pysnow
import pytest
import requests
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.auth import AuthBase

from pmgitops.errors import TemporaryRemoteError
from pmgitops.sandbox import Sandbox
from pmgitops.secrets import Secrets
from pmgitops.tickets.login import ApiKey, session
from pmgitops.tickets.servicenow import ServiceNow
from pmgitops.transport import Bearer
from tests.sandbox.conftest import Instance

NUMBER = "INC1234567"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FIND = {"number": NUMBER}


@pytest.fixture
def link(ours):
    return ours.find(NUMBER)[0].link("ServiceNow")


@pytest.fixture
def find(bare):
    """Look for a ticket by bare pysnow."""
    return lambda **options: bare("task", **options).get(FIND).all()


# 23: logins


class Token(AuthBase):
    """A bearer token on a bare session."""

    def __init__(self, token):
        self.token = token

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@pytest.fixture
def token(instance):
    """Ask for a token as a client without a library does."""

    def ask(status=200, **form):
        data = {"client_id": "pmgitops", "client_secret": "sandbox", **form}
        answer = requests.post(f"{instance.url}/oauth_token.do", data=data, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def assertion(instance, key):
    """A JWT for the bearer grant, whose public half the instance is given; `claims` spoil it."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    instance.settings(jwtKey=public.decode())

    def make(key=key, **claims):
        now = int(time.time())
        whole = {"iss": "pmgitops", "sub": "alex", "aud": "pmgitops", "iat": now - 5, "exp": now + 300, **claims}
        return jwt.encode({name: value for name, value in whole.items() if value is not None}, key, algorithm="RS256")

    return make


def _callers(instance):
    return [entry["caller"] for entry in instance.log() if "/table/" in entry["path"]]


def test_23_basic_and_its_gate(ours, find, refused, instance):
    assert ours.find(NUMBER)
    assert find()
    assert _callers(instance) == ["pmgitops", "pmgitops"]

    instance.settings(basicAuth=False)
    assert refused(instance.ours().find, NUMBER) == ("auth", "no")
    with pytest.raises(requests.HTTPError, match="401"):
        find()


def test_23_an_api_key(instance):
    assert instance.ours(ApiKey("sandbox")).find(NUMBER)
    keyed = instance.session(None)
    keyed.headers["x-sn-apikey"] = "sandbox"
    assert instance.bare(keyed).resource(api_path="/table/task").get(FIND).one()

    assert _callers(instance) == ["pmgitops", "pmgitops"]


def test_23_client_credentials(instance, monkeypatch, token):
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"PMGITOPS_SERVICENOW_{name}")
    secrets = Secrets(servicenow_client_id="pmgitops", servicenow_client_secret="sandbox")
    with session(secrets, instance.url) as logged_in:
        assert ServiceNow(instance.url, logged_in).find(NUMBER)
    access = token(grant_type="client_credentials")
    assert set(access) == {"access_token", "token_type", "expires_in", "scope"}
    bare = instance.bare(instance.session(Token(access["access_token"])))
    assert bare.resource(api_path="/table/task").get(FIND).one()

    assert _callers(instance) == ["pmgitops", "pmgitops"]


def test_23_password_and_refresh(instance, token):
    first = token(grant_type="password", username="alex", password="sandbox")
    second = token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert second["refresh_token"] == first["refresh_token"]

    for access in (first, second):
        assert instance.ours(Bearer(lambda access=access: access["access_token"])).find(NUMBER)
        bare = instance.bare(instance.session(Token(access["access_token"])))
        assert bare.resource(api_path="/table/task").get(FIND).one()
    assert _callers(instance) == ["alex"] * 4


def test_23_a_signed_jwt(instance, token, assertion):
    access = token(grant_type=JWT_GRANT, client_secret=None, assertion=assertion())["access_token"]

    assert instance.ours(Bearer(lambda: access)).find(NUMBER)
    assert instance.bare(instance.session(Token(access))).resource(api_path="/table/task").get(FIND).one()
    assert _callers(instance) == ["alex", "alex"]
    assert "***" in instance.log("POST")[0]["body"]


SPOILT = {
    "expired": {"exp": 1},
    "not yet": {"iat": 4102444800},
    "nobody": {"sub": "nobody"},
    "for somebody else": {"aud": "other"},
    "by somebody else": {"iss": "other"},
    **{f"no {claim}": {claim: None} for claim in ("iss", "sub", "aud", "iat", "exp")},
}


@pytest.mark.parametrize("how", SPOILT)
def test_23_a_jwt_that_proves_nothing(token, assertion, how):
    assert token(401, grant_type=JWT_GRANT, assertion=assertion(**SPOILT[how]))["error"] == "server_error"


def test_23_a_jwt_by_another_key_or_none(token, assertion, instance):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for wrong in (assertion(stranger), "made.up.text", ""):
        assert token(401, grant_type=JWT_GRANT, assertion=wrong)["error"] == "server_error"

    right = assertion()
    assert token(grant_type=JWT_GRANT, assertion=right)
    instance.control.advance(301)
    assert token(401, grant_type=JWT_GRANT, assertion=right)
    instance.settings(jwtKey="")
    assert token(401, grant_type=JWT_GRANT, assertion=assertion(exp=4102444800))


@pytest.fixture
def certified(tmp_path):
    """A client's certificate in a file, for a name."""

    def make(authority, name):
        certificate = authority.issue_cert(common_name=name)
        certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{name}.pem"))
        return str(tmp_path / f"{name}.pem")

    return make


def test_23_a_client_certificate(instance, authority, certified, refused):
    for name, caller in (("alex", "alex"), ("nobody", None)):
        ours = instance.ours(None, secure=True)
        ours._client.session.cert = certified(authority, name)
        their_session = instance.session(None)
        their_session.cert = certified(authority, name)
        bare = instance.bare(their_session, secure=True).resource(api_path="/table/task")
        if caller:
            assert ours.find(NUMBER)
            assert bare.get(FIND).one()
        else:
            assert refused(ours.find, NUMBER) == ("auth", "no")
            with pytest.raises(requests.HTTPError, match="401"):
                bare.get(FIND).one()
        assert _callers(instance)[-2:] == [caller, caller]


def test_23_a_certificate_of_another_authority(instance, certified, refused):
    ours = instance.ours(None, secure=True, attempts=1)
    ours._client.session.cert = certified(trustme.CA(), "alex")
    assert refused(ours.find, NUMBER)[1] == "no"
    their_session = instance.session(None)
    their_session.cert = ours._client.session.cert
    with pytest.raises(requests.ConnectionError):
        instance.bare(their_session, secure=True).resource(api_path="/table/task").get(FIND).one()
    assert _callers(instance) == []


def test_23_tokens_expire(instance, token, refused):
    access = token(grant_type="client_credentials")
    ours = instance.ours(Bearer(lambda: access["access_token"]))
    bare = instance.bare(instance.session(Token(access["access_token"])))
    assert ours.find(NUMBER)
    instance.control.advance(access["expires_in"])

    assert refused(ours.find, NUMBER) == ("auth", "no")
    with pytest.raises(requests.HTTPError, match="401"):
        bare.resource(api_path="/table/task").get(FIND).all()


def test_23_the_token_endpoint_wants_a_form(instance):
    body = {"grant_type": "client_credentials", "client_id": "pmgitops", "client_secret": "sandbox"}
    answer = requests.post(f"{instance.url}/oauth_token.do", json=body, timeout=10)

    assert (answer.status_code, set(answer.json())) == (400, {"error", "error_description"})


# 24: sessions


def test_24_cookies_are_given_out_and_kept(ours, instance):
    ours.find(NUMBER)
    ours.find(NUMBER)
    session = instance.session()
    for _ in range(2):
        instance.bare(session).resource(api_path="/table/task").get(FIND).all()

    assert set(session.cookies.keys()) == {"JSESSIONID", "glide_user_route"}
    assert ["cookie" in entry["headers"] for entry in instance.log()] == [False, True] * 2


@contextlib.contextmanager
def _held(instance, act):
    """A call that is under way, and stays so."""
    entries = len(instance.log())
    instance.fault(do="delay", seconds=3600)
    thread = threading.Thread(target=_quietly, args=(act,))
    thread.start()
    while len(instance.log()) == entries:
        time.sleep(0.001)
    yield thread


def _quietly(act):
    with contextlib.suppress(Exception):
        act()


def test_24_one_call_too_many_in_a_session_is_answered_202(tmp_path, authority, handshake, refused):
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with contextlib.ExitStack() as stack:
        threads = []
        sandbox = stack.enter_context(Sandbox(tls=handshake))
        instance = Instance(sandbox, tmp_path / "authority.pem", stack)
        shared, session = instance.our_session(deadline=3600, attempts=1), instance.session()
        ours, again = (ServiceNow(instance.url, shared) for _ in range(2))  # each lets one call out at a time
        link = ours.find(NUMBER)[0].link("ServiceNow")
        theirs = lambda: instance.bare(session).resource(api_path="/table/task").get(FIND)  # noqa: E731
        assert theirs().one()
        instance.settings(sessionQueue=1)

        with _held(instance, lambda: ours.find(NUMBER)) as thread:
            threads.append(thread)
            assert refused(again.add_note, link, "x") == ("accepted", "unknown")
            assert theirs().one(), "another session has a queue of its own"
        with _held(instance, lambda: theirs().all()) as thread:
            threads.append(thread)
            with pytest.raises(pysnow.exceptions.EmptyContent):
                theirs().all()
        assert instance.notes(NUMBER) == []
        assert [entry["status"] for entry in instance.log()].count(202) == 2
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


# 25: limits


def test_25_a_rule_for_the_hour(ours, find, link, refused, instance):
    instance.settings(rateLimit=2)  # one call was made already
    assert find()
    with pytest.raises(requests.HTTPError, match="429") as error:
        find()
    headers = error.value.response.headers
    assert headers["X-RateLimit-Limit"] == "2"
    assert re.fullmatch("[0-9a-f]{32}", headers["X-RateLimit-Rule"])
    wait = int(headers["Retry-After"])
    assert 0 < wait <= 3600
    assert int(headers["X-RateLimit-Reset"]) % 3600 == 0
    with pytest.raises(TemporaryRemoteError) as ours_error:
        ours.add_note(link, "x")
    error = ours_error.value
    assert (error.code, error.commit.value) == ("throttled.rule", "no")
    assert 0 < error.wait <= wait
    assert instance.notes(NUMBER) == []
    assert instance.ours(("alex", "sandbox")).find(NUMBER), "the limit is a user's own"

    instance.control.advance(3600)
    assert find()
    assert refused(ours.find, NUMBER) == ("paused", "no")  # this client waits as long as it was asked to
    assert instance.ours().find(NUMBER)


def test_25_a_full_queue(ours, find, link, refused, instance):
    instance.fault(do="status", status=429, times=4)
    with pytest.raises(requests.HTTPError, match="429") as error:
        find()
    assert not [name for name in error.value.response.headers if "Rate" in name or "Retry" in name]
    assert refused(instance.ours(attempts=3).add_note, link, "x") == ("throttled.queue", "no")
    assert instance.notes(NUMBER) == []

    ours.add_note(link, "x")
    assert instance.notes(NUMBER) == ["x"]


# 26: out of time


def test_26_some_rows_and_then_the_error(bare, instance):
    words = "Transaction cancelled: maximum execution time exceeded"
    instance.fault(do="quota", times=2)
    rows = bare("task").get({})
    assert len(rows.all()) == 4  # of seven, and nothing tells
    assert rows._response.status_code == 200
    assert rows._response.json()["error"]["message"] == words

    with pytest.raises(TemporaryRemoteError, match=words) as error:
        instance.ours(attempts=1)._rows("/table/task", "")
    assert (error.value.code, error.value.commit.value) == ("partial", "no")


@pytest.mark.parametrize(
    ("do", "status", "theirs", "ours_says"),
    [("quota-broken", 200, requests.JSONDecodeError, "broken"), ("quota-queued", 500, requests.HTTPError, "server")],
)
def test_26_broken_off_before_or_within(find, refused, instance, do, status, theirs, ours_says):
    instance.fault(do=do, times=2)
    with pytest.raises(theirs):
        find()

    assert refused(instance.ours(attempts=1).find, NUMBER) == (ours_says, "no")
    assert [entry["status"] for entry in instance.log()] == [status, status]


def test_26_a_note_whose_answer_ran_out_of_time(ours, bare, link, refused, instance):
    instance.fault(do="quota", method="PATCH", times=2)
    answer = bare().request("PATCH", path_append=f"/{link.sys_id}", data='{"work_notes": "from pysnow"}')
    assert answer.one()["sys_id"] == link.sys_id

    assert refused(ours.add_note, link, "from us") == ("partial", "unknown")
    assert instance.notes(NUMBER) == ["from pysnow", "from us"]


# 27: not the API


@pytest.mark.parametrize("do", ["hibernating", "html"])
def test_27_a_page_instead(ours, find, link, refused, instance, do):
    instance.fault(do=do, times=3)
    with pytest.raises(requests.JSONDecodeError) as error:
        find()
    assert ("hibernating" in error.value.doc) is (do == "hibernating")

    assert refused(ours.find, NUMBER) == ("not-api", "no")
    assert refused(ours.add_note, link, "x") == ("not-api", "unknown")


def test_27_a_redirect_to_a_login_page(ours, find, refused, instance):
    instance.fault(do="redirect", path="/table/", times=2)
    with pytest.raises(requests.JSONDecodeError) as error:
        find()
    assert "Sign in" in error.value.doc
    assert instance.log()[-1]["path"] == "/login.do"
    stranger = requests.get(f"{instance.url}/login.do", timeout=5)
    assert (stranger.status_code, stranger.headers["Content-Type"]) == (200, "text/html; charset=utf-8")

    assert refused(ours.find, NUMBER) == ("not-api", "no")
    assert [entry["path"] for entry in instance.log()].count("/login.do") == 2


def test_27_a_redirect_to_another_host(refused, instance):
    with Sandbox() as elsewhere:
        instance.fault(do="redirect", location=f"{elsewhere.url}/api/now/table/task", times=2)
        keyed = instance.session(None)
        keyed.headers["x-sn-apikey"] = "sandbox"
        assert instance.bare(keyed).resource(api_path="/table/task").get(FIND).all()
        log = requests.get(f"{elsewhere.url}/_control/log", timeout=5).json()["log"]
        assert log[-1]["headers"]["x-sn-apikey"] == "***"  # the key went along

        assert refused(instance.ours(ApiKey("sandbox")).find, NUMBER) == ("not-api", "no")
        assert requests.get(f"{elsewhere.url}/_control/log", timeout=5).json()["log"] == log


# 28: the way back


def test_28_slow_headers(find, refused, instance):
    instance.fault(do="delay", seconds=3600, times=2)
    with pytest.raises(requests.ReadTimeout):
        find(timeout=1.0)

    assert refused(instance.ours(deadline=1.0, attempts=1).find, NUMBER) == ("timeout.read", "no")


def test_28_a_body_that_drips(find, refused, instance):
    instance.fault(do="drip", seconds=0.1, size=100, times=2)
    whole = find(timeout=1.0)  # per piece; all of them take longer, and nothing is raised
    assert len(whole) == 1
    assert len(json.dumps(whole)) > 100 * 1.0 / 0.1

    assert refused(instance.ours(deadline=1.0, attempts=1)._rows, "/table/task", f"number={NUMBER}") == (
        "timeout.read", "no",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("do", "theirs"), [("cut", requests.exceptions.ChunkedEncodingError), ("partial", requests.JSONDecodeError)]
)
def test_28_a_body_that_ends_too_early(ours, find, link, refused, instance, do, theirs):
    instance.fault(do=do, times=2)
    with pytest.raises(theirs):
        find()
    assert refused(ours.add_note, link, "x") == ("broken", "unknown")
    assert instance.notes(NUMBER) == ["x"]

    instance.fault(do=do)
    assert ours.find(NUMBER)  # asked again


@pytest.mark.parametrize(("do", "header"), [("gzip", "Content-Encoding"), ("chunked", "Transfer-Encoding")])
def test_28_other_ways_to_write_a_body(bare, ours, instance, do, header):
    instance.fault(do=do, times=2)
    answer = bare("task").get(FIND)
    assert len(answer.all()) == 1
    assert answer._response.headers[header] == do
    assert ("Content-Length" in answer._response.headers) is (do == "gzip")

    assert ours.find(NUMBER)
    assert [entry["fault"] for entry in instance.log()] == [do, do]


def test_28_a_small_body_that_is_large(bare, link, refused, instance):
    size = 4 * 1024 * 1024
    instance.fault(do="bomb", size=size, times=3)
    answer = bare("task").get(FIND)
    assert len(answer.all()) == 1
    assert len(answer._response.content) > size > 100 * int(answer._response.headers["Content-Length"])

    ours = instance.ours(most=size)
    assert refused(ours.find, NUMBER) == ("oversize", "no")
    assert refused(ours.add_note, link, "x") == ("oversize", "unknown")


def test_28_a_connection_that_was_kept_is_reset(ours, bare, link, refused, instance):
    resource = lambda: bare().request("PATCH", path_append=f"/{link.sys_id}", data='{"work_notes": "x"}')  # noqa: E731
    resource().one()
    instance.fault(do="close", times=2)
    with pytest.raises(requests.ConnectionError):
        resource()
    assert refused(ours.add_note, link, "y") == ("broken", "unknown")

    connections = [entry["connection"] for entry in instance.log()]
    assert connections == [connections[0], connections[1], connections[1], connections[0]]
    assert instance.notes(NUMBER) == ["x"]


def test_28_a_connection_that_just_ends(ours, find, instance):
    for ask in (find, lambda: ours.find(NUMBER)):
        instance.fault(do="hang-up")
        assert len(ask()) == 1
        assert instance.control.get("clock")  # time for the news to arrive
        assert len(ask()) == 1
    connections = [entry["connection"] for entry in instance.log()]
    assert len(set(connections)) == 4


# 29: https


def test_29_https_with_a_private_authority(instance, refused, theirs):
    ours = instance.ours(secure=True)
    (record,) = ours.find(NUMBER)
    ours.add_note(record.link("ServiceNow"), "over https")
    assert instance.notes(NUMBER) == ["over https"]
    row = instance.bare(secure=True).resource(api_path="/table/incident").get(FIND).one()
    assert row["caller_id"]["link"].startswith(instance.secure_url)
    record = theirs("incident")
    assert record.get("number", NUMBER)

    asked = len(instance.log())
    stranger = instance.ours(secure=True)
    stranger._client.session.verify = True
    assert refused(stranger.find, NUMBER) == ("config", "no")
    session = instance.session()
    session.verify = True
    with pytest.raises(requests.exceptions.SSLError):
        instance.bare(session, secure=True).resource(api_path="/table/incident").get(FIND).all()
    impatient = pysnc.ServiceNowClient(instance.secure_url, auth=session, auto_retry=False)
    with pytest.raises(requests.exceptions.SSLError):
        impatient.GlideRecord("incident").get("number", NUMBER)
    assert len(instance.log()) == asked


def test_29_both_services_and_nothing_else_on_the_secure_port(instance):
    session = instance.session(None)
    assert session.get(f"{instance.secure_url}/_control/state").status_code == 403
    assert session.post(f"{instance.secure_url}/_control/reset").status_code == 403
    assert session.get(f"{instance.secure_url}/").status_code == 403
    graph = "/beta/identityGovernance/permissionsManagement/permissionsRequestChanges"
    answer = session.get(instance.secure_url + graph, headers={"Authorization": "Bearer alex@contoso.com"})
    assert answer.json()["value"] == []
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{instance.sandbox.secure_host}/api/now/table/task", timeout=5)


# 30: the same again


def _history(sandbox, stack, authority):
    """Some of everything, and what is left of it."""
    instance = Instance(sandbox, authority, stack)
    ours = instance.ours()
    link = ours.find(NUMBER)[0].link("ServiceNow")
    ours.add_note(link, "from us")
    instance.bare().resource(api_path="/table/incident").create({"short_description": "from pysnow"}).one()
    instance.control.advance(90)
    instance.bare().resource(api_path="/table/incident").update(FIND, {"state": "7"}).one()
    return instance.control.get("state")


def test_30_the_same_seed_and_clock_give_the_same_state(tmp_path, authority):
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))

    def run(**options):
        with Sandbox(**options) as sandbox, contextlib.ExitStack() as stack:
            return _history(sandbox, stack, tmp_path / "authority.pem")

    at = "2026-01-15T09:00:00Z"
    first = run(seed=7, at=at)
    assert run(seed=7, at=at) == first
    assert first["now"] == "2026-01-15T09:01:30Z"
    (ticket,) = [record for record in first["records"]["incident"] if record["number"] == NUMBER]
    assert (ticket["sys_created_on"], ticket["closed_at"]) == ("2026-01-15 09:00:00", "2026-01-15 09:01:30")
    assert run(seed=8, at=at)["records"] != first["records"]
    assert run(seed=7, at="2026-01-15T10:00:00+01:00") == first


def test_30_the_clock_is_stopped_and_started(instance, create):
    instance.control.post("clock/stop")
    stopped = instance.control.get("clock")
    made = [create(short_description=str(place))["sys_created_on"] for place in range(3)]
    assert instance.control.get("clock") == stopped
    assert stopped["runs"] is False
    assert len(set(made)) == 1

    instance.control.post("clock/start")
    while instance.control.get("clock")["now"] == stopped["now"]:
        pass
    assert instance.control.get("clock")["runs"] is True
    assert requests.post(f"{instance.url}/_control/clock/wind", timeout=5).status_code == 404


def test_30_reset_makes_it_new(tmp_path, authority):
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with Sandbox(seed=7, at="2026-01-15T09:00:00Z") as sandbox, contextlib.ExitStack() as stack:
        begun = requests.get(f"{sandbox.url}/_control/state", timeout=5).json()
        instance = Instance(sandbox, tmp_path / "authority.pem", stack)
        first = _history(sandbox, stack, tmp_path / "authority.pem")
        instance.settings(rules=[{"name": "x", "table": "task", "abort": "message"}], apiClosed=["*"], rateLimit=1)
        instance.fault(do="html", times=0)

        instance.control.post("reset")

        assert instance.control.get("state") == begun
        assert instance.log() == []
        assert _history(sandbox, stack, tmp_path / "authority.pem") == first


def test_30_the_control_has_a_port_of_its_own_where_it_is_given_one():
    with Sandbox(control_port=0) as sandbox:
        assert sandbox.control_port != sandbox.port
        for path in ("/_control/state", "/"):
            assert requests.get(sandbox.control_url + path, timeout=5).status_code == 200
            assert requests.get(sandbox.url + path, timeout=5).status_code == 403
        assert requests.post(f"{sandbox.url}/_control/reset", timeout=5).status_code == 403
        evil = {"Host": "evil.example"}
        assert requests.get(f"{sandbox.control_url}/_control/state", headers=evil, timeout=5).status_code == 403


def test_30_reset_forgets_who_had_logged_in(instance, token, refused):
    access = token(grant_type="password", username="alex", password="sandbox")
    instance.control.post("reset")

    assert refused(instance.ours(Bearer(lambda: access["access_token"])).find, NUMBER) == ("auth", "no")
    assert token(401, grant_type="refresh_token", refresh_token=access["refresh_token"])


def test_30_the_log_is_whole_and_holds_no_secret(ours, bare, link, instance, token):
    ours.add_note(link, "two\nlines, Größe")
    bare().get({"number": NUMBER}, fields=["number"]).one()
    token(grant_type="password", username="alex", password="sandbox")
    instance.rest("POST", "/attachment/file", data=b"\xff\x00", headers={"Content-Type": "application/octet-stream"})

    looked, note, read, form, upload = instance.log()
    assert (note["method"], note["path"], note["query"]) == ("PATCH", f"/api/now/table/incident/{link.sys_id}", {})
    assert note["body"] == {"work_notes": "two\nlines, Größe"}
    assert (note["status"], note["caller"], note["headers"]["authorization"]) == (200, "pmgitops", "***")
    assert read["query"]["sysparm_query"] == f"number={NUMBER}"
    assert form["body"].split("&")[1:] == ["client_secret=***", "grant_type=password", "username=alex", "password=***"]
    assert (upload["body"], upload["status"]) == ("<2 bytes>", 400)
    assert looked["method"] == "GET"


def test_30_faults_are_a_script_for_each_request(ours, find, link, refused, instance):
    instance.fault(do="status", status=500, method="PATCH", path=f"/incident/{link.sys_id}$", skip=1)
    instance.fault(do="html", method="GET", query=f"number={NUMBER}", times=1)
    ours.add_note(link, "first")
    with pytest.raises(requests.JSONDecodeError):
        find()
    assert find()
    assert refused(ours.add_note, link, "second") == ("server", "unknown")
    ours.add_note(link, "third")

    assert instance.notes(NUMBER) == ["first", "third"]
    assert [entry["fault"] for entry in instance.log()] == [None, None, "html", None, "status", None]
    for wrong in ({"do": "drip", "seconds": -1}, {"do": "bomb", "size": 1 << 40}, {"do": "drip", "seconds": 1e9}):
        assert requests.post(f"{instance.url}/_control/faults", json=wrong, timeout=5).status_code == 400
