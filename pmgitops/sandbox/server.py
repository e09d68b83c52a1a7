"""The sandbox as a running server: one socket on loopback, one thread."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import application
from .clock import read_instant
from .world import World

_HOST = "127.0.0.1"
_PATIENCE = 10.0
_TICK = 0.1


class Sandbox:
    """`with Sandbox() as sandbox:` serves on loopback until the block ends; port 0 takes any free one.

    `seed` decides all ids; `at` (RFC 3339, with an offset) stops the clock there, so that nothing depends on when it
    runs. With `tls`, the server's side of a handshake, both services answer https too, on a port of their own which
    controls nothing; a client certificate that it has checked logs in the user of its common name. With `control_port`
    the page and `/_control` move there, away from the services. `inventory` is what discovery finds: `small` or
    `large`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        state: Path | None = None,
        seed: int = 0,
        at: str = "",
        tls: ssl.SSLContext | None = None,
        inventory: str = "small",
        control_port: int | None = None,
    ) -> None:
        self._wanted, self._wanted_control, self._state, self._seed, self._tls = port, control_port, state, seed, tls
        self._at = read_instant(at) if at else None
        self._inventory = inventory
        self.port, self.secure_port, self.control_port = port, 0, control_port or port

    @property
    def servicenow_host(self) -> str:
        """What a ServiceNow client takes for its instance's host; plain http."""
        return f"{_HOST}:{self.port}"

    @property
    def secure_host(self) -> str:
        """The same, for https."""
        return f"{_HOST}:{self.secure_port}"

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{self.servicenow_host}"

    @property
    def control_url(self) -> str:
        """Where `/_control` is."""
        return f"http://{_HOST}:{self.control_port}"

    @property
    def graph_url(self) -> str:
        """What stands for `https://graph.microsoft.com/beta`."""
        return f"{self.url}/beta"

    def __enter__(self) -> Self:
        """Serve; when this returns, the first request is answered."""
        plain = _listen(self._wanted)
        self.port = self.control_port = plain.getsockname()[1]
        self._sockets = [plain]
        if self._wanted_control is not None:
            self._sockets.append(_listen(self._wanted_control))
            self.control_port = self._sockets[-1].getsockname()[1]
        self._world = World.open(self._state, self._seed, self._at, self._inventory)
        self._server = _Server(_config(self._world, self.control_port))
        if self._tls:
            secure = _listen(0)
            self.secure_port = secure.getsockname()[1]
            self._server.secure = secure, self._tls
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": self._sockets}, name="sandbox", daemon=True
        )
        self._thread.start()
        self._wait_until_served()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and let go of port and file."""
        self._server.stop()
        self._thread.join(_PATIENCE)
        for listener in self._sockets:
            listener.close()
        self._world.store.close()

    def _wait_until_served(self) -> None:
        give_up = time.monotonic() + _PATIENCE
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > give_up:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.001)


def serve(
    port: int,
    state: Path | None,
    ready: Callable[[str], None],
    *,
    seed: int = 0,
    at: str = "",
    inventory: str = "small",
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told the address once it answers; the rest is as for `Sandbox`."""
    stop = threading.Event()

    def ask_to_stop(*_: Any) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(port=port, state=state, seed=seed, at=at, inventory=inventory) as sandbox:
            ready(sandbox.url)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Stops at once: whoever is still connected to a stand-in has gone, or is being kept waiting by a fault."""

    secure: tuple[socket.socket, ssl.SSLContext] | None = None
    """Where to answer https."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's own, which has one kind of socket, and then says that it has started."""
        more = [await self._serve_https(*self.secure)] if self.secure else []
        await super().startup(sockets)
        self.servers += more

    async def _serve_https(self, listener: socket.socket, tls: ssl.SSLContext) -> asyncio.Server:
        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = H11Protocol(config=self.config, server_state=self.server_state, app_state={})
            return made

        return await asyncio.get_running_loop().create_server(protocol, sock=listener, ssl=tls)

    async def main_loop(self) -> None:
        """As uvicorn's own, but it does not sleep on when it is asked to stop."""
        self._loop, self._asked = asyncio.get_running_loop(), asyncio.Event()
        for tick in itertools.count():
            if await self.on_tick(tick):
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _TICK)

    def stop(self) -> None:
        """From another thread."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._asked.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Instead of uvicorn's own, which is polite to connections and so takes a tenth of a second."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio switches Nagle off; without it every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def _config(world: World, control_port: int) -> uvicorn.Config:
    return uvicorn.Config(
        application(world, control_port),
        log_config=None,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        http=H11Protocol,  # the same on every machine, whatever else is installed there
        loop="asyncio",
        # The Host header and the peer's address decide who may control the sandbox: nothing may rewrite them.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
