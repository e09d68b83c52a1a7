"""The same over TLS: whom we trust, and what is certain when it breaks."""

from __future__ import annotations

import ipaddress
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from tests.transport.served import answer

pytest.importorskip("cryptography")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(folder, *, host="127.0.0.1", days=1):
    """A certificate that is its own authority, and a context to serve it with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    until = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(until - timedelta(days=9))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return str(file), context


@pytest.fixture
def trusting(client):
    def make(file, **options):
        transport = client(**options)
        transport.verify = file
        return transport

    return make


def test_a_trusted_server_is_talked_to(serve, trusting, tmp_path):
    file, tls = certificate(tmp_path)
    server = serve(answer(200, b'{"a": 1}'), tls=tls)
    transport = trusting(file)
    for _ in range(3):
        assert transport.request("GET", server.url).json() == {"a": 1}

    assert len(server.headers("Authorization")) == 3


@pytest.mark.parametrize(
    ("made", "why"),
    [({}, "self-signed"), ({"host": "127.0.0.2"}, "IP address mismatch"), ({"days": -1}, "expired")],
)
def test_another_is_not_sent_anything(serve, client, trusting, tmp_path, made, why):
    """And a person is told what is wrong with it."""
    file, tls = certificate(tmp_path, **made)
    server = serve(answer(), tls=tls)
    transport = trusting(file) if made else client()

    with pytest.raises(PermanentRemoteError, match=f"not trusted: .*{why}") as error:
        transport.request("POST", server.url)

    assert (error.value.code, error.value.commit) == ("config", Commit.NO)
    assert not server.requests


def test_a_plain_port_is_told(sandbox, client):
    with pytest.raises(PermanentRemoteError, match="not trusted") as error:
        client().request("POST", sandbox.url.replace("http", "https"))

    assert (error.value.code, error.value.commit) == ("config", Commit.NO)
    assert error.value.hint


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (["close"], "broken"),
        ([HEAD + b"Content-Length: 9\r\n\r\n{", "close"], "broken"),
        ([5], "timeout.read"),
        ([HEAD + b"X: ", *[b"x", 0.02] * 200], "timeout.read"),
        ([HEAD + b"Content-Length: 999\r\n\r\n", *[b" ", 0.02] * 200], "timeout.read"),
    ],
    ids=["close", "cut", "silence", "dripping headers", "dripping body"],
)
def test_once_sent_a_write_is_unknown(serve, trusting, tmp_path, script, code):
    """An error of TLS after the handshake is no sign that nothing happened."""
    file, tls = certificate(tmp_path)
    server = serve(script, tls=tls)
    begun = time.monotonic()

    with pytest.raises(RemoteError) as error:
        trusting(file, deadline=0.6, attempts=1).request("POST", server.url)

    assert (error.value.code, error.value.commit) == (code, Commit.UNKNOWN)
    assert time.monotonic() - begun < 2  # a drip lasts 4 s
    assert len(server.requests) == 1


def test_a_handshake_that_is_not_finished_did_nothing(serve, client):
    server = serve([5])
    with pytest.raises(TemporaryRemoteError) as error:
        client(deadline=0.3, attempts=1).request("POST", server.url.replace("http", "https"))

    assert (error.value.code, error.value.commit) == ("unreachable", Commit.NO)
