"""Servers and clients that end with the test; the clients' pauses are short."""

from __future__ import annotations

import contextlib
import socket

import pytest

from pmgitops.targets.permissions_management.client import judge
from pmgitops.tickets import login
from pmgitops.transport import Bearer, Transport
from tests.transport.served import Server

TOKEN = "a-secret-token"


@pytest.fixture
def serve():
    """Start servers that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *script, **options: stack.enter_context(Server(*script, **options))


@pytest.fixture
def client():
    """Make transports whose sockets are closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def make(*, judge=judge, auth=None, session=Transport, **options):
            options = {"pause": 0.001, "deadline": 2.0} | options
            return stack.enter_context(session(auth=auth or Bearer(lambda: TOKEN), judge=judge, **options))

        yield make


@pytest.fixture
def table(client):
    """A session for ServiceNow's Table API."""
    return lambda **options: client(judge=login.judge, session=login.Session, **options)


@pytest.fixture
def unused():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"
