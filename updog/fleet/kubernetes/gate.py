"""The gate behind a restart: whether a node is well, and since when."""

from __future__ import annotations

from datetime import datetime

from updog.fleet.judging import Wellness
from updog.fleet.kubernetes.cluster import PODS, Cluster
from updog.fleet.kubernetes.pods import is_ready
from updog.fleet.model import NodeView


class Gate:
    """Looks at nodes that came back.

    Args:
        cluster: where.
        chosen: the label selector of pods that must be Ready on a node; empty for none.
    """

    def __init__(self, cluster: Cluster, chosen: str) -> None:
        self._cluster = cluster
        self._chosen = chosen
        self._since: dict[str, datetime] = {}

    async def look(self, node: NodeView, now: datetime) -> tuple[Wellness, datetime | None]:
        """How a node is, and since when it is well without interruption.

        Raises:
            ApiFailure: its pods cannot be had.
        """
        wellness = Wellness(node.ready, await self._unready(node))
        if wellness.why:
            self.forget(node.name)
        else:
            self._since.setdefault(node.name, now)
        return wellness, self._since.get(node.name)

    def forget(self, node: str) -> None:
        """Whatever is remembered of a node is over."""
        self._since.pop(node, None)

    async def _unready(self, node: NodeView) -> tuple[str, ...]:
        if not (self._chosen and node.ready):
            return ()
        on_node = f"spec.nodeName={node.name}"
        pods = await self._cluster.all(PODS, labels=self._chosen, fields=on_node)
        return tuple(
            f"{each['metadata'].get('namespace')}/{each['metadata']['name']}"
            for each in pods
            if not is_ready(each)
        )
