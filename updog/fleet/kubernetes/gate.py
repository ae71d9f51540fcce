"""The gate behind a restart: whether a node is well, and since when."""

from __future__ import annotations

from datetime import datetime

from updog.fleet.judging import Wellness
from updog.fleet.kubernetes.cluster import PODS, Cluster
from updog.fleet.kubernetes.pods import is_ready
from updog.fleet.model import NodeView


class Gate:
    """Looks at nodes that came back.

    A node that has none of the chosen pods is well: those of a Deployment need not be everywhere.
    Where there are none in the whole cluster, no node is: a gate that a slip of the pen has taken
    away would let a bad version through to all of them.

    Args:
        cluster: where.
        chosen: the label selector of pods that must be Ready on a node; empty for none.
    """

    def __init__(self, cluster: Cluster, chosen: str) -> None:
        self._cluster = cluster
        self._chosen = chosen
        self._since: dict[str, datetime] = {}
        self._found = False

    async def look(self, node: NodeView, now: datetime) -> tuple[Wellness, datetime | None]:
        """How a node is, and since when it is well without interruption.

        Raises:
            ApiFailure: its pods cannot be had.
        """
        wellness = await self._wellness(node)
        if wellness.why:
            self.forget(node.name)
        else:
            self._since.setdefault(node.name, now)
        return wellness, self._since.get(node.name)

    def forget(self, node: str) -> None:
        """Whatever is remembered of a node is over."""
        self._since.pop(node, None)

    async def _wellness(self, node: NodeView) -> Wellness:
        if not (self._chosen and node.ready):
            return Wellness(node.ready)
        here = await self._cluster.all(
            PODS, labels=self._chosen, fields=f"spec.nodeName={node.name}"
        )
        if not (here or await self._are_anywhere()):
            return Wellness(node.ready, nowhere=self._chosen)
        unready = (each["metadata"] for each in here if not is_ready(each))
        return Wellness(
            node.ready, tuple(f"{each.get('namespace')}/{each['name']}" for each in unready)
        )

    async def _are_anywhere(self) -> bool:
        """Whether there are, or were, chosen pods; once seen, a wrong selector is ruled out."""
        self._found = self._found or bool(await self._cluster.all(PODS, labels=self._chosen))
        return self._found
