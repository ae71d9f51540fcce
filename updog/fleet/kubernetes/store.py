"""What is known of the cluster, between two steps.

Watches are late, and lists may be, so whatever we have written ourselves is put here at once, and
nothing older replaces it: that is the "assumed" part. Objects are kept as far as they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from updog.fleet.kubernetes import shadow as shadows
from updog.fleet.kubernetes.shadow import Tree
from updog.fleet.model import NodeView


class Store:
    """Nodes and their shadows.

    Args:
        canary: the selector of canaries.
        host: the node on which the controller runs.
    """

    def __init__(self, canary: str, host: str) -> None:
        self._canary = canary
        self._host = host
        self.nodes: dict[str, Tree] = {}
        self.shadows: dict[str, Tree] = {}
        """By the name of the node."""
        self._views: dict[str, NodeView] = {}

    def put_node(self, node: Mapping[str, Any]) -> None:
        """Take over a node, unless a newer one is known."""
        name = node["metadata"]["name"]
        if _newer(node, self.nodes.get(name)):
            self.nodes[name] = _slim(node)
            self._see(name)

    def put_shadow(self, shadow: Mapping[str, Any]) -> None:
        """Take over a shadow, unless a newer one is known."""
        name, _uid = shadows.owner(shadow)
        if name and _newer(shadow, self.shadows.get(name)):
            self.shadows[name] = _slim(shadow)
            self._see(name)

    def drop_node(self, name: str, uid: str) -> None:
        """Forget a node that is gone, unless its successor is known already."""
        known = self.nodes.get(name)
        if known is not None and known["metadata"].get("uid") == uid:
            del self.nodes[name]
            self._see(name)

    def drop_shadow(self, name: str, uid: str) -> None:
        """The same for the shadow of a node."""
        known = self.shadows.get(name)
        if known is not None and known["metadata"].get("uid") == uid:
            del self.shadows[name]
            self._see(name)

    def replace(self, nodes: Iterable[Tree], found: Iterable[Tree]) -> None:
        """Take over complete lists: what is not in them is gone."""
        nodes, found = list(nodes), list(found)
        for node in nodes:
            self.put_node(node)
        for shadow in found:
            self.put_shadow(shadow)
        there = {each["metadata"]["uid"] for each in (*nodes, *found)}
        for name, known in list(self.nodes.items()):
            self.drop_node(name, _unless(known, there))
        for name, known in list(self.shadows.items()):
            self.drop_shadow(name, _unless(known, there))

    def views(self) -> list[NodeView]:
        """All nodes as the policy sees them."""
        return list(self._views.values())

    def view(self, name: str) -> NodeView | None:
        """One of them."""
        return self._views.get(name)

    def missing(self) -> list[Tree]:
        """Nodes that take part and have no shadow."""
        return [
            node
            for name, node in self.nodes.items()
            if name not in self.shadows and shadows.is_managed(node)
        ]

    def obsolete(self) -> list[Tree]:
        """Shadows that we made for nodes that take part no longer.

        Those of nodes that are gone are left to the garbage collector.
        """
        return [
            shadow
            for name, shadow in self.shadows.items()
            if name in self.nodes
            and not shadows.is_managed(self.nodes[name])
            and shadows.is_ours(shadow)
        ]

    def _see(self, name: str) -> None:
        node, shadow = self.nodes.get(name), self.shadows.get(name)
        if shadow is not None:
            self._views[name] = shadows.view(node, shadow, canary=self._canary, host=self._host)
            return
        marks = shadows.marks_of(node) if node is not None else None
        if marks is not None and marks.any:
            # Nobody remembers it, but what we did to it still stands there.
            self._views[name] = NodeView(name, marks=marks, gone=True)
        else:
            self._views.pop(name, None)


def version_of(item: Mapping[str, Any]) -> str:
    """The `resourceVersion` of an object."""
    return str(item["metadata"].get("resourceVersion", ""))


def _newer(item: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    """Whether an object may replace what is known.

    Versions are numbers that only grow, over all objects of a kind: one that was made again under
    the same name has a higher one. What is no number is believed.
    """
    if known is None:
        return True
    new, old = version_of(item), version_of(known)
    return not (new.isdigit() and old.isdigit()) or int(new) >= int(old)


def _unless(known: Tree, there: set[str]) -> str:
    uid = str(known["metadata"].get("uid"))
    return "" if uid in there else uid


_KEPT = ("name", "uid", "resourceVersion", "labels", "annotations", "ownerReferences", "namespace")


def _slim(item: Mapping[str, Any]) -> Tree:
    """What is needed of an object; nodes carry lists of images that are longer than all else."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    metadata = {key: item["metadata"][key] for key in _KEPT if key in item["metadata"]}
    if item.get("kind") != "Node":
        return {"metadata": metadata, "spec": dict(spec), "status": dict(status)}
    ready = [each for each in status.get("conditions") or [] if each.get("type") == "Ready"]
    return {
        "kind": "Node",
        "metadata": metadata,
        "spec": {"unschedulable": bool(spec.get("unschedulable"))},
        "status": {"conditions": ready},
    }
