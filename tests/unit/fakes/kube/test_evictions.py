from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.kube.client import Answer, Client
from tests.fakes.kube.server import Kube
from tests.fakes.kube.workloads import READY, Workloads, budget, node, pod, replica_set

POD = "/api/v1/namespaces/default/pods/p"
UNREADY = [{"type": "Ready", "status": "False"}]


def evict(client: Client, name: str = "p") -> Answer:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return client.ask("POST", f"{POD}/eviction", body)


def guarded(kube: Kube, *, spec: Any = None, conditions: Any = None, **status: Any) -> None:
    """A pod, and a budget over it with this status."""
    one = pod("p", "one", labels={"app": "web"})
    kube.create({**one, "status": {"phase": "Running", "conditions": conditions or READY}})
    kube.create(budget("web", "web", **(spec or {"minAvailable": 1})))
    said = {"observedGeneration": 1, "disruptionsAllowed": 1, **status}
    kube.patch("pdb", "web", {"status": said}, sub="status")


def test_a_pod_without_a_budget_goes(client: Client, kube: Kube) -> None:
    kube.create(pod("p", "one"))
    assert evict(client).code == 201
    assert kube.find("pods", "p") is None


def test_an_eviction_takes_one_of_what_is_allowed(client: Client, kube: Kube) -> None:
    guarded(kube)
    assert evict(client).code == 201
    status = kube.get("pdb", "web")["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["p"])


def test_a_budget_that_allows_none_is_429_and_is_named(client: Client, kube: Kube) -> None:
    guarded(kube, disruptionsAllowed=0, desiredHealthy=2, currentHealthy=2)
    refused = evict(client)
    assert (refused.code, refused.reason) == (429, "TooManyRequests")
    cause = refused.body["details"]["causes"][0]
    assert cause["reason"] == "DisruptionBudget"
    assert "budget web needs 2 healthy pods and has 2" in cause["message"]
    assert "retry-after" not in refused.headers


def test_a_budget_that_lags_behind_is_429_with_a_time(client: Client, kube: Kube) -> None:
    guarded(kube)
    kube.patch("pdb", "web", {"spec": {"minAvailable": 0}})
    refused = evict(client)
    assert (refused.code, refused.headers["retry-after"]) == (429, "10")


def test_a_negative_allowance_is_403(client: Client, kube: Kube) -> None:
    guarded(kube, disruptionsAllowed=-1)
    assert evict(client).code == 403


def test_two_budgets_over_a_pod_are_a_failure_within_201(client: Client, kube: Kube) -> None:
    guarded(kube)
    kube.create(budget("second", "web"))
    refused = evict(client)
    assert (refused.code, refused.body["status"], refused.body["code"]) == (201, "Failure", 500)
    assert kube.find("pods", "p") is not None


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_a_pod_that_serves_nobody_asks_no_budget(client: Client, kube: Kube, phase: str) -> None:
    guarded(kube, disruptionsAllowed=0)
    kube.patch("pods", "p", {"status": {"phase": phase}}, sub="status")
    assert evict(client).code == 201


def test_a_pod_that_ends_already_asks_no_budget(client: Client, kube: Kube) -> None:
    guarded(kube, disruptionsAllowed=0)
    kube.api.pods_end_at_once = False
    kube.delete("pods", "p")
    assert evict(client).code == 201


def test_an_unready_pod_goes_where_enough_are_healthy(client: Client, kube: Kube) -> None:
    guarded(kube, conditions=UNREADY, disruptionsAllowed=0, desiredHealthy=1, currentHealthy=1)
    assert evict(client).code == 201


def test_an_unready_pod_stays_where_too_few_are_healthy(client: Client, kube: Kube) -> None:
    guarded(kube, conditions=UNREADY, disruptionsAllowed=0, desiredHealthy=2, currentHealthy=1)
    assert evict(client).code == 429


def test_an_unready_pod_goes_where_that_is_always_allowed(client: Client, kube: Kube) -> None:
    spec = {"minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    guarded(kube, spec=spec, conditions=UNREADY, disruptionsAllowed=0)
    assert evict(client).code == 201


def test_an_empty_selector_matches_every_pod(client: Client, kube: Kube) -> None:
    kube.create(pod("p", "one"))
    item = {**budget("all", "web"), "spec": {"selector": {}, "minAvailable": 1}}
    kube.create(item)
    assert evict(client).code == 429


def test_no_selector_matches_no_pod(client: Client, kube: Kube) -> None:
    kube.create(pod("p", "one"))
    kube.create({**budget("none", "web"), "spec": {"minAvailable": 1}})
    assert evict(client).code == 201


def test_another_name_than_the_address_says_is_400(client: Client, kube: Kube) -> None:
    kube.create(pod("p", "one"))
    assert evict(client, "q").code == 400


def test_a_pod_that_is_not_there_is_404(client: Client) -> None:
    assert evict(client).code == 404


def test_a_dry_run_takes_nothing(client: Client, kube: Kube) -> None:
    guarded(kube)
    body = {"metadata": {"name": "p"}, "deleteOptions": {"dryRun": ["All"]}}
    assert client.ask("POST", f"{POD}/eviction", body).code == 201
    assert kube.find("pods", "p") is not None
    assert kube.get("pdb", "web")["status"]["disruptionsAllowed"] == 1


def test_workloads_come_back_elsewhere_and_budgets_follow(kube: Kube) -> None:
    kube.api.pods_end_at_once = False
    for name in ("one", "two"):
        kube.create(node(name))
    kube.create(replica_set("web", 2))
    kube.create(budget("web", "web", maxUnavailable=1))
    workloads = Workloads(kube)
    workloads.step()
    kube.patch("nodes", "one", {"spec": {"unschedulable": True}})
    for each in kube.all("pods", labels="app=web"):
        kube.delete("pods", each["metadata"]["name"])
    workloads.step()
    found = kube.all("pods", labels="app=web")
    assert [each["spec"]["nodeName"] for each in found] == ["two", "two"]
    assert kube.get("pdb", "web")["status"]["disruptionsAllowed"] == 1
