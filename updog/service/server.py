"""The service as a process: uvicorn on the socket, signs of life for systemd, an end in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from updog.service.keeper import Keeper
from updog.service.notify import Notifier
from updog.service.peers import peer_of

GRACE = 5
"""Seconds that open requests get when the service ends."""
KEEP_ALIVE = 30
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
    """The server, which tells systemd when it answers."""

    def __init__(self, config: uvicorn.Config, notifier: Notifier) -> None:
        super().__init__(config)
        self._notifier = notifier

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._notifier.ready(WAITING)


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
    server = Server(_config(application), notifier)
    beats = asyncio.create_task(_signs_of_life(keeper, notifier))
    try:
        await server.serve(sockets=[listener])
    finally:
        notifier.stopping()
        beats.cancel()
        await keeper.close()


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
