"""A server that does exactly what a test says, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


def answer(status=200, body=b"{}", headers=""):
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def _close(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class Server:
    """Reads one request after another and plays what `script` has for each: bytes to send, seconds to wait, "close".

    The last entry is played for all that come after it.
    """

    def __init__(self, *script, tls=None):
        self.script = list(script)
        self._tls = tls
        self.requests = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._over.set()
        _close(self._listener)
        self._threads[0].join(5)  # from here on there are no new connections
        for connection in self._connections:
            _close(connection)
        for thread in self._threads:
            thread.join(5)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._shake_hands, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _shake_hands(self, connection):
        if self._tls:
            with contextlib.suppress(OSError):
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
        self._serve(connection)

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            while request := self._request(connection):
                self.requests.append((time.monotonic(), request.decode("latin-1")))
                steps = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                for step in steps if isinstance(steps, list) else [steps]:
                    if step == "close":
                        connection.shutdown(socket.SHUT_RDWR)
                        connection.close()
                        return
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif self._over.wait(step):
                        return

    def _request(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def headers(self, name):
        """The values of a header, one of each request."""
        lines = [request.split("\r\n\r\n")[0].split("\r\n") for _, request in self.requests]
        return [
            next((x.split(": ", 1)[1] for x in head if x.lower().startswith(name.lower() + ":")), "") for head in lines
        ]
