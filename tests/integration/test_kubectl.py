"""The fake API server, as the tool sees it that everybody has: it must not notice a difference."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.kube.server import LONG, Kube, serving
from tests.fakes.kube.workloads import Workloads, budget, node, pod, replica_set

KUBECTL = shutil.which("kubectl")
PACKAGING = Path(__file__).parents[2] / "packaging/kubernetes"
CRD = PACKAGING / "chart/crd/bottlerocketshadow.yaml"
MANIFESTS = PACKAGING / "updog-fleet.yaml"

# Debian has it as kubernetes-client, of 2020, which nobody has tried with this.
pytestmark = pytest.mark.skipif(
    KUBECTL is None, reason="kubectl is missing: https://kubernetes.io/docs/tasks/tools"
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kube() -> Iterator[Kube]:
    with serving() as running:
        for name in ("one", "two"):
            running.create(node(name))
        yield running


@pytest.fixture
def kubectl(kube: Kube, tmp_path: Path) -> Run:
    config = kube.kubeconfig(tmp_path / "config")

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [
            str(KUBECTL),
            "--kubeconfig",
            str(config),
            "--cache-dir",
            str(tmp_path / "cache"),
        ]
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=2 * LONG, check=False
        )
        assert done.returncode == code, done
        return done

    return run


def test_get_shows_nodes(kubectl: Run) -> None:
    lines = kubectl("get", "nodes").stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["one", "Ready"], ["two", "Ready"]]


def test_cordon_and_uncordon(kubectl: Run, kube: Kube) -> None:
    kubectl("cordon", "one")
    assert kube.get("nodes", "one")["spec"]["unschedulable"]
    assert "SchedulingDisabled" in kubectl("get", "nodes").stdout
    kubectl("uncordon", "one")
    assert not kube.get("nodes", "one")["spec"].get("unschedulable")


def test_label_and_patch(kubectl: Run, kube: Kube) -> None:
    kubectl("label", "node", "one", "zone=a")
    kubectl("annotate", "node", "one", "note=read")
    kubectl(
        "patch", "node", "one", "-p", '{"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}'
    )
    kubectl("patch", "node", "one", "--type=json", "-p", '[{"op":"remove","path":"/spec/taints"}]')
    metadata = kube.get("nodes", "one")["metadata"]
    assert (metadata["labels"]["zone"], metadata["annotations"]) == ("a", {"note": "read"})
    assert "taints" not in kube.get("nodes", "one")["spec"]


def test_drain_leaves_daemons_and_waits_for_pods_to_end(kubectl: Run, kube: Kube) -> None:
    daemon = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent"},
        "spec": {"selector": {}, "template": {}},
    }
    owner = kube.create(daemon)
    kube.create(pod("agent-1", "one", owner=owner))
    kube.create(replica_set("web", 2))
    workloads = Workloads(kube)
    kube.patch("nodes", "two", {"spec": {"unschedulable": True}})
    workloads.fill()
    kube.patch("nodes", "two", {"spec": {"unschedulable": None}})
    with workloads.running():
        kubectl("drain", "one", "--ignore-daemonsets", "--timeout=60s")
    on_one = [
        each["metadata"]["name"] for each in kube.all("pods") if each["spec"]["nodeName"] == "one"
    ]
    assert on_one == ["agent-1"]


def test_drain_gives_up_at_a_budget(kubectl: Run, kube: Kube) -> None:
    kube.create(pod("p", "one", labels={"app": "web"}))
    kube.create(budget("web", "web", minAvailable=1))
    Workloads(kube).count()
    failed = kubectl("drain", "one", "--force", "--timeout=1s", code=1)
    assert "violate the pod's disruption budget" in failed.stderr
    assert kube.find("pods", "p") is not None


def test_apply_creates_changes_and_leaves_alone(kubectl: Run, kube: Kube, tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    file.write_text(yaml.safe_dump(item))
    assert "created" in kubectl("apply", "-f", str(file)).stdout
    assert "unchanged" in kubectl("apply", "-f", str(file)).stdout
    file.write_text(yaml.safe_dump({**item, "data": {"z": "2"}}))
    assert "configured" in kubectl("apply", "-f", str(file)).stdout
    assert kube.get("configmaps", "a")["data"] == {"z": "2"}


def test_shadows_are_shown_with_their_columns(kubectl: Run, kube: Kube) -> None:
    kubectl("apply", "-f", str(CRD))
    kubectl(
        "wait", "--for=condition=Established", "crd/bottlerocketshadows.brupop.bottlerocket.aws"
    )
    status = {
        "current_state": "Idle",
        "current_version": "1.0.0",
        "target_version": "1.1.0",
        "crash_count": 0,
    }
    kube.create(
        {
            "apiVersion": "brupop.bottlerocket.aws/v2",
            "kind": "BottlerocketShadow",
            "metadata": {"name": "brs-one"},
            "spec": {"state": "StagedAndPerformedUpdate", "version": "1.1.0"},
            "status": status,
        }
    )
    head, row = kubectl("get", "brs").stdout.splitlines()
    assert head.split("  ")[0] == "NAME"
    assert row.split() == ["brs-one", "Idle", "1.0.0", "StagedAndPerformedUpdate", "1.1.0", "0"]


def test_what_does_not_fit_the_definition_is_refused(kubectl: Run, tmp_path: Path) -> None:
    kubectl("apply", "-f", str(CRD))
    file = tmp_path / "shadow.yaml"
    item = {
        "apiVersion": "brupop.bottlerocket.aws/v2",
        "kind": "BottlerocketShadow",
        "metadata": {"name": "brs-one"},
        "spec": {"state": "Sideways"},
    }
    file.write_text(yaml.safe_dump(item))
    assert "spec.state" in kubectl("apply", "-f", str(file), code=1).stderr


def test_describe_shows_events(kubectl: Run, kube: Kube) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "one.1", "namespace": "default"},
        # That is what kubelets give for a uid of their node, and what kubectl looks for.
        "involvedObject": {"kind": "Node", "name": "one", "uid": "one"},
        "reason": "DrainBlocked",
        "message": "web holds the node up",
        "type": "Warning",
        "source": {"component": "test"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    kube.create(event)
    assert "web holds the node up" in kubectl("describe", "node", "one").stdout


def test_the_manifests_can_be_applied_and_taken_away(kubectl: Run, kube: Kube) -> None:
    kubectl("apply", "-f", str(MANIFESTS))
    assert "unchanged" in kubectl("apply", "-f", str(MANIFESTS)).stdout
    assert kube.get("ds", "updog-fleet-agent", "brupop-bottlerocket-aws")
    kubectl("delete", "-f", str(MANIFESTS), "--wait=false", "--ignore-not-found")
    assert kube.all("deployments") == kube.all("clusterroles") == []


def test_upstreams_definition_can_be_replaced_under_its_shadows(kubectl: Run, kube: Kube) -> None:
    ours = yaml.safe_load(CRD.read_text())
    theirs = yaml.safe_load(CRD.read_text())
    theirs["spec"]["conversion"] = {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": []},
    }
    kube.create(theirs)
    kube.create(
        {
            "apiVersion": "brupop.bottlerocket.aws/v2",
            "kind": "BottlerocketShadow",
            "metadata": {"name": "brs-one"},
            "spec": {"state": "Idle"},
        }
    )
    kubectl("replace", "-f", str(CRD))
    assert kube.get("crd", ours["metadata"]["name"])["spec"] == ours["spec"]
    assert "brs-one" in kubectl("get", "brs").stdout
