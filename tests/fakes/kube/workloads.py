"""What keeps a cluster alive besides its API: kubelets, workloads, and the budgets' arithmetic.

`Workloads` plays, in a thread of its own or step by step, what an operator has to live with: pods
that take time to end, that come back on another node, and budgets whose status follows behind.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.eviction import is_ready
from tests.fakes.kube.resources import Object
from tests.fakes.kube.selectors import matching_selector
from tests.fakes.kube.server import Kube

READY = [{"type": "Ready", "status": "True"}]


def node(name: str, labels: dict[str, str] | None = None) -> Object:
    """A node that is ready."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {},
        "status": {"conditions": READY, "capacity": {"pods": "110"}},
    }


def pod(
    name: str,
    on: str,
    *,
    labels: dict[str, str] | None = None,
    owner: Object | None = None,
    namespace: str = "default",
    **spec: Any,
) -> Object:
    """A pod that runs on a node and is ready.

    Args:
        name: its own.
        on: the node.
        labels: its labels.
        owner: the object that controls it, as it is stored.
        namespace: where it is.
        spec: further fields of its spec.
    """
    metadata: Object = {"name": name, "namespace": namespace, "labels": labels or {}}
    if owner is not None:
        metadata["ownerReferences"] = [owned_by(owner)]
    containers = [{"name": "main", "image": "registry.example/app:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": on, "containers": containers, **spec},
        "status": {"phase": "Running", "conditions": READY},
    }


def owned_by(owner: Object) -> Object:
    """The reference of a controlled object to its owner."""
    metadata = owner["metadata"]
    named = {"name": metadata["name"], "uid": metadata["uid"]}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], **named, "controller": True}


def budget(name: str, app: str, namespace: str = "default", **spec: Any) -> Object:
    """A disruption budget over the pods with ``app=...``."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": app}}, **spec},
    }


def replica_set(name: str, replicas: int, namespace: str = "default") -> Object:
    """Pods with ``app=NAME`` that anybody may serve."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }


@dataclass
class Workloads:
    """Kubelets, replica sets and budgets of a server.

    Attributes:
        kube: the server.
        stuck: names of pods that do not end, however long one waits.
        random: which node a pod comes back on.
    """

    kube: Kube
    stuck: set[str] = field(default_factory=set)
    random: Random = field(default_factory=lambda: Random(0))
    _names: Iterator[int] = field(default_factory=count)

    def step(self) -> None:
        """Let everybody do what is due."""
        self.end_pods()
        self.fill()
        self.count()

    def end_pods(self) -> None:
        """Kubelets: pods that shall end do."""
        for each in self.kube.all("pods"):
            metadata = each["metadata"]
            if metadata.get("deletionTimestamp") and metadata["name"] not in self.stuck:
                self.kube.remove("pods", metadata["name"], metadata["namespace"])

    def fill(self) -> None:
        """Replica sets: as many pods as asked for, on nodes that take them."""
        for each in self.kube.all("replicasets"):
            alive = [
                pod for pod in self._pods_of(each) if not pod["metadata"].get("deletionTimestamp")
            ]
            open_nodes = [
                other["metadata"]["name"]
                for other in self.kube.all("nodes")
                if not other.get("spec", {}).get("unschedulable") and is_ready(other)
            ]
            for _ in range(each["spec"]["replicas"] - len(alive) if open_nodes else 0):
                name = f"{each['metadata']['name']}-{next(self._names)}"
                on = self.random.choice(open_nodes)
                labels = each["spec"]["template"]["metadata"]["labels"]
                space = each["metadata"]["namespace"]
                self.kube.create(pod(name, on, labels=labels, owner=each, namespace=space))

    def _pods_of(self, owner: Object) -> list[Object]:
        chosen = matching_selector(owner["spec"]["selector"])
        space = owner["metadata"]["namespace"]
        return [each for each in self.kube.all("pods", space) if chosen(each)]

    def count(self) -> None:
        """Budgets: how many may go now."""
        for each in self.kube.all("poddisruptionbudgets"):
            pods = self._pods_of(each)
            healthy = [
                one
                for one in pods
                if is_ready(one) and not one["metadata"].get("deletionTimestamp")
            ]
            wanted = _wanted(each["spec"], len(pods))
            status = {
                "observedGeneration": each["metadata"]["generation"],
                "expectedPods": len(pods),
                "currentHealthy": len(healthy),
                "desiredHealthy": wanted,
                "disruptionsAllowed": max(0, len(healthy) - wanted),
                "disruptedPods": None,
            }
            name, space = each["metadata"]["name"], each["metadata"]["namespace"]
            self.kube.patch("poddisruptionbudgets", name, {"status": status}, space, sub="status")

    @contextmanager
    def running(self, interval: float = 0.05) -> Iterator[None]:
        """Go on by themselves while the block runs."""
        self.kube.api.pods_end_at_once = False
        over = threading.Event()

        def keep_going() -> None:
            while not over.wait(interval):
                try:
                    self.step()
                except ApiError:
                    # Somebody was quicker; the next round sees what is there now.
                    continue

        thread = threading.Thread(target=keep_going, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _wanted(spec: Object, pods: int) -> int:
    if "minAvailable" in spec:
        return _share(spec["minAvailable"], pods)
    return max(0, pods - _share(spec.get("maxUnavailable", 1), pods))


def _share(said: int | str, of: int) -> int:
    if isinstance(said, int):
        return said
    return math.ceil(of * int(said.rstrip("%")) / 100)
