"""A network that does what a script says, in front of the sandbox: raw sockets, one thread for each connection."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

HTML = b"<!DOCTYPE html><title>Sign in</title><h1>Sign in to continue</h1>"

FAULTS = (
    *("refuse", "reset-before", "reset-after", "429", "503-before", "503-after", "500-after"),
    *("slow", "cut", "html-before", "html-after", "wrong-json", "late"),
)
"""What may become of an exchange. `before` and `after` say whether the service has handled it when things go wrong;
`late` that it does so only when the caller has given up.
"""
KILLS = ("kill-before", "kill-after")
STOPS = ("stop-before", "stop-after")
"""The runner sleeps (SIGSTOP) from here on; what it has asked for is answered all the same."""


@dataclass(frozen=True)
class Exchange:
    """One request that came through; `number` counts from 1."""

    number: int
    method: str
    path: str
    body: bytes = b""

    @property
    def kind(self) -> str:
        """What it is for pmgitops."""
        ticket = self.path.startswith("/api/")
        if self.method == "GET":
            return "ticket-read" if ticket else "read"
        if ticket:
            return "file" if self.path.startswith("/api/now/attachment/") else "note"
        return "cancel" if self.path.endswith("/cancelAll") else "send"


Script = Callable[[Exchange], str]
Request = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers, body."""


def nothing(_: Exchange) -> str:
    """The script of a network that works."""
    return ""


class Proxy:
    """Forwards to port `upstream` on loopback; `script` says what goes wrong with each exchange, "" for nothing."""

    def __init__(self) -> None:
        self.upstream = 0
        self.script: Script = nothing
        self.kill: Callable[[], None] = lambda: None
        self.stop: Callable[[], None] = lambda: None
        self.seen: list[Exchange] = []
        self.late = 1.3
        self._under_way = 0
        self._hung_up = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in list(self._connections):
            _reset(connection)

    def begin(self, script: Script = nothing) -> None:
        """Count anew, and play another script."""
        with self._lock:
            self.seen, self.script = [], script

    def hang_up(self) -> None:
        """Let go of those who hang."""
        self._hung_up.set()
        self._hung_up = threading.Event()

    def rest(self, patience: float = 30.0) -> None:
        """Wait until nothing is under way that will still arrive: time moves here as it does for the runners."""
        until = time.monotonic() + patience
        while self._under_way and time.monotonic() < until:
            time.sleep(0.02)

    # Serving

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        with contextlib.suppress(OSError), connection:
            while head := _head(connection):
                first, headers, body = head
                method, path, _ = first.split(" ")
                with self._lock:
                    exchange = Exchange(len(self.seen) + 1, method, path, body)
                    self.seen.append(exchange)
                    deed = self.script(exchange)
                    self._under_way += deed != "hanging"
                try:
                    if not self._play(deed, connection, upstream, (method, path, headers, body)):
                        break
                finally:
                    with self._lock:
                        self._under_way -= deed != "hanging"
        self._connections.discard(connection)
        upstream.close()

    def _play(
        self,
        deed: str,
        connection: socket.socket,
        upstream: http.client.HTTPConnection,
        request: Request,
    ) -> bool:
        """Do what the script says; whether the connection lives on."""
        if deed == "hanging":
            self._hung_up.wait(60)
            return False
        time.sleep({"slow": 0.3, "late": self.late}.get(deed, 0))
        if deed == "stop-before":
            self.stop()
        if deed in INSTEAD:
            connection.sendall(INSTEAD[deed])
            return True
        if deed not in ("kill-before", "reset-before", "refuse"):
            status, kind, body = _forwarded(upstream, request)
            if deed == "stop-after":
                self.stop()
            if deed not in ("kill-after", "reset-after"):
                connection.sendall(_garbled(deed, status, kind, body))
                return deed != "cut"
        if deed == "refuse":
            self._refuse(connection)
        elif deed.startswith("kill"):
            self.kill()
        else:
            _reset(connection)
        return False

    def _refuse(self, connection: socket.socket) -> None:
        """Nobody listens for a while, and who was connected is thrown out."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            _reset(connection)
        time.sleep(0.15)
        with self._lock:
            self._listener = self._listen(self.port)


def _head(connection: socket.socket) -> tuple[str, dict[str, str], bytes] | None:
    """The first line, the headers and the body of the next request; None where the caller has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int(headers.get("Content-Length", "0"))
    while len(body) < length:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        body += chunk
    return first, headers, body


def _forwarded(upstream: http.client.HTTPConnection, request: Request) -> tuple[int, str, bytes]:
    """Status, content type and body of the service's answer; the headers that callers look at ride on the type."""
    method, path, headers, sent = request
    upstream.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        if name.lower() not in {"accept-encoding", "connection"}:
            upstream.putheader(name, value)
    upstream.endheaders(sent)
    answer = upstream.getresponse()
    body = answer.read()
    kept = [f"{name}: {value}" for name, value in answer.headers.items() if name.lower().startswith(("x-", "retry-"))]
    return answer.status, "\r\n".join([answer.headers.get("Content-Type", ""), *kept]), body


def _answer(status: int, body: bytes, kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} {http.client.responses.get(status, '')}\r\n"
    length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
    typed = f"Content-Type: {kind}\r\n" if kind else ""
    return (head + typed + length + extra + "\r\n").encode("latin-1") + body


def _garbled(deed: str, status: int, kind: str, body: bytes) -> bytes:
    """The answer of a service that has handled the request, as it comes through."""
    whole = _answer(status, body, kind)
    match deed:
        case "cut":
            return whole[: -max(1, len(body) // 2)] if body else whole[:20]
        case "503-after" | "500-after":
            return _answer(int(deed[:3]), b'{"error":{"code":"failed"}}')
        case "html-after":
            return _answer(200, HTML, "text/html")
        case "wrong-json":
            return _answer(status if body else 200, b'["not", "what", "was", "asked"]')
    return whole


INSTEAD = {
    "400": _answer(400, b'{"error":{"code":"BadRequest","message":"no such policy"}}'),
    "429": _answer(429, b'{"error":{"code":"429"}}', extra="Retry-After: 1\r\n"),
    "503-before": _answer(503, b'{"error":{"code":"busy"}}'),
    "html-before": _answer(200, HTML, "text/html"),
}
"""What is answered without asking the service."""


def _reset(connection: socket.socket) -> None:
    """Not a goodbye but an RST."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # A thread that reads from it would keep the socket open beneath.
    with contextlib.suppress(OSError):
        connection.close()
