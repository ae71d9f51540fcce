"""Shadows, ledgers, pods and the store: what is read from objects, and what counts as newer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.kube.workloads import budget, node, pod
from updog.fleet.halting import Failure
from updog.fleet.kubernetes import pods, shadow
from updog.fleet.kubernetes.names import (
    CORDONED_BY,
    DRAINED_SINCE,
    HALT,
    INTERFACE_LABEL,
    MANAGER,
    PAUSE,
    RETRY,
    SETBACK,
)
from updog.fleet.kubernetes.store import Store
from updog.fleet.model import NodeView, Setback, Spec, State, Status

AT = datetime(2031, 4, 7, 9, 0, 0, 123456, tzinfo=UTC)
SPEC = Spec(State.STAGED, AT, "1.1.0")
STATUS = Status(State.ERROR, "1.0.0", "1.1.0", 2, AT, "fell-back: x")


def stored(name: str = "a", *, version: int = 1, uid: str = "u", **metadata: Any) -> dict[str, Any]:
    made = node(name, {INTERFACE_LABEL: "2.0.0"})
    made["metadata"] |= {"uid": uid, "resourceVersion": str(version), **metadata}
    return made


def shadow_of(owner: dict[str, Any], *, version: int = 1, **parts: Any) -> dict[str, Any]:
    made = shadow.new_shadow(owner, "space")
    made["metadata"] |= {"uid": f"s{version}", "resourceVersion": str(version)}
    return {**made, **parts}


def test_spec_and_status_survive_their_way_through_json() -> None:
    tree = {"spec": shadow.spec_tree(SPEC), "status": shadow.status_tree(STATUS)}
    assert shadow.spec_of(tree) == SPEC
    assert shadow.status_of(tree) == STATUS


@pytest.mark.parametrize("tree", [{}, {"status": None}, {"status": {"current_state": "Lost"}}])
def test_a_status_that_means_nothing_is_none(tree: dict[str, Any]) -> None:
    assert shadow.status_of(tree) is None
    assert shadow.spec_of(tree) == Spec()


def test_a_setback_survives_its_way_through_an_annotation() -> None:
    setback = Setback(3, AT, "drain-overdue")
    tree = {"metadata": {"annotations": {SETBACK: shadow.setback_text(setback)}}}
    assert shadow.setback_of(tree) == setback


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"at": "noon"}', '{"at": 5}'])
def test_a_setback_that_means_nothing_is_none(text: str) -> None:
    assert shadow.setback_of({"metadata": {"annotations": {SETBACK: text}}}) is None


def test_a_node_is_seen_with_what_people_wrote_on_it() -> None:
    notes = {PAUSE: "", RETRY: "2031-04-07T09:00:00Z", CORDONED_BY: MANAGER}
    owner = stored(annotations=notes)
    found = shadow.view(owner, shadow_of(owner), canary="kubernetes.io/hostname=a", host="a")
    assert found.pause == "no reason was given"
    assert found.forgiven == datetime(2031, 4, 7, 9, tzinfo=UTC)
    assert found.marks.cordoned
    assert found.canary
    assert found.hosts_controller


def test_the_shadow_of_an_older_node_of_that_name_is_of_no_use() -> None:
    shadow_tree = shadow_of(stored(uid="old"))
    assert shadow.view(stored(uid="new"), shadow_tree, canary="", host="").gone


def test_a_cordon_by_others_is_not_ours() -> None:
    owner = stored(annotations={CORDONED_BY: "somebody"})
    assert not shadow.marks_of(owner).any


def test_a_ledger_is_read_as_far_as_it_makes_sense() -> None:
    failures = (Failure("a", "1.1.0", AT, "why"),)
    tree = {
        "metadata": {"annotations": {HALT: "bad"}},
        "data": {"failures": shadow.failures_text(failures)},
    }
    found = shadow.ledger_of(tree)
    assert (found.halted, found.failures) == ("bad", failures)
    for text in ("{", "{}", "[1]", '[{"node": "a"}]'):
        assert not shadow.ledger_of({"metadata": {}, "data": {"failures": text}}).failures


def test_pods_that_need_not_leave() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "uid": "u"}}
    daemon = pod("daemon", "a", owner=owner)
    done = pod("done", "a")
    done["status"]["phase"] = "Failed"
    static = pod("static", "a")
    static["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    lone = pod("lone", "a")
    assert [str(each) for each in pods.leaving([daemon, done, static, lone])] == ["default/lone"]


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Like"}]}, False),
    ],
)
def test_selectors_of_budgets(selector: dict[str, Any] | None, fits: bool) -> None:  # noqa: FBT001
    assert pods.chooses(selector, {"app": "web"}) is fits


def test_the_budget_that_holds_a_pod_is_one_of_its_own_namespace() -> None:
    (one,) = pods.leaving([pod("web-0", "a", labels={"app": "web"})])
    there, elsewhere = budget("there", "web"), budget("elsewhere", "web", namespace="other")
    assert pods.holding(one, [there, elsewhere]) == ("default/there",)


def test_what_is_older_replaces_nothing() -> None:
    store = Store("", "")
    store.put_node(stored(version=5))
    store.put_node(stored(version=4, annotations={PAUSE: "old"}))
    assert store.nodes["a"]["metadata"]["resourceVersion"] == "5"


def test_a_late_word_of_a_node_that_is_gone_does_not_bring_it_back() -> None:
    store = Store("", "")
    store.put_node(stored(version=9, uid="new"))
    store.put_node(stored(version=4, uid="old"))
    store.drop_node("a", "old")
    assert store.nodes["a"]["metadata"]["uid"] == "new"


def test_a_whole_list_makes_what_is_not_in_it_gone() -> None:
    store = Store("", "")
    owner = stored()
    store.put_node(owner)
    store.put_shadow(shadow_of(owner))
    store.replace([owner], [])
    assert not store.views()
    assert store.missing()


def test_a_node_without_a_shadow_is_seen_if_something_of_ours_is_on_it() -> None:
    store = Store("", "")
    store.put_node(stored(annotations={DRAINED_SINCE: "2031-04-07T09:00:00Z"}))
    assert [(each.name, each.gone) for each in store.views()] == [("a", True)]


def test_nodes_are_kept_without_what_nobody_asks_for() -> None:
    store = Store("", "")
    owner = stored(managedFields=[{"manager": "kubelet"}])
    owner["status"]["images"] = [{"names": ["x"]}] * 50
    store.put_node(owner)
    assert "images" not in store.nodes["a"]["status"]
    assert "managedFields" not in store.nodes["a"]["metadata"]


def test_failures_before_a_person_forgave_them_count_no_more() -> None:
    forgiven = NodeView("a", status=STATUS, forgiven=AT)
    assert (forgiven.crashes, forgiven.failed) == (0, None)
