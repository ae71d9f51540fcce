"""Kubernetes Events: what was done to a node, and what is in the way.

Each is told twice, of the shadow (in our namespace) and of the node (in ``default``, where events
about nodes are looked for), and the same thing again only after a while.
"""

from __future__ import annotations

import logging
import zlib
from datetime import datetime, timedelta
from enum import StrEnum

from updog.fleet.kubernetes.cluster import Cluster, events_in
from updog.fleet.kubernetes.errors import ApiFailure
from updog.fleet.kubernetes.names import GROUP, KIND, MANAGER, VERSION
from updog.fleet.kubernetes.shadow import Tree
from updog.fleet.kubernetes.store import Store
from updog.fleet.model import State
from updog.fleet.steps import Action, Step

log = logging.getLogger(__name__)

AGAIN = timedelta(minutes=5)
LONGEST = 1000
MOST_REMEMBERED = 20_000


class Told(StrEnum):
    """Reasons of events."""

    STARTED = "UpdateStarted"
    DRAINING = "DrainStarted"
    BLOCKED = "DrainBlocked"
    PERMITTED = "RebootPermitted"
    RESTORED = "NodeRestored"
    RETURNED = "NodeReturned"
    SUCCEEDED = "UpdateSucceeded"
    FAILED = "UpdateFailed"
    WITHDRAWN = "UpdateWithdrawn"
    OVERDUE = "TransitionOverdue"
    UNWELL = "NodeUnwell"
    HALTED = "FleetHalted"


WARNINGS = frozenset({Told.BLOCKED, Told.FAILED, Told.OVERDUE, Told.UNWELL, Told.HALTED})
_OF_STATES = {
    State.REBOOTED: Told.PERMITTED,
    State.MONITORING: Told.RETURNED,
    State.IDLE: Told.WITHDRAWN,
}


def told_of(step: Step, state: State) -> Told:
    """What is told of a step that was taken, which says what state a node is to be in."""
    if step.action is Action.START:
        return Told.STARTED
    if step.setback is not None:
        return Told.FAILED
    return Told.SUCCEEDED if step.settled else _OF_STATES[state]


class Teller:
    """Writes events.

    Args:
        cluster: where.
        store: what is known of nodes and shadows.
    """

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._last: dict[tuple[str, Told, str], datetime] = {}

    async def tell(self, node: str, reason: Told, message: str, now: datetime) -> None:
        """Tell something of a node; a failure to tell it is only logged."""
        key = (node, reason, message)
        last = self._last.get(key)
        if last is not None and now - last < AGAIN:
            return
        if len(self._last) >= MOST_REMEMBERED:
            self._last.clear()
        self._last[key] = now
        level = logging.WARNING if reason in WARNINGS else logging.INFO
        log.log(level, "%s: %s: %s", node, reason, message)
        for event in self._events(node, reason, message, now):
            try:
                space = event["metadata"]["namespace"]
                await self._cluster.create(events_in(space), event)
            except ApiFailure as error:
                log.warning("%s", error)

    def _events(self, node: str, reason: Told, message: str, now: datetime) -> list[Tree]:
        found = []
        shadow, known = self._store.shadows.get(node), self._store.nodes.get(node)
        if shadow is not None:
            about = _reference(shadow, KIND, f"{GROUP}/{VERSION}", self._cluster.namespace)
            found.append(_event(about, reason, message, now, self._cluster.namespace))
        if known is not None:
            about = _reference(known, "Node", "v1", "")
            found.append(_event(about, reason, message, now, "default"))
        return found


def _reference(item: Tree, kind: str, version: str, namespace: str) -> Tree:
    metadata = item["metadata"]
    # kubectl looks for events about a node by its name in the place of its uid.
    uid = metadata["name"] if kind == "Node" else metadata.get("uid", "")
    said = {"kind": kind, "apiVersion": version, "name": metadata["name"], "uid": uid}
    return {**said, "namespace": namespace} if namespace else said


def _event(about: Tree, reason: Told, message: str, now: datetime, namespace: str) -> Tree:
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = zlib.crc32(f"{reason}{message}".encode())
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{about['name']}.{int(now.timestamp() * 1e6):x}.{digest:x}",
            "namespace": namespace,
        },
        "involvedObject": about,
        "reason": reason.value,
        "message": message[:LONGEST],
        "type": "Warning" if reason in WARNINGS else "Normal",
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": MANAGER,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
