from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.kube.client import Client
from tests.fakes.kube.resources import Object
from tests.fakes.kube.server import Kube
from tests.fakes.kube.workloads import node, pod

RBAC = "rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
READING = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}


def role(kind: str, name: str, *rules: Object) -> Object:
    space = {} if kind == "ClusterRole" else {"namespace": "default"}
    return {
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": {"name": name, **space},
        "rules": list(rules),
    }


def binding(kind: str, name: str, *, to: str) -> Object:
    space = {} if kind == "ClusterRole" else {"namespace": "default"}
    return {
        "apiVersion": RBAC,
        "kind": f"{kind}Binding",
        "metadata": {"name": name, **space},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": to, "namespace": "default"}],
    }


@pytest.fixture
def agent(kube: Kube) -> Client:
    """A service account that may do nothing yet."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}}
    kube.create(account)
    kube.guard.required = True
    return Client(kube.url, kube.guard.account_token("default", "agent"))


@pytest.mark.usefixtures("agent")
def test_without_a_token_one_is_nobody(client: Client) -> None:
    refused = client.get("/api/v1/nodes")
    assert (refused.code, refused.reason) == (403, "Forbidden")


@pytest.mark.usefixtures("agent")
def test_a_token_that_is_none_is_401(kube: Kube) -> None:
    assert Client(kube.url, "made up").get("/api/v1/nodes").code == 401


def test_a_refusal_says_who_may_not_do_what(agent: Client) -> None:
    refused = agent.get("/api/v1/nodes")
    assert refused.body["message"] == (
        'nodes is forbidden: User "system:serviceaccount:default:agent" cannot list resource '
        '"nodes" in API group "" at the cluster scope'
    )


def test_a_cluster_role_lets_one_in(agent: Client, kube: Kube) -> None:
    kube.apply(role("ClusterRole", "r", READING), binding("ClusterRole", "r", to="agent"))
    assert agent.get("/api/v1/nodes").code == 200
    assert agent.ask("DELETE", "/api/v1/nodes/one").code == 403


def test_a_role_is_of_its_namespace(agent: Client, kube: Kube) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}
    kube.apply(role("Role", "r", rule), binding("Role", "r", to="agent"))
    assert agent.get("/api/v1/namespaces/default/configmaps").code == 200
    assert agent.get("/api/v1/namespaces/kube-system/configmaps").code == 403
    assert agent.get("/api/v1/configmaps").code == 403


def test_a_rule_may_be_about_names(agent: Client, kube: Kube) -> None:
    kube.create(node("one"))
    rule = {**READING, "resourceNames": ["one"]}
    kube.apply(role("ClusterRole", "r", rule), binding("ClusterRole", "r", to="agent"))
    assert agent.get("/api/v1/nodes/one").code == 200
    assert agent.get("/api/v1/nodes/two").code == 403
    assert agent.get("/api/v1/nodes").code == 403


def test_a_sub_resource_is_a_right_of_its_own(agent: Client, kube: Kube) -> None:
    kube.create(node("one"))
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]}
    kube.apply(role("ClusterRole", "r", rule), binding("ClusterRole", "r", to="agent"))
    assert agent.merge("/api/v1/nodes/one", {}).code == 200
    assert agent.merge("/api/v1/nodes/one/status", {}).code == 403


def test_everybody_may_ask_what_is_served(agent: Client) -> None:
    assert agent.get("/apis").code == 200


def test_a_token_is_reviewed_for_its_audience(client: Client, kube: Kube) -> None:
    one = kube.create(node("one"))
    there = kube.create(pod("p", "one"))
    token = kube.guard.account_token("default", "agent", pod=there, audiences=("operator",))
    review: Any = {"spec": {"token": token, "audiences": ["operator", "other"]}}
    status = client.ask("POST", REVIEWS, review).body["status"]
    assert (status["authenticated"], status["audiences"]) == (True, ["operator"])
    extra = status["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    assert extra["authentication.kubernetes.io/node-name"] == ["one"]
    assert extra["authentication.kubernetes.io/node-uid"] == [one["metadata"]["uid"]]
    review["spec"]["audiences"] = ["other"]
    assert not client.ask("POST", REVIEWS, review).body["status"]["authenticated"]
    assert client.get("/api/v1/nodes").code == 200
    assert Client(kube.url, token).get("/api/v1/nodes").code == 401


def test_a_token_can_be_asked_for(client: Client, kube: Kube) -> None:
    kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}})
    path = "/api/v1/namespaces/default/serviceaccounts/agent/token"
    made = client.ask("POST", path, {"spec": {"audiences": ["operator"]}})
    review = {"spec": {"token": made.body["status"]["token"], "audiences": ["operator"]}}
    assert client.ask("POST", REVIEWS, review).body["status"]["authenticated"]


@pytest.mark.usefixtures("agent")
def test_access_is_reviewed(client: Client, kube: Kube) -> None:
    kube.apply(role("ClusterRole", "r", READING), binding("ClusterRole", "r", to="agent"))
    kube.guard.required = False
    wanted = {"verb": "list", "resource": "nodes"}
    spec = {"user": "system:serviceaccount:default:agent", "resourceAttributes": wanted}
    assert client.ask("POST", ACCESS, {"spec": spec}).body["status"]["allowed"]
    wanted["verb"] = "delete"
    assert not client.ask("POST", ACCESS, {"spec": spec}).body["status"]["allowed"]
