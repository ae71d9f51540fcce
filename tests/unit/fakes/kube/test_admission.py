from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.kube.admission import enforce
from tests.fakes.kube.client import Client
from tests.fakes.kube.resources import Object
from tests.fakes.kube.server import Kube

MAPS = "/api/v1/namespaces/default/configmaps"


def policy(**spec: Any) -> Object:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["configmaps"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "small"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "size(object.data) < 2", "message": "too much"}],
            **spec,
        },
    }


def binding(*actions: str) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "small"},
        "spec": {"policyName": "small", "validationActions": list(actions)},
    }


def config(**data: str) -> Object:
    return {"metadata": {"name": "a"}, "data": data}


@pytest.fixture(autouse=True)
def enforced(kube: Kube) -> None:
    enforce(kube.api)


def test_what_breaks_a_policy_is_refused_with_its_words(client: Client, kube: Kube) -> None:
    kube.apply(policy(), binding("Deny"))
    refused = client.ask("POST", MAPS, config(x="1", y="2"))
    assert (refused.code, refused.body["message"][-8:]) == (422, "too much")
    assert client.ask("POST", MAPS, config(x="1")).code == 201


def test_a_policy_that_only_warns_lets_pass(client: Client, kube: Kube) -> None:
    kube.apply(policy(), binding("Warn"))
    assert client.ask("POST", MAPS, config(x="1", y="2")).code == 201


def test_a_policy_is_about_whom_its_conditions_name(client: Client, kube: Kube) -> None:
    others = [{"name": "others", "expression": "request.userInfo.username != 'kubernetes-admin'"}]
    kube.apply(policy(matchConditions=others), binding("Deny"))
    assert client.ask("POST", MAPS, config(x="1", y="2")).code == 201


def test_a_policy_is_about_the_operations_it_names(client: Client, kube: Kube) -> None:
    kube.apply(policy(), binding("Deny"))
    client.ask("POST", MAPS, config(x="1"))
    assert client.merge(f"{MAPS}/a", {"data": {"y": "2"}}).code == 200


def test_an_expression_that_cannot_be_evaluated_refuses(client: Client, kube: Kube) -> None:
    broken = [{"expression": "object.nothing.here == 1"}]
    kube.apply(policy(validations=broken), binding("Deny"))
    assert client.ask("POST", MAPS, config(x="1")).code == 403
