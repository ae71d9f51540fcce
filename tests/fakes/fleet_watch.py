"""An observer of every write to a cluster: what the operator must never do, at any moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.fakes.kube.api import ADMIN
from tests.fakes.kube.eviction import is_ready
from tests.fakes.kube.resources import Object
from tests.fakes.kube.server import Kube
from tests.fakes.kube.store import Change
from updog.fleet.kubernetes.names import CORDONED_BY, EXCLUDED_BY, EXCLUSION_LABEL

NODES = ("", "nodes")
PERSONS = ("kubernetes-admin", ADMIN)
"""Whose writes are those of people, or of the cluster itself."""


@dataclass
class Watch:
    """What was seen, and what of it was wrong.

    Attributes:
        kube: the server.
        at_most: how many nodes may be unavailable because of the operator.
        excluding: whether load balancers have to leave a node out before it goes down.
        wrongs: in words, what must not have happened.
        most: how many nodes were unavailable because of the operator at the worst moment.
        touched: nodes that the operator has ever cordoned.
        restarted: nodes that went down.
        persons: nodes that a person has cordoned.
        excluded: nodes that a person has excluded from load balancers.
    """

    kube: Kube
    at_most: int
    excluding: bool = False
    wrongs: list[str] = field(default_factory=list)
    most: int = 0
    touched: set[str] = field(default_factory=set)
    restarted: list[str] = field(default_factory=list)
    persons: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    _ours: set[str] = field(default_factory=set)
    _down: set[str] = field(default_factory=set)

    def see(self, change: Change) -> None:
        """One write; called under the server's lock, before anybody can act on it."""
        if change.key.place != NODES or change.type == "DELETED":
            return
        name, new = change.key.name, change.new
        was = bool(change.old and change.old.get("spec", {}).get("unschedulable"))
        is_ = bool(new.get("spec", {}).get("unschedulable"))
        if is_ and not was:
            self._cordoned(name, change.by)
        if was and not is_:
            self._uncordoned(name, change.by)
        if is_excluded(new) and not (change.old and is_excluded(change.old)):
            if change.by in PERSONS:
                self.excluded.add(name)
        elif name in self.excluded and not is_excluded(new):
            self.wrongs.append(f"{change.by} took a person's exclusion from {name}")
        if is_ready(new) and not (change.old and is_ready(change.old)):
            self._down.discard(name)
        self._count()

    def _cordoned(self, name: str, by: str) -> None:
        if by in PERSONS:
            self.persons.add(name)
            return
        self._ours.add(name)
        self.touched.add(name)

    def _uncordoned(self, name: str, by: str) -> None:
        if by in PERSONS:
            self.persons.discard(name)
            return
        if name in self.persons:
            self.wrongs.append(f"{by} took a person's cordon from {name}")
        self._ours.discard(name)

    def _count(self) -> None:
        unavailable = self._ours | self._down
        self.most = max(self.most, len(unavailable))
        if len(unavailable) > self.at_most:
            self.wrongs.append(f"unavailable at once: {sorted(unavailable)}")

    def goes_down(self, name: str) -> None:
        """A machine is about to stop: nobody may be on it who was not asked to go."""
        with self.kube.api.store.lock:
            self.restarted.append(name)
            self._down.add(name)
            left = [
                each["metadata"]["name"] for each in self.kube.all("pods") if _stays(each, name)
            ]
            if left:
                self.wrongs.append(f"{name} restarts under {left}")
            found = self.kube.get("nodes", name)
            if not found["spec"].get("unschedulable"):
                self.wrongs.append(f"{name} restarts without a cordon")
            if self.excluding and not is_excluded(found):
                self.wrongs.append(f"{name} restarts while load balancers send to it")
            self._count()

    def marked_by_us(self) -> list[str]:
        """Nodes that still carry a mark of the operator."""
        return [
            each["metadata"]["name"]
            for each in self.kube.all("nodes")
            if {CORDONED_BY, EXCLUDED_BY} & set(each["metadata"].get("annotations") or {})
        ]


def is_excluded(node: Object) -> bool:
    """Whether load balancers are to leave a node out."""
    return EXCLUSION_LABEL in (node["metadata"].get("labels") or {})


def _stays(item: Object, node: str) -> bool:
    """Whether a pod is on a node and belongs to nothing that is on every node."""
    if item["spec"].get("nodeName") != node:
        return False
    owners = item["metadata"].get("ownerReferences") or []
    daemon = any(each["kind"] == "DaemonSet" for each in owners)
    return not daemon and item["status"]["phase"] not in ("Succeeded", "Failed")
