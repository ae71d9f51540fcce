from __future__ import annotations

import pytest

from tests.fakes.kube.client import Client
from tests.fakes.kube.resources import Object
from tests.fakes.kube.server import Kube
from tests.fakes.kube.workloads import node, owned_by, pod

NODES = "/api/v1/nodes"
PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def config(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_an_object_gets_what_only_the_server_says(client: Client) -> None:
    made = client.ask("POST", MAPS, config("a")).body["metadata"]
    assert {"uid", "resourceVersion", "creationTimestamp"} <= made.keys()
    assert made["namespace"] == "default"


def test_a_name_is_made_where_a_beginning_is_given(client: Client) -> None:
    item = {**config(""), "metadata": {"generateName": "piece-"}}
    assert client.ask("POST", MAPS, item).body["metadata"]["name"].startswith("piece-")


@pytest.mark.parametrize("name", ["", "Upper", "-dash", "under_score"])
def test_a_name_that_is_none_is_refused(client: Client, name: str) -> None:
    assert client.ask("POST", MAPS, config(name)).code == 422


def test_the_same_name_again_is_a_conflict(client: Client) -> None:
    client.ask("POST", MAPS, config("a"))
    again = client.ask("POST", MAPS, config("a"))
    assert (again.code, again.reason) == (409, "AlreadyExists")


def test_nothing_can_be_made_in_a_namespace_that_is_not_there(client: Client) -> None:
    elsewhere = client.ask("POST", MAPS.replace("default", "nowhere"), config("a"))
    assert (elsewhere.code, elsewhere.reason) == (404, "NotFound")


def test_a_resource_that_is_not_served_is_not_found(client: Client) -> None:
    assert client.get("/apis/brupop.bottlerocket.aws/v2/bottlerocketshadows").code == 404


def test_a_stale_replacement_is_a_conflict(client: Client, kube: Kube) -> None:
    old = kube.create(config("a", word="one"))
    kube.patch("configmaps", "a", {"data": {"word": "two"}})
    refused = client.ask("PUT", f"{MAPS}/a", {**old, "data": {"word": "three"}})
    assert (refused.code, refused.reason) == (409, "Conflict")


def test_a_patch_that_names_a_stale_version_is_a_conflict(client: Client, kube: Kube) -> None:
    old = kube.create(config("a"))
    kube.patch("configmaps", "a", {"data": {"word": "two"}})
    version = old["metadata"]["resourceVersion"]
    stale = client.merge(
        f"{MAPS}/a", {"metadata": {"resourceVersion": version}, "data": {"x": "y"}}
    )
    assert stale.code == 409


def test_a_lease_is_not_replaced_blindly(client: Client) -> None:
    named = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "leader"},
    }
    client.ask("POST", LEASES, named)
    assert client.ask("PUT", f"{LEASES}/leader", named).code == 422


def test_a_write_that_changes_nothing_keeps_the_version(client: Client, kube: Kube) -> None:
    before = kube.create(config("a", word="one"))["metadata"]["resourceVersion"]
    after = client.merge(f"{MAPS}/a", {"data": {"word": "one"}}).body["metadata"]["resourceVersion"]
    assert before == after


def test_a_merge_patch_removes_by_null_and_replaces_lists(client: Client, kube: Kube) -> None:
    kube.create(node("one"))
    client.merge(f"{NODES}/one", {"spec": {"taints": [{"key": "a"}], "unschedulable": True}})
    client.merge(f"{NODES}/one", {"spec": {"taints": [{"key": "b"}], "unschedulable": None}})
    assert kube.get("nodes", "one")["spec"] == {"taints": [{"key": "b"}]}


def test_a_json_patch_is_done_as_a_whole(client: Client, kube: Kube) -> None:
    kube.create(config("a", word="one"))
    operations = [
        {"op": "test", "path": "/data/word", "value": "one"},
        {"op": "replace", "path": "/data/word", "value": "two"},
        {"op": "add", "path": "/metadata/annotations", "value": {"example.org/x": "1"}},
    ]
    done = client.ask("PATCH", f"{MAPS}/a", operations, "application/json-patch+json")
    assert (done.code, done.body["data"]) == (200, {"word": "two"})
    assert done.body["metadata"]["annotations"] == {"example.org/x": "1"}


def test_a_json_patch_whose_test_fails_changes_nothing(client: Client, kube: Kube) -> None:
    kube.create(config("a", word="one"))
    operations = [
        {"op": "replace", "path": "/data/word", "value": "two"},
        {"op": "test", "path": "/data/word", "value": "one"},
    ]
    failed = client.ask("PATCH", f"{MAPS}/a", operations, "application/json-patch+json")
    assert (failed.code, failed.reason) == (422, "Invalid")
    assert kube.get("configmaps", "a")["data"] == {"word": "one"}


def test_a_strategic_merge_merges_conditions_by_their_type(client: Client, kube: Kube) -> None:
    kube.create(node("one"))
    patch = {"status": {"conditions": [{"type": "DiskPressure", "status": "False"}]}}
    client.ask("PATCH", f"{NODES}/one/status", patch, "application/strategic-merge-patch+json")
    found = kube.get("nodes", "one")["status"]["conditions"]
    assert [each["type"] for each in found] == ["Ready", "DiskPressure"]


def test_a_strategic_merge_replaces_taints(client: Client, kube: Kube) -> None:
    kube.create({**node("one"), "spec": {"taints": [{"key": "a"}, {"key": "b"}]}})
    patch = {"spec": {"taints": [{"key": "b"}]}}
    client.ask("PATCH", f"{NODES}/one", patch, "application/strategic-merge-patch+json")
    assert kube.get("nodes", "one")["spec"]["taints"] == [{"key": "b"}]


def test_a_kind_of_patch_that_is_not_there_is_415(client: Client, kube: Kube) -> None:
    kube.create(config("a"))
    refused = client.ask("PATCH", f"{MAPS}/a", {}, "application/apply-patch+yaml")
    assert (refused.code, refused.reason) == (415, "UnsupportedMediaType")


def test_the_status_is_not_changed_with_the_object(client: Client, kube: Kube) -> None:
    kube.create(pod("p", "one"))
    client.merge(f"{PODS}/p", {"status": {"phase": "Failed"}, "metadata": {"labels": {"a": "b"}}})
    found = kube.get("pods", "p")
    assert (found["status"]["phase"], found["metadata"]["labels"]) == ("Running", {"a": "b"})


def test_the_object_is_not_changed_with_the_status(client: Client, kube: Kube) -> None:
    kube.create(pod("p", "one"))
    client.merge(f"{PODS}/p/status", {"status": {"phase": "Failed"}, "spec": {"nodeName": "two"}})
    found = kube.get("pods", "p")
    assert (found["status"]["phase"], found["spec"]["nodeName"]) == ("Failed", "one")


def test_an_object_with_finalizers_waits_for_them(client: Client, kube: Kube) -> None:
    item = config("a")
    item["metadata"]["finalizers"] = ["example.org/hold"]
    kube.create(item)
    client.ask("DELETE", f"{MAPS}/a")
    assert kube.get("configmaps", "a")["metadata"]["deletionTimestamp"]
    client.merge(f"{MAPS}/a", {"metadata": {"finalizers": None}})
    assert kube.find("configmaps", "a") is None


def test_a_deletion_may_ask_for_the_object_it_has_seen(client: Client, kube: Kube) -> None:
    kube.create(config("a"))
    wrong = client.ask("DELETE", f"{MAPS}/a", {"preconditions": {"uid": "another"}})
    assert wrong.code == 409
    uid = kube.get("configmaps", "a")["metadata"]["uid"]
    assert client.ask("DELETE", f"{MAPS}/a", {"preconditions": {"uid": uid}}).code == 200


def test_what_a_gone_object_owned_goes_too(client: Client, kube: Kube) -> None:
    owner = kube.create(config("owner"))
    kube.create(pod("p", "one", owner=owner))
    client.ask("DELETE", f"{MAPS}/owner")
    assert kube.find("pods", "p") is None


def test_an_orphan_stays(client: Client, kube: Kube) -> None:
    owner = kube.create(config("owner"))
    kube.create(pod("p", "one", owner=owner))
    client.ask("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Orphan"})
    assert kube.get("pods", "p")["metadata"]["ownerReferences"] == []


def test_what_refers_to_an_owner_of_the_past_does_not_live(kube: Kube) -> None:
    owner = kube.create(node("one"))
    reference = {**owned_by(owner), "uid": "of the past"}
    item = config("a")
    item["metadata"]["ownerReferences"] = [reference]
    kube.create(item)
    assert kube.find("configmaps", "a") is None


def test_a_namespace_takes_its_objects_along(client: Client, kube: Kube) -> None:
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    item = config("a")
    item["metadata"]["namespace"] = "team"
    kube.create(item)
    client.ask("DELETE", "/api/v1/namespaces/team")
    assert kube.find("configmaps", "a", "team") is None


def test_a_pod_lingers_until_its_kubelet_ends_it(client: Client, kube: Kube) -> None:
    kube.api.pods_end_at_once = False
    kube.create(pod("p", "one"))
    client.ask("DELETE", f"{PODS}/p")
    marked = kube.get("pods", "p")["metadata"]
    assert (bool(marked["deletionTimestamp"]), marked["deletionGracePeriodSeconds"]) == (True, 30)
    client.ask("DELETE", f"{PODS}/p", gracePeriodSeconds=0)
    assert kube.find("pods", "p") is None


def test_a_dry_run_changes_nothing(client: Client, kube: Kube) -> None:
    assert client.ask("POST", MAPS, config("a"), dryRun="All").code == 201
    assert kube.find("configmaps", "a") is None


def test_an_event_of_the_new_form_is_one_of_the_old_form_too(client: Client, kube: Kube) -> None:
    event = {
        "metadata": {"name": "one.1", "namespace": "default"},
        "regarding": {"kind": "Node", "name": "one"},
        "note": "drained",
        "reason": "Drained",
    }
    client.ask("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)
    found = client.get("/api/v1/events", fieldSelector="involvedObject.name=one").body["items"]
    assert [each["message"] for each in found] == ["drained"]
    assert kube.events("one")[0]["reason"] == "Drained"


def test_generation_counts_the_specification_only(kube: Kube) -> None:
    item = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {"minAvailable": 1},
    }
    kube.create(item)
    kube.patch("pdb", "b", {"metadata": {"labels": {"a": "b"}}})
    kube.patch("pdb", "b", {"status": {"disruptionsAllowed": 1}}, sub="status")
    assert kube.get("pdb", "b")["metadata"]["generation"] == 1
    kube.patch("pdb", "b", {"spec": {"minAvailable": 2}})
    assert kube.get("pdb", "b")["metadata"]["generation"] == 2
