from __future__ import annotations

import base64

import pytest
import requests


@pytest.fixture
def user(sandbox):
    """Who the instance takes a call for, or the status of its refusal."""

    def ask(headers=None, **options):
        session = requests.Session()
        session.trust_env = False
        with session:
            answer = session.post(
                f"{sandbox.url}/api/now/table/incident", json={}, headers=headers, timeout=10, **options
            )
        return answer.json()["result"]["sys_created_by"] if answer.ok else answer.status_code

    return ask


def _token(sandbox, status=200, **form):
    data = {"client_id": "pmgitops", "client_secret": "sandbox", **form}
    answer = requests.post(f"{sandbox.url}/oauth_token.do", data=data, timeout=10)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_basic_names_the_user(user):
    assert user(auth=("pmgitops", "sandbox")) == "pmgitops"
    assert user(auth=("alex", "sandbox")) == "alex"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"pmgitops:wrong").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"nobody:sandbox").decode()},
        {"Authorization": "Bearer made-up"},
        {"x-sn-apikey": "wrong"},
    ],
)
def test_strangers_are_refused_in_the_envelope(sandbox, headers):
    answer = requests.get(f"{sandbox.url}/api/now/table/incident", headers=headers, timeout=10)

    assert answer.status_code == 401
    assert answer.json() == {
        "error": {"message": "User Not Authenticated", "detail": "Required to provide Auth information"},
        "status": "failure",
    }


def test_basic_can_be_switched_off(user, control):
    control.post("settings", basicAuth=False)

    assert user(auth=("pmgitops", "sandbox")) == 401


def test_an_inactive_user_is_refused(sandbox, user):
    answer = requests.get(
        f"{sandbox.url}/api/now/table/sys_user?user_name=megan", auth=("admin", "sandbox"), timeout=10
    ).json()
    url = f"{sandbox.url}/api/now/table/sys_user/{answer['result'][0]['sys_id']}"
    requests.patch(url, json={"active": "false"}, auth=("admin", "sandbox"), timeout=10).raise_for_status()

    assert user(auth=("megan", "sandbox")) == 401


def test_an_api_key_names_the_integration_user(user):
    assert user({"x-sn-apikey": "sandbox"}) == "pmgitops"
    assert user(params={"x-sn-apikey": "sandbox"}) == "pmgitops"


def test_client_credentials_give_a_token_that_expires(sandbox, user, control):
    answer = _token(sandbox, grant_type="client_credentials")
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert user(headers) == "pmgitops"

    control.advance(answer["expires_in"])
    assert user(headers) == 401


def test_a_password_gives_a_refresh_token_that_stays(sandbox, user):
    first = _token(sandbox, grant_type="password", username="alex", password="sandbox")
    second = _token(sandbox, grant_type="refresh_token", refresh_token=first["refresh_token"])

    assert second["refresh_token"] == first["refresh_token"]
    assert user({"Authorization": f"Bearer {second['access_token']}"}) == "alex"


def test_the_token_endpoint_speaks_oauth(sandbox):
    assert _token(sandbox, 401, grant_type="client_credentials", client_secret="wrong")["error"] == "invalid_client"
    assert _token(sandbox, 400, grant_type="telepathy")["error"] == "unsupported_grant_type"
    assert _token(sandbox, 401, grant_type="password", username="alex", password="wrong")["error"] == "server_error"
    as_json = requests.post(f"{sandbox.url}/oauth_token.do", json={"grant_type": "client_credentials"}, timeout=10)
    assert as_json.status_code == 400


def test_cookies_are_given_to_who_has_none(sandbox):
    session = requests.Session()
    session.trust_env, session.auth = False, ("pmgitops", "sandbox")
    with session:
        first = session.get(f"{sandbox.url}/api/now/table/incident")
        second = session.get(f"{sandbox.url}/api/now/table/incident")

    assert set(first.cookies.keys()) == {"JSESSIONID", "glide_user_route"}
    assert "Set-Cookie" not in second.headers


def test_the_log_keeps_no_secret(sandbox, control):
    token = _token(sandbox, grant_type="client_credentials")["access_token"]
    requests.get(
        f"{sandbox.url}/api/now/table/incident",
        params={"x-sn-apikey": "sandbox"},
        headers={"Authorization": f"Bearer {token}", "Cookie": "JSESSIONID=secret"},
        timeout=10,
    )

    log = control.get("log")["log"]

    assert [entry["caller"] for entry in log] == [None, "pmgitops"]
    assert log[0]["body"] == "client_id=pmgitops&client_secret=***&grant_type=client_credentials"
    assert log[1]["query"] == {"x-sn-apikey": "***"}
    assert log[1]["headers"]["authorization"] == log[1]["headers"]["cookie"] == "***"
    assert token not in str(log)
