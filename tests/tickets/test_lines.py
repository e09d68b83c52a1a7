"""The way to an instance: signed assertions, client certificates, a private authority, a proxy; for tokens as well."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pmgitops.errors import Commit, PermanentRemoteError, TemporaryRemoteError, UsageError
from pmgitops.secrets import Secrets
from pmgitops.settings import parse
from pmgitops.tickets.login import Tokens, session
from pmgitops.tickets.servicenow import ServiceNow
from tests.tickets.conftest import Instance
from tests.world import World

NUMBER = "INC1234567"
BASIC = {"servicenow_user": "pmgitops", "servicenow_password": "sandbox"}
CLIENT = {"servicenow_client_id": "pmgitops", "servicenow_client_secret": "sandbox"}


@pytest.fixture
def instance(tmp_path, secure):
    return Instance(World(tmp_path, secure), secure)


@pytest.fixture
def reached(secure, monkeypatch):
    """Our client on https, with these secrets and these settings alone."""
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"PMGITOPS_SERVICENOW_{name}")
    with contextlib.ExitStack() as stack:

        def make(secrets, host=f"https://{secure.secure_host}", **line):
            made = stack.enter_context(session(Secrets(**secrets), host, **line))
            made.pause, made.attempts = 0.001, 1
            return ServiceNow(host, made)

        yield make


def asked(instance, path=""):
    return [entry for entry in instance.control("GET", "log")["log"] if path in entry["path"]]


# Whom to trust


@pytest.mark.parametrize("secrets", [BASIC, CLIENT])
def test_a_private_authority(reached, instance, ca, secrets):
    assert reached(secrets, ca=ca).find(NUMBER)
    assert reached({**secrets, "servicenow_ca": ca}, ca="").find(NUMBER)
    assert {entry["caller"] for entry in asked(instance, "/api/")} == {"pmgitops"}


@pytest.mark.parametrize("secrets", [BASIC, CLIENT])
def test_an_authority_that_nobody_named_is_not_trusted(reached, instance, ca, monkeypatch, secrets):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
    monkeypatch.setenv("SSL_CERT_FILE", ca)
    with pytest.raises(PermanentRemoteError, match="is not trusted") as error:
        reached(secrets).find(NUMBER)
    assert (error.value.code, error.value.commit) == ("config", Commit.NO)
    assert asked(instance) == []


def test_with_an_authority_named_no_other_is_trusted(reached, ca, tmp_path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with pytest.raises(PermanentRemoteError, match="is not trusted"):
        reached(BASIC, ca=str(tmp_path / "other.pem")).find(NUMBER)
    with pytest.raises(PermanentRemoteError, match="is not trusted"):  # the environment goes first
        reached({**BASIC, "servicenow_ca": str(tmp_path / "other.pem")}, ca=ca).find(NUMBER)


@pytest.mark.parametrize("name", ["servicenow_ca", "servicenow_certificate"])
@pytest.mark.parametrize("path", ["here.pem", "{}/absent.pem", "{}", "{}/empty.pem"])
def test_files_that_cannot_be_used_are_told_before_anything_is_sent(reached, instance, tmp_path, name, path):
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(UsageError, match=r"is not there|holds no cert|is no cert"):
        reached({**BASIC, name: path.format(tmp_path)})
    assert asked(instance) == []


# Certificates


@pytest.fixture
def certified(authority, tmp_path):
    """A client's certificate: one file of both, or certificate and key."""

    def make(name, *, apart=False):
        made = authority.issue_cert(common_name=name)
        both, only, key = (str(tmp_path / f"{name}.{kind}") for kind in ("pem", "crt", "key"))
        made.private_key_and_cert_chain_pem.write_to_path(both)
        made.cert_chain_pems[0].write_to_path(only)
        made.private_key_pem.write_to_path(key)
        return (
            {"servicenow_certificate": only, "servicenow_certificate_key": key}
            if apart
            else {"servicenow_certificate": both}
        )

    return make


@pytest.mark.parametrize("apart", [True, False])
def test_a_client_certificate_is_a_login(reached, instance, ca, certified, apart):
    (record,) = reached(certified("alex", apart=apart), ca=ca).find(NUMBER)

    assert record.number == NUMBER
    assert [entry["caller"] for entry in asked(instance, "/api/")] == ["alex"]


def test_a_client_certificate_beside_a_token(reached, instance, ca, certified):
    """Both connections show it: an instance may want it before it looks at anything else."""
    client = reached({**certified("alex"), **CLIENT}, ca=ca)
    assert client._client.session.cert
    assert client._client.session.auth._fetch.args[0].cert == client._client.session.cert
    assert client.find(NUMBER)
    assert [entry["caller"] for entry in asked(instance, "/api/")] == ["pmgitops"]


def test_a_certificate_of_nobody_is_tried_once(reached, instance, ca, certified):
    client = reached(certified("nobody"), ca=ca)
    for _ in range(2):
        with pytest.raises(PermanentRemoteError) as error:
            client.find(NUMBER)
        assert (error.value.code, error.value.status) == ("auth", 401)
    assert len(asked(instance)) == 1


def test_a_key_with_a_password_is_refused_and_not_asked_for(reached, ca, certified, tmp_path):
    secrets = certified("alex", apart=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "alex.key").write_bytes(pem(key, password=b"x"))
    with pytest.raises(UsageError, match="is no certificate with its private key"):
        reached(secrets, ca=ca)


def test_a_key_without_its_certificate(reached, certified):
    secrets = certified("alex", apart=True)
    del secrets["servicenow_certificate"]
    with pytest.raises(UsageError, match="without _CERTIFICATE"):
        reached({**BASIC, **secrets})


# Signed assertions


def pem(key, password=None):
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def signed(key, instance):
    """Secrets that sign for alex; the instance knows the public half."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    instance.settings(jwtKey=public.decode())
    return {
        "servicenow_jwt_key": pem(key).decode(),
        "servicenow_client_id": "pmgitops",
        "servicenow_user": "alex",
    }


def test_a_signed_assertion(reached, instance, ca, signed):
    client = reached(signed, ca=ca)
    assert client.find(NUMBER)
    assert client.find(NUMBER)

    assert [entry["caller"] for entry in asked(instance, "/api/")] == ["alex", "alex"]
    (token,) = asked(instance, "oauth_token")
    assert "client_secret" not in token["body"]


def test_what_is_signed(reached, ca, signed, key):
    client = reached({**signed, "servicenow_jwt_key_id": "k1"}, ca=ca)
    form = client._client.session.auth._fetch.args[2]

    one, two = form(), form()

    assert one["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.get_unverified_header(one["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    claims = jwt.decode(one["assertion"], key.public_key(), algorithms=["RS256"], audience="pmgitops")
    assert {name: claims[name] for name in ("iss", "sub", "aud")} == {
        "iss": "pmgitops",
        "sub": "alex",
        "aud": "pmgitops",
    }
    assert claims["exp"] - claims["iat"] <= 600
    assert one["assertion"] != two["assertion"]


def test_the_key_may_stand_in_a_file(reached, ca, signed, tmp_path):
    (tmp_path / "key.pem").write_text(signed["servicenow_jwt_key"])
    assert reached({**signed, "servicenow_jwt_key": str(tmp_path / "key.pem")}, ca=ca).find(NUMBER)


def test_the_environment_holds_several_lines(reached, ca, signed, monkeypatch):
    for name, value in signed.items():
        monkeypatch.setenv(f"PMGITOPS_{name}".upper(), f"\n{value}\n")
    assert reached({}, ca=ca).find(NUMBER)


def test_an_assertion_that_is_refused_is_not_signed_again(reached, instance, ca, signed):
    client = reached({**signed, "servicenow_user": "nobody"}, ca=ca)
    for _ in range(2):
        with pytest.raises(PermanentRemoteError, match="OAuth client") as error:
            client.find(NUMBER)
        assert (error.value.code, error.value.commit) == ("auth", Commit.NO)
        assert "_JWT_KEY" in error.value.hint
    assert len(asked(instance)) == 1


@pytest.mark.parametrize("missing", ["servicenow_client_id", "servicenow_user"])
def test_an_assertion_needs_a_client_and_a_user(reached, signed, missing):
    del signed[missing]
    with pytest.raises(UsageError, match="without _CLIENT_ID or _USER"):
        reached(signed)


@pytest.fixture
def odd_keys(key, tmp_path):
    return {
        "text": "secret-text",
        "absent": str(tmp_path / "absent.pem"),
        "relative": "key.pem",
        "public": key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "another kind": pem(ec.generate_private_key(ec.SECP256R1())).decode(),
        "password": pem(key, password=b"x").decode(),
        "cut": pem(key).decode()[:200],
    }


@pytest.mark.parametrize("which", ["text", "absent", "relative", "public", "another kind", "password", "cut"])
def test_what_is_no_key_is_told_before_anything_is_sent(reached, instance, signed, odd_keys, which):
    with pytest.raises(UsageError, match="is no RSA private key") as error:
        reached({**signed, "servicenow_jwt_key": odd_keys[which]})
    assert odd_keys[which][-30:] not in f"{error.value} {error.value.hint}"
    assert asked(instance) == []


# A token that is refused


def test_a_refused_token_is_renewed_once(reached, instance, ca):
    """An administrator revoked it, or the instance forgot it; a write that was answered 401 did not happen."""
    client = reached(CLIENT, ca=ca)
    link = client.find(NUMBER)[0].link("ServiceNow")
    instance.control("POST", "advance", {"seconds": 1801})

    client.add_note(link, "x")

    assert instance.notes(NUMBER) == ["x"]
    assert len(asked(instance, "oauth_token")) == 2
    assert [entry["status"] for entry in asked(instance, "/api/")] == [200, 401, 200]

    instance.control("POST", "advance", {"seconds": 1801})
    for _ in range(2):
        with pytest.raises(PermanentRemoteError) as error:
            client.add_note(link, "y")
        assert (error.value.code, error.value.commit) == ("auth", Commit.NO)
    assert len(asked(instance, "oauth_token")) == 2
    assert [entry["status"] for entry in asked(instance, "/api/")][3:] == [401]


def test_a_token_that_is_refused_at_once(reached, instance, ca):
    instance.fault(do="status", status=401, path="/api/", times=0)
    client = reached(CLIENT, ca=ca)
    for _ in range(2):
        with pytest.raises(PermanentRemoteError):
            client.find(NUMBER)
    assert len(asked(instance, "oauth_token")) == 2
    assert len(asked(instance, "/api/")) == 2


def test_threads_that_are_refused_together_renew_together():
    """Whoever was refused with the old token tries the new one; nobody fetches a third."""
    made = []

    def fetch():
        made.append(f"token{len(made)}")
        return made[-1], 1800.0

    class Request:
        def __init__(self):
            self.headers = {}

    tokens = Tokens(fetch)
    used, renewed = threading.Barrier(4), []

    def work():
        tokens(Request())
        used.wait(10)
        worth = tokens.renew()
        renewed.append((worth, tokens(Request()).headers["Authorization"]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert renewed == [(True, "Bearer token1")] * 4
    assert made == ["token0", "token1"]
    assert not tokens.renew()


# Proxies


class Relay:
    """A proxy: tunnels to where it is asked to, or answers every request itself."""

    def __init__(self, refusal=b""):
        self.refusal, self.heads = refusal, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _run(self, target, *arguments):
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self._open.append(self._listener.accept()[0])
                self._run(self._serve, self._open[-1])

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head and (piece := client.recv(4096)):
            head += piece
        self.heads.append(head.decode("latin-1"))
        if self.refusal or not head.startswith(b"CONNECT "):
            client.sendall(self.refusal or b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
            return
        host, port = head.split()[1].decode().split(":")
        server = socket.create_connection((host, int(port)))
        self._open.append(server)
        client.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
        self._run(self._copy, server, client)
        self._copy(client, server)

    def _copy(self, source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("secrets", [BASIC, CLIENT])
def test_a_proxy_tunnels_everything(reached, instance, secure, ca, secrets):
    with Relay() as relay:
        client = reached(secrets, ca=ca, proxy=relay.url)
        client.add_note(client.find(NUMBER)[0].link("ServiceNow"), "x")
        heads = relay.heads

    assert instance.notes(NUMBER) == ["x"]
    assert len(heads) == (2 if secrets is CLIENT else 1)
    assert {head.splitlines()[0].rpartition(" ")[0] for head in heads} == {f"CONNECT {secure.secure_host}"}
    assert not any("uthorization" in head for head in heads), "what is for the instance is not for the proxy"


def test_a_proxy_that_wants_a_password(reached, ca):
    with Relay() as relay:
        proxy = relay.url.replace("//", "//alex:pass%20word@")
        assert reached({**BASIC, "servicenow_proxy": proxy}, ca=ca, proxy="http://127.0.0.1:1").find(NUMBER)
        (head,) = relay.heads

    assert f"Proxy-Authorization: Basic {base64.b64encode(b'alex:pass word').decode()}" in head


def test_no_proxy_of_the_environment(reached, ca, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert reached(BASIC, ca=ca).find(NUMBER)


REFUSALS = {
    "password": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "gateway": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "no proxy": b"220 mail.example\r\n\r\n",
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_proxy_that_lets_nobody_through(reached, instance, ca, refusal):
    """Nothing came to the instance, so a note was certainly not written."""
    link = reached(BASIC, ca=ca).find(NUMBER)[0].link("ServiceNow")
    with Relay(REFUSALS[refusal]) as relay:
        proxy = relay.url.replace("//", "//alex:password@")
        client = reached({**BASIC, "servicenow_proxy": proxy}, ca=ca)
        with pytest.raises(TemporaryRemoteError) as error:
            client.add_note(link, "x")

    assert (error.value.code, error.value.commit) == ("unreachable", Commit.NO)
    assert "proxy" in error.value.hint or refusal == "no proxy"
    assert "password" not in f"{error.value} {error.value.hint}"
    assert instance.notes(NUMBER) == []


def test_a_lost_answer_behind_a_proxy_is_doubtful(reached, instance, ca):
    """The tunnel is not the write, and the write is not the tunnel."""
    with Relay() as relay:
        client = reached(BASIC, ca=ca, proxy=relay.url)
        link = client.find(NUMBER)[0].link("ServiceNow")
        instance.fault(do="close", method="PATCH", when="after")
        with pytest.raises(TemporaryRemoteError) as error:
            client.add_note(link, "x")

    assert (error.value.code, error.value.commit) == ("broken", Commit.UNKNOWN)
    assert instance.notes(NUMBER) == ["x"]


def test_a_deadline_behind_a_proxy(reached, instance, ca):
    instance.fault(do="delay", seconds=3600)
    with Relay() as relay:
        client = reached(BASIC, ca=ca, proxy=relay.url)
        client._client.session.deadline = 0.3
        with pytest.raises(TemporaryRemoteError) as error:
            client.find(NUMBER)
    assert error.value.code == "timeout.read"


# The configuration


def configured(**system):
    lines = "".join(f"    {name}: {value!r}\n" for name, value in system.items())
    return parse(f"apiVersion: pmgitops/v1\ntickets:\n  ServiceNow:\n    host: x.example\n{lines}".encode())


def test_the_configuration_names_both():
    system = configured(ca="/etc/ssl/contoso.pem", proxy="http://proxy.example:3128/").tickets["ServiceNow"]
    assert (system.ca, system.proxy) == ("/etc/ssl/contoso.pem", "http://proxy.example:3128")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ca", "contoso.pem"),
        ("ca", "./contoso.pem"),
        ("ca", "../contoso.pem"),
        ("ca", "~/contoso.pem"),
        ("ca", ""),
        ("proxy", "proxy.example:3128"),
        ("proxy", "socks5://proxy.example:1080"),
        ("proxy", "http://alex:password@proxy.example:3128"),
        ("proxy", "http://proxy.example:3128/path"),
        ("proxy", ""),
    ],
)
def test_what_the_configuration_may_not_name(name, value):
    """A relative path would lead to what a pull request brings, and a password has no place in git."""
    with pytest.raises(UsageError):
        configured(**{name: value})
