"""Which pods must leave a node, and which budgets hold them. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from updog.fleet.kubernetes.names import MIRROR_POD

FINISHED = frozenset({"Succeeded", "Failed"})


class Pod(NamedTuple):
    """A pod that must leave.

    Attributes:
        namespace: where it is.
        name: what it is called. Its successor may be called the same.
        uid: which one it is.
        ending: whether it is about to end.
        labels: by which budgets choose it.
    """

    namespace: str
    name: str
    uid: str
    ending: bool
    labels: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def leaving(pods: Iterable[Mapping[str, Any]]) -> list[Pod]:
    """The pods of a node that must leave before it restarts.

    Those of a DaemonSet would come back at once, those of static manifests belong to the node, and
    finished ones do nothing any more.
    """
    return [
        Pod(
            str(each["metadata"].get("namespace", "")),
            str(each["metadata"]["name"]),
            str(each["metadata"].get("uid", "")),
            bool(each["metadata"].get("deletionTimestamp")),
            each["metadata"].get("labels") or {},
        )
        for each in pods
        if not (_finished(each) or _mirror(each) or _of_daemon(each))
    ]


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is Ready, or has done its work."""
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return True
    conditions = status.get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def holding(pod: Pod, budgets: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The budgets that choose a pod and let none go now, as ``namespace/name``.

    Where several choose it, all are named: the API server then evicts it never.
    """
    chosen = [
        each
        for each in budgets
        if each["metadata"].get("namespace") == pod.namespace
        and chooses((each.get("spec") or {}).get("selector"), pod.labels)
    ]
    strict = chosen if len(chosen) > 1 else [each for each in chosen if _allows_none(each)]
    return tuple(f"{pod.namespace}/{each['metadata']['name']}" for each in strict or chosen)


def chooses(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector of the API fits; none fits nothing, an empty one everything."""
    if selector is None:
        return False
    pairs = (selector.get("matchLabels") or {}).items()
    if any(labels.get(key) != value for key, value in pairs):
        return False
    return all(_fits(each, labels) for each in selector.get("matchExpressions") or [])


def _fits(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def _allows_none(budget: Mapping[str, Any]) -> bool:
    return int((budget.get("status") or {}).get("disruptionsAllowed") or 0) <= 0


def _finished(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in FINISHED


def _mirror(pod: Mapping[str, Any]) -> bool:
    return MIRROR_POD in (pod["metadata"].get("annotations") or {})


def _of_daemon(pod: Mapping[str, Any]) -> bool:
    owners = pod["metadata"].get("ownerReferences") or []
    return any(each.get("controller") and each.get("kind") == "DaemonSet" for each in owners)
