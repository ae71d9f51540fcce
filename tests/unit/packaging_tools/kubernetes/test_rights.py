"""What the chart lets controller and agents do, asked of a server that evaluates it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from packaging_tools.kubernetes.chart import MANIFESTS, render
from tests.fakes.kube.admission import enforce
from tests.fakes.kube.auth import Request
from tests.fakes.kube.client import Client
from tests.fakes.kube.server import Kube, serving
from tests.fakes.kube.workloads import node, owned_by, pod
from updog.fleet.kubernetes.names import DEFAULT_NAMESPACE as SPACE
from updog.fleet.kubernetes.names import GROUP, PLURAL

SHADOWS = f"/apis/{GROUP}/v2/namespaces/{SPACE}/{PLURAL}"
STATUS = {
    "current_state": "Idle",
    "current_version": "1.0.0",
    "target_version": "1.0.0",
    "crash_count": 0,
}


@pytest.fixture
def kube() -> Iterator[Kube]:
    with serving() as running:
        running.apply(*yaml.safe_load_all(MANIFESTS.read_text()))
        enforce(running.api)
        for name in ("one", "two"):
            owner = running.create(node(name))
            running.create(shadow(name, owner))
        running.guard.required = True
        yield running


def shadow(name: str, owner: Any) -> Any:
    reference = {**owned_by(owner), "controller": False}
    return {
        "apiVersion": f"{GROUP}/v2",
        "kind": "BottlerocketShadow",
        "metadata": {"name": f"brs-{name}", "namespace": SPACE, "ownerReferences": [reference]},
        "spec": {"state": "Idle"},
    }


def agent(kube: Kube, on: str) -> Client:
    there = kube.create(pod(f"agent-{on}", on, namespace=SPACE))
    return Client(kube.url, kube.guard.account_token(SPACE, "updog-fleet-agent", pod=there))


def controller(kube: Kube) -> Client:
    return Client(kube.url, kube.guard.account_token(SPACE, "updog-fleet-controller"))


def test_an_agent_writes_the_status_of_its_own_node(kube: Kube) -> None:
    answer = agent(kube, "one").merge(f"{SHADOWS}/brs-one/status", {"status": STATUS})
    assert (answer.code, answer.body["status"]) == (200, STATUS)


def test_an_agent_does_not_write_the_status_of_another_node(kube: Kube) -> None:
    answer = agent(kube, "one").merge(f"{SHADOWS}/brs-two/status", {"status": STATUS})
    assert (answer.code, answer.reason) == (403, "Forbidden")
    assert "its own node" in answer.body["message"]
    assert "status" not in kube.get("brs", "brs-two", SPACE)


def test_a_token_that_names_no_node_writes_nothing(kube: Kube) -> None:
    stolen = Client(kube.url, kube.guard.account_token(SPACE, "updog-fleet-agent"))
    answer = stolen.merge(f"{SHADOWS}/brs-one/status", {"status": STATUS})
    assert (answer.code, "has to name its node" in answer.body["message"]) == (403, True)


def test_an_agent_does_not_say_what_its_node_shall_do(kube: Kube) -> None:
    mine = agent(kube, "one")
    wanted = {"spec": {"state": "RebootedIntoUpdate"}}
    assert mine.merge(f"{SHADOWS}/brs-one", wanted).code == 403
    # By way of the status it is dropped.
    mine.merge(f"{SHADOWS}/brs-one/status", {"status": STATUS, **wanted})
    assert kube.get("brs", "brs-one", SPACE)["spec"] == {"state": "Idle"}


def test_the_policy_does_not_concern_the_controller(kube: Kube) -> None:
    answer = controller(kube).merge(f"{SHADOWS}/brs-one", {"spec": {"version": "1.1.0"}})
    assert answer.code == 200


def test_the_controller_does_not_say_what_a_node_has_done(kube: Kube) -> None:
    assert controller(kube).merge(f"{SHADOWS}/brs-one/status", {"status": STATUS}).code == 403


AGENT = [
    Request("get", GROUP, PLURAL, SPACE, "brs-one"),
    Request("watch", GROUP, PLURAL, SPACE),
    Request("patch", GROUP, f"{PLURAL}/status", SPACE, "brs-one"),
]
CHANGING = ("get", "create", "patch", "delete")
CONTROLLER = [
    *(Request(verb, GROUP, PLURAL, SPACE, "brs-one") for verb in CHANGING),
    *(Request(verb, GROUP, PLURAL, SPACE) for verb in ("list", "watch")),
    *(Request(verb, "", "nodes", "", "one") for verb in ("get", "patch")),
    *(Request(verb, "", "nodes") for verb in ("list", "watch")),
    Request("list", "", "pods"),
    Request("create", "", "pods/eviction", "default", "p"),
    Request("list", "policy", "poddisruptionbudgets"),
    *(Request(verb, "", "configmaps", SPACE, "updog-fleet") for verb in ("get", "patch")),
    Request("create", "", "configmaps", SPACE),
    *(
        Request(verb, "coordination.k8s.io", "leases", SPACE, "updog-fleet-controller")
        for verb in ("get", "patch")
    ),
    Request("create", "coordination.k8s.io", "leases", SPACE),
    Request("create", "", "events", SPACE),
    Request("create", "", "events", "default"),
]
NOBODY = [
    Request("get", "", "secrets", SPACE, "x"),
    Request("list", "", "secrets"),
    Request("delete", "", "nodes", "", "one"),
    Request("patch", "", "nodes/status", "", "one"),
    Request("delete", "", "pods", "default", "p"),
    Request("create", "", "pods", SPACE),
    Request("create", "", "pods/exec", "default", "p"),
    Request("get", "", "configmaps", SPACE, "other"),
    Request("patch", "", "configmaps", "kube-system", "updog-fleet"),
    Request("patch", "rbac.authorization.k8s.io", "clusterroles", "", "updog-fleet-controller"),
    Request("patch", GROUP, PLURAL, "default", "x"),
]


@pytest.mark.parametrize(
    ("who", "may"), [("agent", AGENT), ("controller", CONTROLLER)], ids=["agent", "controller"]
)
def test_each_may_what_it_needs_and_nothing_of_the_others(
    kube: Kube, who: str, may: list[Request]
) -> None:
    token = kube.guard.account_token(SPACE, f"updog-fleet-{who}")
    user = kube.guard.who(f"Bearer {token}")
    everything = {*AGENT, *CONTROLLER, *NOBODY}
    allowed = {each for each in everything if kube.guard.allows(user, each)}
    # Reading one shadow is common to both.
    assert allowed - {AGENT[0], AGENT[1]} == set(may) - {AGENT[0], AGENT[1]}


def test_pods_are_deleted_only_where_that_is_the_policy() -> None:
    settings = {"controller": {"settings": {"DRAIN_POLICY": "force-after"}}}
    roles = {
        force: next(each for each in render(values) if each["kind"] == "ClusterRole")["rules"]
        for force, values in ((False, {}), (True, settings))
    }
    verbs = {
        force: next(rule["verbs"] for rule in rules if rule["resources"] == ["pods"])
        for force, rules in roles.items()
    }
    assert verbs == {False: ["list"], True: ["list", "delete"]}
