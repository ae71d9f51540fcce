"""`BottlerocketShadow` v2, nodes and the ledger between JSON and values. PURE.

Whatever stands in the cluster was written by somebody: a value that cannot be understood counts as
not there, so that one bad object never stops the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from updog.fleet.halting import Failure, Ledger
from updog.fleet.kubernetes.names import (
    CORDONED_BY,
    DRAINED_SINCE,
    EXCLUDED_BY,
    GROUP,
    HALT,
    INTERFACE_LABEL,
    INTERFACE_VERSION,
    KIND,
    MANAGED_LABEL,
    MANAGER,
    PAUSE,
    RESUMED,
    RETRY,
    SETBACK,
    VERSION,
    shadow_name,
)
from updog.fleet.kubernetes.settings import matches
from updog.fleet.model import Marks, NodeView, Setback, Spec, State, Status

Tree: TypeAlias = dict[str, Any]
LONGEST_REASON = 1024


def moment(text: object) -> datetime | None:
    """A time as objects write it; None if it is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def written(at: datetime | None) -> str | None:
    """A time for an object, to the microsecond; None stays None."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def spec_of(shadow: Mapping[str, Any]) -> Spec:
    """What a node shall do."""
    said = shadow.get("spec") or {}
    state = _state(said.get("state")) or State.IDLE
    since = moment(said.get("state_transition_timestamp"))
    return Spec(state, since, str(said.get("version") or ""))


def status_of(shadow: Mapping[str, Any]) -> Status | None:
    """What an agent said; None if it said nothing that can be understood."""
    said = shadow.get("status") or {}
    state = _state(said.get("current_state"))
    if state is None:
        return None
    return Status(
        state,
        str(said.get("current_version") or ""),
        str(said.get("target_version") or ""),
        _count(said.get("crash_count")),
        moment(said.get("state_transition_failure_timestamp")),
        str(said.get("failure_reason") or ""),
    )


def setback_of(shadow: Mapping[str, Any]) -> Setback | None:
    """A failure that the controller noted."""
    said = _json(notes_of(shadow).get(SETBACK))
    at = moment(said.get("at"))
    if at is None:
        return None
    return Setback(_count(said.get("crashes")), at, str(said.get("reason") or ""))


def spec_tree(spec: Spec) -> Tree:
    """A spec as JSON."""
    return {
        "state": spec.state.value,
        "state_transition_timestamp": written(spec.since),
        "version": spec.version or None,
    }


def status_tree(status: Status) -> Tree:
    """A status as JSON; a whole one, so that nothing of an older one is left."""
    return {
        "current_version": status.current,
        "target_version": status.target,
        "current_state": status.state.value,
        "crash_count": status.crashes,
        "state_transition_failure_timestamp": written(status.failed),
        "failure_reason": status.reason[:LONGEST_REASON] or None,
    }


def setback_text(setback: Setback) -> str:
    """A setback as the annotation's text."""
    said = {"crashes": setback.crashes, "at": written(setback.at), "reason": setback.reason}
    return json.dumps(said)


def new_shadow(node: Mapping[str, Any], namespace: str) -> Tree:
    """The shadow of a node that has none."""
    name = node["metadata"]["name"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": shadow_name(name),
            "namespace": namespace,
            "labels": {MANAGED_LABEL: MANAGER},
            "ownerReferences": [owner],
        },
        "spec": spec_tree(Spec()),
    }


def owner(shadow: Mapping[str, Any]) -> tuple[str, str]:
    """Name and uid of the node that a shadow belongs to; empty if it belongs to none."""
    owners = shadow["metadata"].get("ownerReferences") or []
    first = owners[0] if owners else {}
    if first.get("kind") != "Node":
        return "", ""
    return str(first.get("name", "")), str(first.get("uid", ""))


def is_ours(shadow: Mapping[str, Any]) -> bool:
    """Whether we made a shadow, and may delete it."""
    return (shadow["metadata"].get("labels") or {}).get(MANAGED_LABEL) == MANAGER


def is_managed(node: Mapping[str, Any]) -> bool:
    """Whether a node takes part."""
    labels = node["metadata"].get("labels") or {}
    return bool(labels.get(INTERFACE_LABEL) == INTERFACE_VERSION)


def marks_of(node: Mapping[str, Any]) -> Marks:
    """What we did to a node."""
    said = notes_of(node)
    return Marks(
        moment(said.get(DRAINED_SINCE)),
        said.get(CORDONED_BY) == MANAGER,
        said.get(EXCLUDED_BY) == MANAGER,
    )


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether the kubelet of a node says that it is Ready."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def view(
    node: Mapping[str, Any] | None, shadow: Mapping[str, Any], *, canary: str, host: str
) -> NodeView:
    """A node as the policy sees it.

    Args:
        node: as the API server has it; None if it is gone.
        shadow: of that node.
        canary: the selector of canaries.
        host: the node on which the controller runs.
    """
    name, uid = owner(shadow)
    spec, status, setback = spec_of(shadow), status_of(shadow), setback_of(shadow)
    if node is None or node["metadata"].get("uid") != uid:
        return NodeView(name, spec, status, setback, gone=True, ready=False)
    said = notes_of(node)
    labels = node["metadata"].get("labels") or {}
    return NodeView(
        name,
        spec,
        status,
        setback,
        marks_of(node),
        canary=matches(canary, labels),
        pause=_why(said, PAUSE),
        forgiven=moment(said.get(RETRY)),
        ready=is_ready(node),
        unschedulable=bool((node.get("spec") or {}).get("unschedulable")),
        hosts_controller=name == host,
        gone=not is_managed(node),
    )


def ledger_of(found: Mapping[str, Any]) -> Ledger:
    """What the fleet remembers, from its ConfigMap."""
    said, data = notes_of(found), found.get("data") or {}
    return Ledger(
        _why(said, PAUSE),
        _why(said, HALT),
        moment(said.get(RESUMED)),
        tuple(_failures(data.get("failures"))),
        moment(data.get("closed")),
    )


def failures_text(failures: tuple[Failure, ...]) -> str:
    """Failures as the ledger keeps them."""
    trees = [
        {"node": each.node, "version": each.version, "at": written(each.at), "reason": each.reason}
        for each in failures
    ]
    return json.dumps(trees)


def notes_of(item: Mapping[str, Any]) -> Mapping[str, str]:
    """The annotations of an object."""
    return item["metadata"].get("annotations") or {}


def _why(said: Mapping[str, str], name: str) -> str:
    """Why something is paused or halted: present and empty still counts."""
    if name not in said:
        return ""
    return str(said[name]).strip() or "no reason was given"


_WORDS = ("node", "version", "reason")


def _failures(text: str | None) -> list[Failure]:
    try:
        trees = json.loads(text or "[]")
    except ValueError:
        return []
    found = []
    for tree in trees if isinstance(trees, list) else []:
        at = moment(tree.get("at")) if isinstance(tree, dict) else None
        if at is not None:
            node, version, reason = (str(tree.get(name) or "") for name in _WORDS)
            found.append(Failure(node, version, at, reason))
    return found


def _json(text: str | None) -> Tree:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _state(text: object) -> State | None:
    return next((each for each in State if each.value == text), None)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
