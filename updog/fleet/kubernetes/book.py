"""The ledger in the cluster: a ConfigMap that remembers what a controller must not forget.

People write its annotations (pause, halt), the controller its data. Writes go by the version that
was read, so that a halt that came meanwhile is never overwritten unseen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from updog.fleet.halting import Failure, Ledger, recorded
from updog.fleet.kubernetes.cluster import Cluster
from updog.fleet.kubernetes.errors import CONFLICT, NOT_FOUND, ApiFailure
from updog.fleet.kubernetes.names import HALT, LEDGER, MANAGED_LABEL, MANAGER, PAUSE, RESUMED
from updog.fleet.kubernetes.shadow import Tree, failures_text, ledger_of, written
from updog.fleet.kubernetes.store import version_of


class Book:
    """The ledger, as it was read last.

    Args:
        cluster: where it is kept.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._found: Tree = {"metadata": {}}
        self.ledger = Ledger()

    async def read(self) -> Ledger:
        """Read it.

        Raises:
            ApiFailure: it is not there, or cannot be had.
        """
        self._take(await self._cluster.get(self._cluster.ledgers, LEDGER))
        return self.ledger

    async def open(self, settings: Mapping[str, str], now: datetime) -> None:
        """Begin it if there is none, and note by which rules the controller goes.

        What failed before it was begun does not stop the first rollout.

        Raises:
            ApiFailure: it cannot be read or written.
        """
        try:
            await self.read()
        except ApiFailure as error:
            if error.status != NOT_FOUND:
                raise
            await self._begin(now)
        said = json.dumps(dict(settings), sort_keys=True)
        if self.data("settings") != said:
            await self.write({"settings": said})

    def data(self, name: str) -> str:
        """One of its texts; empty if it is not there."""
        return str((self._found.get("data") or {}).get(name, ""))

    async def record(self, failures: tuple[Failure, ...], halt: str) -> None:
        """Note failures, and that they stopped the rollout.

        Raises:
            ApiFailure: it was not noted.
        """
        data = {"failures": failures_text(recorded(self.ledger, failures))} if failures else {}
        await self.write(data, {HALT: halt} if halt else {})

    async def write(self, data: Tree, notes: Tree | None = None) -> None:
        """Change texts, and annotations.

        Raises:
            ApiFailure: it changed meanwhile (409), or cannot be written.
        """
        patch: Tree = {"metadata": {"annotations": notes or {}}}
        if data:
            patch["data"] = data
        version = version_of(self._found)
        self._take(await self._cluster.merge(self._cluster.ledgers, LEDGER, patch, version))

    async def _begin(self, now: datetime) -> None:
        begun = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": LEDGER,
                "namespace": self._cluster.namespace,
                "labels": {MANAGED_LABEL: MANAGER},
                "annotations": {RESUMED: written(now)},
            },
            "data": {"closed": written(now)},
        }
        try:
            self._take(await self._cluster.create(self._cluster.ledgers, begun))
        except ApiFailure as error:
            if error.status != CONFLICT:
                raise
            await self.read()

    def _take(self, found: Tree) -> None:
        self._found = found
        self.ledger = ledger_of(found)


async def brake(cluster: Cluster, *, halt: str | None = None, pause: str | None = None) -> None:
    """Stop the fleet, by a person's word.

    Raises:
        ApiFailure: there is no ledger, or it cannot be written.
    """
    notes = {HALT: halt, PAUSE: pause}
    said = {name: why for name, why in notes.items() if why is not None}
    await cluster.merge(cluster.ledgers, LEDGER, {"metadata": {"annotations": said}})


async def resume(cluster: Cluster, now: datetime) -> None:
    """Let the fleet go on, whatever stopped it; what failed until now does not stop it again.

    Raises:
        ApiFailure: there is no ledger, or it cannot be written.
    """
    notes = {HALT: None, PAUSE: None, RESUMED: written(now)}
    await cluster.merge(cluster.ledgers, LEDGER, {"metadata": {"annotations": notes}})
