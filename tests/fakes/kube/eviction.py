"""Eviction: what the server decides from the status of disruption budgets, and nothing else."""

from __future__ import annotations

from typing import Any

from tests.fakes.kube.api import Api
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.resources import Object
from tests.fakes.kube.rules import now
from tests.fakes.kube.selectors import matching_selector

TOO_MANY_DISRUPTED = 2000


def evict(api: Api, namespace: str, name: str, body: Object, user: Any) -> Object:
    """Delete a pod if its budget allows.

    Returns:
        The Status of success; where several budgets match, one of failure, with 201 all the same,
        as the real server's handler of this address answers.

    Raises:
        ApiError: 429 where the budget does not allow it or lags behind, 403 where it is broken, 404
            where there is no such pod, 400 where the names differ.
    """
    said = (body.get("metadata") or {}).get("name") or name
    if said != name:
        raise ApiError(400, "name in URL does not match name in Eviction object")
    with api.store.lock:
        pods = api.registry.find("", "v1", "pods")
        assert pods is not None
        pod = api.get(pods, namespace, name)
        dry = bool((body.get("deleteOptions") or {}).get("dryRun"))
        if not _finished_or_unborn(pod):
            budgets = _budgets(api, pod)
            if len(budgets) > 1:
                return _SEVERAL
            _ask_budget(api, budgets, pod, user, dry=dry)
        if not dry:
            options = {
                "preconditions": {"uid": pod["metadata"]["uid"]},
                **(body.get("deleteOptions") or {}),
            }
            api.delete(pods, namespace, name, user, options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _finished_or_unborn(pod: Object) -> bool:
    """Whether no budget is asked, because the pod serves nobody."""
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed", "Pending")
    return ended or bool(pod["metadata"].get("deletionTimestamp"))


_SEVERAL = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "This pod has more than one PodDisruptionBudget, which the eviction subresource "
    "does not support.",
    "code": 500,
}


def _budgets(api: Api, pod: Object) -> list[Object]:
    """The budgets that choose a pod."""
    namespace = pod["metadata"]["namespace"]
    return [
        each
        for each in api.store.items(("policy", "poddisruptionbudgets"), namespace)
        if matching_selector(each["spec"].get("selector"))(pod)
    ]


def _ask_budget(api: Api, budgets: list[Object], pod: Object, user: Any, *, dry: bool) -> None:
    if not budgets:
        return
    budget = budgets[0]
    if not is_ready(pod) and _lets_unready_go(budget):
        return
    _take_one(api, budget, pod, user, dry=dry)


def is_ready(pod: Object) -> bool:
    """Whether a pod's condition Ready is true."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _lets_unready_go(budget: Object) -> bool:
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    wanted = status.get("desiredHealthy", 0)
    return bool(wanted > 0 and status.get("currentHealthy", 0) >= wanted)


def _take_one(api: Api, budget: Object, pod: Object, user: Any, *, dry: bool) -> None:
    name = budget["metadata"]["name"]
    status = dict(budget.get("status") or {})
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 1):
        raise _refused(
            f"The disruption budget {name} is still being processed by the server.", retry_after=10
        )
    left = status.get("disruptionsAllowed", 0)
    if left < 0:
        raise _broken(name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or {}) > TOO_MANY_DISRUPTED:
        raise _broken(
            name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        )
    if left == 0:
        wanted, have = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _refused(
            f"The disruption budget {name} needs {wanted} healthy pods and has {have} currently"
        )
    if dry:
        return
    disrupted = {**(status.get("disruptedPods") or {}), pod["metadata"]["name"]: now()}
    status |= {"disruptionsAllowed": left - 1, "disruptedPods": disrupted}
    budgets = api.registry.find("policy", "v1", "poddisruptionbudgets")
    assert budgets is not None
    space = budget["metadata"]["namespace"]
    api.update(budgets, space, name, {**budget, "status": status}, user, subresource="status")


def _refused(cause: str, *, retry_after: int | None = None) -> ApiError:
    causes = [{"reason": "DisruptionBudget", "message": cause}]
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return ApiError(429, message, retry_after=retry_after, details={"causes": causes})


def _broken(name: str, why: str) -> ApiError:
    message = f'poddisruptionbudgets.policy "{name}" is forbidden: {why}'
    return ApiError(403, message, details={"name": name, "kind": "poddisruptionbudgets"})
