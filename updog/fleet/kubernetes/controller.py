"""The controller: watching, deciding and telling, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from updog.clock import Clock
from updog.fleet.kubernetes.cluster import Cluster
from updog.fleet.kubernetes.errors import ApiFailure
from updog.fleet.kubernetes.exporter import exporting
from updog.fleet.kubernetes.lease import LeaseHolder
from updog.fleet.kubernetes.scheduler import Scheduler
from updog.fleet.kubernetes.settings import Controller as Settings
from updog.fleet.kubernetes.store import Store
from updog.fleet.kubernetes.watching import watch

log = logging.getLogger(__name__)

REFRESH_SECONDS = 300.0
LONGEST_PAUSE = 30.0
STUCK_SECONDS = 180.0


class Controller:
    """A controller.

    Args:
        cluster: where.
        settings: what it goes by.
        clock: tells the time.
    """

    def __init__(self, cluster: Cluster, settings: Settings, clock: Clock) -> None:
        self._cluster = cluster
        self._settings = settings
        self._clock = clock
        self.store = Store(settings.canary, settings.node)
        identity = settings.pod or f"{os.uname().nodename}-{os.getpid()}"
        self._lease = lease = LeaseHolder(cluster, identity, settings.lease, time.monotonic)
        self.scheduler = Scheduler(
            cluster, settings, self.store, clock, time.monotonic, lease.still
        )
        self._failures = 0
        self._alive = time.monotonic()
        self._refreshed: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop.

        Raises:
            OSError: the port of the metrics cannot be had.
            RuntimeError: the watch ended by itself; whoever started us starts us anew.
        """
        async with AsyncExitStack() as stack:
            if self._settings.port:
                registry, port = self.scheduler.metrics.registry, self._settings.port
                await stack.enter_async_context(exporting(registry, port, self.unwell))
            watching = asyncio.create_task(watch(self._cluster, self.store, stop))
            deciding = asyncio.create_task(self._decide(stop))
            keeping = asyncio.create_task(self._lease.keep(stop, self._clock))
            await asyncio.wait({watching, deciding}, return_when=asyncio.FIRST_COMPLETED)
            ended_by_itself = watching.done() and not stop.is_set()
            stop.set()
            await deciding
            await keeping
            with suppress(asyncio.CancelledError):
                await watching
            await self._lease.give_back()
            if ended_by_itself:
                log.info("the watch has ended")

    def unwell(self) -> str:
        """What is wrong with us, for the kubelet; nothing if all is well."""
        silent = time.monotonic() - self._alive
        return f"no step for {silent:.0f} seconds" if silent > STUCK_SECONDS else ""

    async def _decide(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._one(self._step)
            self._alive = time.monotonic()
            pause = self._settings.interval * 2 ** min(self._failures, 10)
            with suppress(TimeoutError):
                longest = max(LONGEST_PAUSE, self._settings.interval)
                await asyncio.wait_for(stop.wait(), min(pause, longest))

    async def _step(self) -> None:
        if not await self._lease.holds(self._clock.now()):
            # What is known may be old when it is our turn, and what was told is.
            self._refreshed = None
            self.scheduler.metrics.silence()
            return
        moment = time.monotonic()
        if self._refreshed is None:
            await self.scheduler.begin()
            self._refreshed = moment
        elif moment - self._refreshed >= REFRESH_SECONDS:
            await self.scheduler.refresh()
            self._refreshed = moment
        await self.scheduler.step()

    async def _one(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ApiFailure as error:
            self._failures += 1
            self.scheduler.metrics.error()
            log.warning("%s", error)
        else:
            self._failures = 0
