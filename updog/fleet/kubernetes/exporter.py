"""Metrics and health over plain HTTP, on a port of their own and without authentication."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


@asynccontextmanager
async def exporting(
    registry: CollectorRegistry, port: int, unwell: Callable[[], str], *, host: str | None = None
) -> AsyncIterator[int]:
    """Serve ``/metrics`` and ``/healthz`` while the block runs.

    Args:
        registry: the figures.
        port: where; any free one for 0.
        unwell: says what is wrong, or nothing.
        host: on which address; None for all, of both families.

    Yields:
        The port.

    Raises:
        OSError: the port cannot be had.
    """

    async def figures(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def health(_request: web.Request) -> web.Response:
        wrong = unwell()
        return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)

    application = web.Application()
    application.add_routes([web.get("/metrics", figures), web.get("/healthz", health)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
