"""The service as a process: uvicorn on the socket, signs of life for systemd, an end in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from updog.notify import Notifier
from updog.service.keeper import Keeper
from updog.service.peers import peer_of

GRACE = 5
"""Seconds that open requests get when the service ends."""
KEEP_ALIVE = 30
SIGNALS = (signal.SIGTERM, signal.SIGINT)
WAITING = "waiting for commands"


class PeerProtocol(H11Protocol):
    """HTTP that knows who is at the other end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask the kernel once; a peer that it does not tell may do nothing."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        peer = None
        with contextlib.suppress(OSError):
            peer = peer_of(connection)
        self.app_state = {**self.app_state, "peer": peer}


class Server(uvicorn.Server):
    """The server, with its beginning and its end."""

    def __init__(self, config: uvicorn.Config, keeper: Keeper, notifier: Notifier) -> None:
        super().__init__(config)
        self._keeper = keeper
        self._notifier = notifier

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order at a signal; uvicorn's own way gives the signal on, and dies of it."""
        loop = asyncio.get_running_loop()
        for each in SIGNALS:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in SIGNALS:
                loop.remove_signal_handler(each)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._notifier.ready(WAITING)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the command under way first: who listens to its progress hears the end of it."""
        self._notifier.stopping()
        await self._keeper.close()
        await super().shutdown(sockets)


async def serve(
    application: ASGIApp, keeper: Keeper, listener: socket.socket, notifier: Notifier
) -> None:
    """Serve until a signal ends it.

    Args:
        application: answers the requests.
        keeper: ends its command in order when the service does.
        listener: the socket, listening.
        notifier: told when the service answers, lives and ends.
    """
    await keeper.begin()
    server = Server(_config(application), keeper, notifier)
    beats = asyncio.create_task(_signs_of_life(keeper, notifier))
    try:
        await server.serve(sockets=[listener])
    finally:
        beats.cancel()


def _config(application: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=PeerProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


async def _signs_of_life(keeper: Keeper, notifier: Notifier) -> None:
    """From the loop that answers requests: where it hangs, they fail to come."""
    every = min(notifier.watchdog / 2, 1.0) if notifier.watchdog else 1.0
    told = None
    while True:
        await asyncio.sleep(every)
        if notifier.watchdog:
            notifier.alive()
        if keeper.running is not told:
            told = keeper.running
            notifier.status(WAITING if told is None else f"at work: {told}")
