from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml
from helm_python import chart as helm

from packaging_tools.kubernetes.chart import (
    CHART,
    FOLDER,
    MANIFESTS,
    SCHEMA,
    known_settings,
    manifests,
    render,
    schema,
)
from updog.fleet.kubernetes import names, settings
from updog.fleet.kubernetes.metrics import Metrics

Tree = dict[str, Any]

EVERYTHING: Tree = {
    "namespace": {"create": True},
    "image": {"repository": "registry.example/updog-fleet", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "pull"}],
    "controller": {
        "settings": {"MAX_CONCURRENT_UPDATE": "10%", "DRAIN_POLICY": "force-after"},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"operator": "Exists"}],
        "podLabels": {"team": "base"},
        "podAnnotations": {"note": "read"},
        "affinity": {"nodeAffinity": {}},
    },
    "agent": {
        "settings": {"HEALTH_COMMAND": "/bin/true"},
        "seLinuxOptions": {"user": "system_u", "type": "super_t"},
        "supplementalGroups": [993],
        "podLabels": {"team": "base"},
        "podAnnotations": {"note": "read"},
        "nodeSelector": {"pool": "workers"},
    },
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "dashboard": {"enabled": True},
    "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
}
LEAST: Tree = {
    "crd": {"install": False},
    "admissionPolicy": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "priorityClass": {"create": False},
    "controller": {"replicas": 1},
}
ELSEWHERE = {"ServiceMonitor"}
"""Kinds that Kubernetes itself has no schema for."""


@cache
def plain() -> list[Tree]:
    return render()


def named(kind: str, name: str, trees: list[Tree] | None = None) -> Tree:
    for each in plain() if trees is None else trees:
        if (each["kind"], each["metadata"]["name"]) == (kind, name):
            return each
    raise KeyError(name)


def container(who: str) -> Tree:
    kind = {"controller": "Deployment", "agent": "DaemonSet"}[who]
    found = named(kind, f"updog-fleet-{who}")["spec"]["template"]["spec"]["containers"]
    assert len(found) == 1
    return dict(found[0])


def test_what_is_made_from_the_chart_is_what_lies_there() -> None:
    again = "say: python -m packaging_tools.kubernetes"
    assert SCHEMA.read_text() == schema(), again
    assert MANIFESTS.read_text() == manifests(), again


def test_helm_finds_nothing_wrong() -> None:
    report = helm.lint(CHART, strict=True, kube_version="v1.30.0")
    assert not report["errors"]
    assert [each for each in report["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("version", ["1.30", "1.32", "1.34"])
@pytest.mark.parametrize("values", [{}, EVERYTHING, LEAST], ids=["plain", "everything", "least"])
def test_all_objects_fit_the_schemas_of_kubernetes(version: str, values: Tree) -> None:
    trees = render(values)
    assert len(trees) > 10
    for tree in trees:
        if tree["kind"] not in ELSEWHERE:
            kubernetes_validate.validate(tree, version, strict=True)


def test_a_schema_that_finds_nothing_would_not_be_one() -> None:
    tree = json.loads(json.dumps(named("Deployment", "updog-fleet-controller")))
    tree["spec"]["replica"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(tree, "1.32", strict=True)


@pytest.mark.parametrize(
    "values",
    [
        {"controller": {"settings": {"MAX_CONCURRENT_UPDATES": "3"}}},
        {"agent": {"settings": {"MAX_CONCURRENT_UPDATE": "3"}}},
        {"metric": {}},
    ],
)
def test_a_setting_that_nobody_reads_is_refused(values: Tree) -> None:
    with pytest.raises(helm_python.HelmError, match="additional properties"):
        render(values)


def test_every_rule_can_be_set() -> None:
    assert set(settings.RULE_NAMES) <= set(known_settings()["controller"])


@pytest.mark.parametrize("who", ["controller", "agent"])
def test_the_programs_understand_what_the_chart_sets(who: str) -> None:
    said = {each["name"]: each.get("value", "some-node") for each in container(who)["env"]}
    made = settings.controller(said) if who == "controller" else settings.agent(said)
    assert made.node == "some-node"
    # What the chart does not set is as the program has it by itself.
    assert made.namespace == "some-node"


def test_settings_arrive_as_they_were_said() -> None:
    trees = render({"controller": {"settings": {"MAX_CONCURRENT_UPDATE": 3}}})
    spec = named("Deployment", "updog-fleet-controller", trees)["spec"]["template"]["spec"]
    said = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
    assert said["MAX_CONCURRENT_UPDATE"] == "3"


@pytest.mark.parametrize("who", ["controller", "agent"])
def test_a_container_may_as_little_as_possible(who: str) -> None:
    confined = container(who)["securityContext"]
    assert confined["allowPrivilegeEscalation"] is False
    assert confined["readOnlyRootFilesystem"] is True
    assert confined["capabilities"] == {"drop": ["ALL"]}


def test_the_controller_is_not_root() -> None:
    spec = named("Deployment", "updog-fleet-controller")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert "hostPath" not in json.dumps(spec)


def test_the_agent_sees_the_socket_of_its_host_and_nothing_else() -> None:
    spec = named("DaemonSet", "updog-fleet-agent")["spec"]["template"]["spec"]
    assert [each["hostPath"] for each in spec["volumes"]] == [
        {"path": "/run/api.sock", "type": "Socket"}
    ]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


@pytest.mark.parametrize("who", ["controller", "agent"])
def test_defect_726_no_limit_on_the_processor_throttles(who: str) -> None:
    resources = container(who)["resources"]
    assert "cpu" not in resources["limits"]
    assert {"cpu", "memory"} <= resources["requests"].keys()


def test_defect_500_agents_run_on_tainted_nodes() -> None:
    spec = named("DaemonSet", "updog-fleet-agent")["spec"]["template"]["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]


def test_defect_of_the_chart_pull_secrets_stand_where_pods_look_for_them() -> None:
    trees = render({"imagePullSecrets": [{"name": "pull"}]})
    for kind, name in (
        ("Deployment", "updog-fleet-controller"),
        ("DaemonSet", "updog-fleet-agent"),
    ):
        spec = named(kind, name, trees)["spec"]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "pull"}]


@pytest.mark.parametrize("values", [{}, EVERYTHING, LEAST], ids=["plain", "everything", "least"])
def test_defect_of_the_chart_agents_are_not_spread_but_everywhere(values: Tree) -> None:
    """Where replicas are kept apart is a matter of the controller; one agent is on each node."""
    trees = render(values)
    agent = named("DaemonSet", "updog-fleet-agent", trees)["spec"]["template"]["spec"]
    assert "topologySpreadConstraints" not in agent
    assert "affinity" not in agent
    controller = named("Deployment", "updog-fleet-controller", trees)["spec"]["template"]["spec"]
    assert controller["affinity"]


def test_defect_486_the_definition_needs_no_certificate() -> None:
    spec = named("CustomResourceDefinition", f"{names.PLURAL}.{names.GROUP}")["spec"]
    assert "conversion" not in spec
    assert [each["name"] for each in spec["versions"] if each["served"]] == [names.VERSION]


def test_selectors_find_the_pods_that_they_mean() -> None:
    labels = named("Deployment", "updog-fleet-controller")["spec"]["template"]["metadata"]["labels"]
    service = named("Service", "updog-fleet-controller")["spec"]
    budget = named("PodDisruptionBudget", "updog-fleet-controller")["spec"]
    policy = named("NetworkPolicy", "updog-fleet-controller")["spec"]
    for selector in (
        service["selector"],
        budget["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert service["ports"][0]["targetPort"] == container("controller")["ports"][0]["name"]


def test_one_replica_is_not_held_by_a_budget() -> None:
    with pytest.raises(KeyError):
        named("PodDisruptionBudget", "updog-fleet-controller", render(LEAST))


def test_the_namespace_admits_agents() -> None:
    space = named("Namespace", names.DEFAULT_NAMESPACE, render({"namespace": {"create": True}}))
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def test_everything_follows_the_namespace() -> None:
    text = json.dumps(render(EVERYTHING, namespace="elsewhere"))
    assert names.DEFAULT_NAMESPACE not in text


def dashboard() -> Tree:
    return dict(json.loads((CHART / "dashboards/updog-fleet.json").read_text()))


def exported() -> set[str]:
    """The names under which Prometheus finds what the controller tells."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    return {
        family.name + suffix
        for family in Metrics().registry.collect()
        for suffix in suffixes[family.type]
    }


def test_panels_ask_for_metrics_that_exist() -> None:
    asked = set()
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            found = set(re.findall(r"\b(?:updog|brupop)_\w+", target["expr"]))
            assert found, target
            asked |= found
    assert asked <= exported()


def test_every_metric_has_a_panel() -> None:
    said = json.dumps(dashboard())
    shown = {name for name in exported() if not name.endswith(("_sum", "_count"))}
    assert [name for name in sorted(shown) if name not in said] == []


def test_panels_lie_side_by_side() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        mine = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not mine & cells
        cells |= mine
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(ids) == len(set(ids))


def test_the_dashboard_can_be_installed_with_the_chart() -> None:
    found = named("ConfigMap", "updog-fleet-dashboard", render(EVERYTHING))
    assert json.loads(found["data"]["updog-fleet.json"]) == dashboard()


def test_the_image_does_not_run_as_root_and_starts_a_program_that_there_is() -> None:
    lines = (FOLDER / "Containerfile").read_text().splitlines()
    assert "USER 65532:65532" in lines
    program = next(line for line in lines if line.startswith("ENTRYPOINT")).split("/")[-1]
    pyproject = (FOLDER.parents[1] / "pyproject.toml").read_text()
    assert f'{program.rstrip("]").strip(chr(34))} = "updog.fleet.cli:main"' in pyproject


def test_the_manifests_are_readable_by_anything_that_reads_yaml() -> None:
    trees = list(yaml.safe_load_all(MANIFESTS.read_text()))
    assert trees[0]["kind"] == "Namespace"
    assert all(tree["apiVersion"] and tree["metadata"]["name"] for tree in trees)
