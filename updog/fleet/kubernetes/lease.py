"""Who may decide: the holder of a Lease, so that two controllers never count side by side.

A second replica waits and takes over; so does the successor of one whose node was lost and still
runs. A lease says nothing about clocks of others: it has run out when it was not renewed for its
whole length by our own clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from updog.clock import Clock
from updog.fleet.kubernetes.cluster import Cluster
from updog.fleet.kubernetes.errors import CONFLICT, NOT_FOUND, ApiFailure
from updog.fleet.kubernetes.names import LEASE
from updog.fleet.kubernetes.shadow import Tree
from updog.fleet.kubernetes.store import version_of

log = logging.getLogger(__name__)

RENEWALS = 3
"""Attempts to renew within the length of a lease."""


class LeaseHolder:
    """Takes, renews and gives back the lease.

    Args:
        cluster: where it is.
        identity: who we are; the same again after a restart takes over at once.
        seconds: how long a lease lasts; 0 needs none.
        monotonic: tells seconds that never step back.
    """

    def __init__(
        self, cluster: Cluster, identity: str, seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._cluster = cluster
        self._identity = identity
        self._seconds = seconds
        self._monotonic = monotonic
        self._renewed: float | None = None
        self._seen: tuple[str, float] = ("", 0.0)
        self._lock = asyncio.Lock()

    async def holds(self, now: datetime) -> bool:
        """Whether we may decide now; takes or renews the lease where that is due.

        Raises:
            ApiFailure: the lease cannot be had.
        """
        if not self._seconds:
            return True
        async with self._lock:
            return await self._holds(now)

    def still(self) -> bool:
        """Whether nobody else can have taken over since it was renewed."""
        if not self._seconds:
            return True
        return self._renewed is not None and self._monotonic() - self._renewed < self._seconds

    async def keep(self, stop: asyncio.Event, clock: Clock) -> None:
        """Renew it in time, however long a step takes, until told to stop."""
        while self._seconds and not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._seconds / RENEWALS)
            if self._renewed is not None and not stop.is_set():
                try:
                    await self.holds(clock.now())
                except ApiFailure as error:
                    log.warning("%s", error)

    async def _holds(self, now: datetime) -> bool:
        moment = self._monotonic()
        if self._renewed is not None and moment - self._renewed < self._seconds / RENEWALS:
            return True
        try:
            await self._take(now, moment)
        except ApiFailure as error:
            if error.status != CONFLICT:
                raise
            self._renewed = None
        return self._renewed is not None

    async def give_back(self) -> None:
        """Let the next one take over at once; a failure to say so only costs time."""
        if not self._seconds or self._renewed is None:
            return
        self._renewed = None
        try:
            await self._cluster.merge(
                self._cluster.leases, LEASE, {"spec": {"holderIdentity": None}}
            )
        except ApiFailure as error:
            log.info("%s", error)

    async def _take(self, now: datetime, moment: float) -> None:
        try:
            found = await self._cluster.get(self._cluster.leases, LEASE)
        except ApiFailure as error:
            if error.status != NOT_FOUND:
                raise
            await self._cluster.create(self._cluster.leases, self._tree(now))
            self._renewed = moment
            return
        if not self._free(found, moment):
            self._renewed = None
            return
        spec = {"spec": self._tree(now)["spec"]}
        await self._cluster.merge(self._cluster.leases, LEASE, spec, version_of(found))
        self._renewed = moment

    def _free(self, found: Tree, moment: float) -> bool:
        holder = (found.get("spec") or {}).get("holderIdentity") or ""
        if holder in {"", self._identity}:
            return True
        version = version_of(found)
        if version != self._seen[0]:
            self._seen = (version, moment)
            log.info("%s decides; waiting", holder)
        return moment - self._seen[1] >= self._seconds

    def _tree(self, now: datetime) -> Tree:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE, "namespace": self._cluster.namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": max(int(self._seconds), 1),
                "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
