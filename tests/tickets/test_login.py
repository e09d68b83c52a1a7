"""Logging in: Basic, OAuth client credentials, API key; and that a refused login is tried once."""

from __future__ import annotations

import contextlib

import pytest
from requests.auth import HTTPBasicAuth

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError, UsageError
from pmgitops.secrets import Secrets
from pmgitops.tickets.login import ApiKey, session
from pmgitops.tickets.servicenow import ServiceNow
from pmgitops.transport import Bearer

NUMBER = "INC1234567"
WAYS = {
    "basic": ({"servicenow_user": "pmgitops", "servicenow_password": "sandbox"}, HTTPBasicAuth),
    "oauth": ({"servicenow_client_id": "pmgitops", "servicenow_client_secret": "sandbox"}, Bearer),
    "key": ({"servicenow_api_key": "sandbox"}, ApiKey),
}


@pytest.fixture
def instance_of(instance, monkeypatch):
    """Log in with these secrets alone."""
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"PMGITOPS_SERVICENOW_{name}")
    with contextlib.ExitStack() as stack:

        def make(**secrets):
            made = stack.enter_context(session(Secrets(**secrets), instance.host))
            made.pause = 0.001
            return ServiceNow(instance.host, made)

        yield make


def asked(instance, path=""):
    return [entry for entry in instance.control("GET", "log")["log"] if path in entry["path"]]


@pytest.mark.parametrize("way", WAYS)
def test_each_way(instance_of, instance, way):
    secrets, kind = WAYS[way]
    client = instance_of(**secrets)
    assert isinstance(client._client.session.auth, kind)

    (record,) = client.find(NUMBER)
    client.add_note(record.link("ServiceNow"), "x")

    assert {entry["caller"] for entry in asked(instance, "/api/now")} == {"pmgitops"}
    assert len(asked(instance, "oauth_token")) == (1 if way == "oauth" else 0)


def test_the_strongest_of_several_is_used(instance_of):
    everything = {name: value for secrets, _ in WAYS.values() for name, value in secrets.items()}
    assert isinstance(instance_of(**everything)._client.session.auth, ApiKey)


@pytest.mark.parametrize(
    "secrets", [{}, {"servicenow_user": "x"}, {"servicenow_password": "x"}, {"servicenow_client_id": "x"}]
)
def test_none_is_told_before_anything_is_sent(instance_of, instance, secrets):
    with pytest.raises(UsageError, match="no credentials") as error:
        instance_of(**secrets)
    assert "PMGITOPS_SERVICENOW" in error.value.hint or "_API_KEY" in error.value.hint
    assert asked(instance) == []


WRONG = {
    "basic": {"servicenow_user": "pmgitops", "servicenow_password": "wrong"},
    "oauth": {"servicenow_client_id": "pmgitops", "servicenow_client_secret": "wrong"},
    "key": {"servicenow_api_key": "wrong"},
}


@pytest.mark.parametrize("way", WRONG)
def test_a_refused_login_is_tried_once(instance_of, instance, ours, way):
    """However many tickets there are to read and notes to write: the account would be locked."""
    link = ours.find(NUMBER)[0].link("ServiceNow")
    before = len(asked(instance))
    client = instance_of(**WRONG[way])
    for call in (lambda: client.find(NUMBER), lambda: client.find("INC0000007"), lambda: client.add_note(link, "x")):
        with pytest.raises(PermanentRemoteError) as error:
            call()
        assert (error.value.code, error.value.status, error.value.commit) == ("auth", 401, Commit.NO)
        assert "wrong" not in str(error.value) + error.value.hint
        assert "PMGITOPS_SERVICENOW_" in error.value.hint

    assert len(asked(instance)) - before == 1


@pytest.mark.parametrize("way", WAYS)
def test_secrets_stay_out_of_everything(instance_of, instance, way):
    client = instance_of(**WAYS[way][0])
    instance.fault(do="status", status=500, times=0)
    with pytest.raises(RemoteError) as error:
        client.find(NUMBER)

    assert "sandbox" not in f"{error.value} {error.value.hint} {vars(error.value)}"
    assert "sandbox" not in repr(Secrets(**WAYS[way][0]))


@pytest.mark.parametrize(
    ("status", "kind"), [(503, TemporaryRemoteError), (429, TemporaryRemoteError), (400, PermanentRemoteError)]
)
def test_a_token_that_cannot_be_had(instance_of, instance, ours, status, kind):
    """Whatever the call was for, it was not made."""
    link = ours.find(NUMBER)[0].link("ServiceNow")
    client = instance_of(**WAYS["oauth"][0])
    instance.fault(do="status", status=status, path="oauth_token", times=0)

    with pytest.raises(kind) as error:
        client.add_note(link, "x")

    assert error.value.commit is Commit.NO
    assert instance.notes(NUMBER) == []


def test_a_token_service_that_comes_back_is_asked_again(instance_of, instance):
    client = instance_of(**WAYS["oauth"][0])
    instance.fault(do="status", status=503, path="oauth_token", times=1)

    assert client.find(NUMBER)


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": None}, {"error": "x"}])
def test_an_answer_without_a_token(instance_of, instance, body):
    instance.fault(do="status", status=200, body=body, contentType="application/json", path="oauth_token", times=0)
    client = instance_of(**WAYS["oauth"][0])

    with pytest.raises(PermanentRemoteError, match="no access token"):
        client.find(NUMBER)


def test_a_token_is_fetched_again_before_it_expires(instance_of, instance, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("pmgitops.tickets.login.time.monotonic", lambda: now[0])
    client = instance_of(**WAYS["oauth"][0])
    for later, tokens in ((0, 1), (1600, 1), (100, 2)):
        now[0] += later
        instance.control("POST", "advance", {"seconds": later})
        assert client.find(NUMBER)
        assert len(asked(instance, "oauth_token")) == tokens


def test_a_form_and_nothing_else_is_sent_for_a_token(instance_of, instance):
    instance_of(**WAYS["oauth"][0]).find(NUMBER)

    (token,) = asked(instance, "oauth_token")
    assert token["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert token["body"] == "grant_type=client_credentials&client_id=pmgitops&client_secret=***"
    assert token["query"] == {}
    assert "authorization" not in token["headers"]


def test_basic_where_the_instance_forbids_it(instance_of, instance):
    instance.settings(basicAuth=False)
    with pytest.raises(PermanentRemoteError, match="User Not Authenticated"):
        instance_of(**WAYS["basic"][0]).find(NUMBER)


def test_a_user_name_in_any_letters(instance_of, instance):
    instance.ticket(**{"class": "sys_user", "user_name": "jürgen", "number": "x"})
    assert instance_of(servicenow_user="jürgen", servicenow_password="sandbox").find(NUMBER)
