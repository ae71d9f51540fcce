"""What went wrong elsewhere and must not here, as far as the cluster shows it.

The others are in `tests/unit/updog/fleet/test_upstream_defects.py`, and those of the agent in
`tests/unit/updog/fleet/kubernetes/test_agent_defects.py`.
"""

from __future__ import annotations

import pytest

from tests.fakes.fleetworld import SPACE, V1, V2, FleetWorld
from tests.fakes.kube.errors import ApiError
from tests.unit.updog.fleet.kubernetes.conftest import Worlds
from updog.fleet.kubernetes.names import (
    CORDONED_BY,
    DRAINED_SINCE,
    EXCLUSION_LABEL,
    INTERFACE_LABEL,
    shadow_name,
)
from updog.fleet.model import State

IDLE = (State.IDLE, State.IDLE)


def until_permitted(world: FleetWorld, name: str, times: int = 30) -> None:
    for _ in range(times):
        world.turn()
        if world.state(name)[0] is State.REBOOTED:
            return
    raise AssertionError(world.view(name))


def test_cordoned_for_ever_28_after_the_controller_was_killed(worlds: Worlds) -> None:
    """At whatever step the controller is replaced, the node comes back in the end."""
    for killed_after in range(12):
        world = worlds()
        world.nodes("a")
        world.turn(killed_after)
        world.close()
        world.restart()
        world.settle()
        assert world.versions() == {"a": V2}
        assert not world.cordoned(), killed_after
        assert not world.cordoned_by_us()


def test_cordoned_for_ever_630_after_a_failed_restart(worlds: Worlds) -> None:
    world = worlds()
    (agent,) = world.nodes("a")
    agent.bad.add(V2)
    world.turn(15)
    assert agent.reboots
    assert world.status("a").crashes == 1
    assert world.status("a").reason.startswith("fell-back")
    assert world.state("a") == IDLE
    assert not world.cordoned()


def test_cordoned_for_ever_691_when_the_node_leaves_the_fleet_in_mid_drain(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.pod("web-0", "a", labels={"app": "web"})
    world.budget("web", "web")
    world.turn(6)
    assert world.cordoned() == {"a"}
    world.kube.patch("nodes", "a", {"metadata": {"labels": {INTERFACE_LABEL: None}}})
    world.turn(3)
    assert not world.cordoned()
    assert world.shadow("a") is None


def test_human_cordon_undone(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.cordon("a")
    world.settle()
    assert world.versions() == {"a": V2}
    assert world.cordoned() == {"a"}
    assert CORDONED_BY not in world.node("a")["metadata"].get("annotations", {})


def test_human_cordon_at_the_same_moment_as_ours_is_kept(worlds: Worlds) -> None:
    """Our cordon goes by the version of the node that was read; theirs changes it."""
    world = worlds()
    world.nodes("a")
    world.turn(2)
    assert world.state("a") == (State.STAGED, State.STAGED)
    world.run(world.scheduler.refresh())
    world.cordon("a")
    world.run(world.scheduler.step())
    assert CORDONED_BY not in world.node("a")["metadata"].get("annotations", {})
    world.settle()
    assert world.cordoned() == {"a"}


def test_human_exclusion_from_load_balancers_undone(worlds: Worlds) -> None:
    world = worlds(EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC="30")
    world.nodes("a", labels={EXCLUSION_LABEL: "theirs"})
    world.settle()
    assert world.versions() == {"a": V2}
    assert world.node("a")["metadata"]["labels"][EXCLUSION_LABEL] == "theirs"


def test_stateful_set_with_the_same_name_168(worlds: Worlds) -> None:
    """The successor is another pod: it is neither waited for by name nor evicted by mistake."""
    world = worlds()
    world.nodes("a", "b", offered=V1)
    world.agents["a"].offered = V2
    world.pod("db-0", "a")
    world.turn(4)
    assert world.kube.find("pods", "db-0") is None
    # Its controller makes the next one elsewhere at once.
    world.pod("db-0", "b")
    until_permitted(world, "a")
    assert world.pods_on("b") == ("db-0",)


def test_not_drained_at_all_74(worlds: Worlds) -> None:
    world = worlds()
    (agent,) = world.nodes("a")
    world.pod("web-0", "a")
    world.settle()
    assert agent.reboots == [(V2, ())]


def test_pdb_unexplained_650(worlds: Worlds) -> None:
    """Event, metric and ledger name the budget that holds the drain up."""
    world = worlds()
    world.nodes("a")
    world.pod("web-0", "a", labels={"app": "web"})
    world.budget("web-budget", "web")
    world.turn(6)
    (blocked,) = set(world.told("DrainBlocked", "a"))
    assert "default/web-0 is held by PodDisruptionBudget default/web-budget" in blocked
    registry = world.scheduler.metrics.registry
    labels = {"namespace": "default", "pdb": "web-budget", "node": "a"}
    assert registry.get_sample_value("updog_fleet_blocking_pdb", labels) == 1
    assert "web-budget" in world.ledger()["data"]["drains"]


def test_several_budgets_over_a_pod_are_all_named_650(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.pod("web-0", "a", labels={"app": "web"})
    world.budget("one", "web", allowed=1)
    world.budget("two", "web", allowed=1)
    world.turn(6)
    (blocked,) = set(world.told("DrainBlocked", "a"))
    assert "default/one, default/two" in blocked


def test_a_stuck_drain_has_no_time_limit(worlds: Worlds) -> None:
    world = worlds(DRAIN_LIMIT_IN_SEC="60")
    (agent,) = world.nodes("a")
    world.pod("web-0", "a", labels={"app": "web"})
    world.budget("web", "web")
    world.turn(14)
    assert not agent.reboots
    assert world.status("a").crashes == 1
    assert world.state("a") == IDLE
    assert not world.cordoned()
    assert any("PodDisruptionBudget" in each for each in world.told("UpdateFailed", "a"))


def test_a_pod_that_never_ends_is_waited_for_no_longer_than_the_deadline(worlds: Worlds) -> None:
    world = worlds(DRAIN_LIMIT_IN_SEC="60")
    (agent,) = world.nodes("a")
    world.kube.api.pods_end_at_once = False
    world.pod("stuck", "a")
    world.turn(14)
    assert not agent.reboots
    assert not world.cordoned()


def test_a_pod_that_never_ends_is_waited_for_no_longer_with_force(worlds: Worlds) -> None:
    """A finalizer, or a mount that hangs, holds no place in the budget for ever."""
    world = worlds(DRAIN_LIMIT_IN_SEC="60", DRAIN_POLICY="force-after")
    agent, other = world.nodes("a", "b")
    world.kube.api.pods_end_at_once = False
    world.pod("stuck", "a")
    world.turn(10, seconds=60)
    assert world.state("a") == (State.STAGED, State.STAGED)
    world.turn(6, seconds=60)
    assert "a" not in world.cordoned()
    assert world.status("a").crashes == 1
    assert any("default/stuck" in each for each in world.told("UpdateFailed", "a"))
    world.turn(6, seconds=60)
    assert other.reboots
    assert not agent.reboots
    assert world.pods_on("a") == ("stuck",)


def test_drain_success_after_refused_eviction(worlds: Worlds) -> None:
    world = worlds()
    (agent,) = world.nodes("a")
    world.pod("web-0", "a")
    world.kube.faults.add(
        verb="create", resource="pods/eviction", times=None, error=ApiError(403, "not this one")
    )
    world.turn(10)
    assert world.pods_on("a") == ("web-0",)
    assert not agent.reboots
    assert not world.cordoned()
    assert world.status("a").crashes == 1
    assert any("not this one" in each for each in world.told("UpdateFailed", "a"))


TEAPOT = ApiError(418, "a teapot")
WEBHOOK = ApiError(500, "Internal error occurred: failed calling webhook")
CROWD = ApiError(429, "too many requests, please try again later", retry_after=1)


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        ("abort", TEAPOT),
        ("force-after", TEAPOT),
        ("force-after", WEBHOOK),
        ("force-after", CROWD),
    ],
)
def test_drain_success_after_an_eviction_that_failed_and_no_budget_was_named(
    worlds: Worlds, policy: str, error: ApiError
) -> None:
    world = worlds(DRAIN_LIMIT_IN_SEC="60", DRAIN_POLICY=policy)
    (agent,) = world.nodes("a")
    world.pod("web-0", "a")
    world.kube.faults.add(verb="create", resource="pods/eviction", times=None, error=error)
    world.turn(14)
    assert not agent.reboots
    assert world.pods_on("a") == ("web-0",)


@pytest.mark.parametrize("budgets", [("web",), ("web", "all-of-us")])
def test_after_the_deadline_pods_are_deleted_only_if_that_was_chosen(
    worlds: Worlds, budgets: tuple[str, ...]
) -> None:
    world = worlds(DRAIN_LIMIT_IN_SEC="60", DRAIN_POLICY="force-after")
    (agent,) = world.nodes("a")
    world.pod("web-0", "a", labels={"app": "web"})
    for name in budgets:
        world.budget(name, "web")
    world.turn(5)
    assert not agent.reboots
    world.settle()
    assert agent.reboots == [(V2, ())]


def test_finished_and_daemon_pods_are_evicted_too(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    owner = world.kube.create(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "logs", "namespace": "default"},
            "spec": {"selector": {}, "template": {"metadata": {}, "spec": {"containers": []}}},
        }
    )
    world.pod("logs-x", "a", owner=owner)
    done = world.pod("job-x", "a")
    world.kube.patch(
        "pods", done["metadata"]["name"], {"status": {"phase": "Succeeded"}}, sub="status"
    )
    mirror = world.pod("static-a", "a")
    note = {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}
    world.kube.patch("pods", mirror["metadata"]["name"], note)
    world.settle()
    assert set(world.pods_on("a")) == {"logs-x", "job-x", "static-a"}
    assert world.versions() == {"a": V2}


def test_a_person_who_uncordons_a_node_that_is_emptied_does_not_fill_it(worlds: Worlds) -> None:
    world = worlds()
    (agent,) = world.nodes("a")
    world.turn(4)
    world.kube.patch("nodes", "a", {"spec": {"unschedulable": None}})
    world.pod("late", "a")
    world.settle()
    assert agent.reboots == [(V2, ())]


def test_vanished_versions_and_states_are_told_as_0(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.turn(2)
    registry = world.scheduler.metrics.registry
    version = {"bottlerocket_version": V1}
    assert registry.get_sample_value("brupop_hosts_version", version) == 1
    world.settle()
    world.turn()
    assert registry.get_sample_value("brupop_hosts_version", version) is None
    assert registry.get_sample_value("brupop_hosts_version", {"bottlerocket_version": V2}) == 1
    assert registry.get_sample_value("brupop_hosts_state", {"state": "MonitoringUpdate"}) is None


def test_failures_are_not_measured(worlds: Worlds) -> None:
    world = worlds()
    (agent,) = world.nodes("a")
    agent.bad.add(V2)
    world.turn(15)
    registry = world.scheduler.metrics.registry
    said = {"reason": "fell-back"}
    assert registry.get_sample_value("updog_fleet_failures_total", said) == 1
    drained = registry.get_sample_value("updog_fleet_phase_seconds_count", {"phase": "drain"})
    assert drained == 1


def test_writes_without_a_version_overwrite_each_other(worlds: Worlds) -> None:
    """A shadow that changed meanwhile is not written; the next step goes by what it is now."""
    world = worlds()
    (agent,) = world.nodes("a")
    world.turn()
    world.run(world.scheduler.refresh())
    agent.offered = V1
    agent.act(world)
    world.run(world.scheduler.step())
    shadow = world.shadow("a")
    assert shadow is not None
    assert shadow["spec"]["state"] == "Idle"
    assert world.run(world.scheduler.step()).steps == ()


def test_no_health_check_after_the_restart(worlds: Worlds) -> None:
    """The next node begins when this one is Ready and its chosen pods are."""
    world = worlds(HEALTH_POD_SELECTOR="app=ingress")
    world.nodes("a", "b")
    world.pod("ingress-a", "a", labels={"app": "ingress"}, owner=daemon(world))
    unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    world.kube.patch("pods", "ingress-a", unready, sub="status")
    world.turn(15)
    assert world.state("a") == (State.MONITORING, State.MONITORING)
    assert world.versions() == {"a": V2, "b": V1}
    assert world.told("NodeUnwell", "a") == ["pods are not Ready: default/ingress-a"]
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    world.kube.patch("pods", "ingress-a", ready, sub="status")
    world.settle()
    assert world.versions() == {"a": V2, "b": V2}


def daemon(world: FleetWorld) -> dict[str, object]:
    return world.kube.create(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "ingress", "namespace": "default"},
            "spec": {"selector": {}, "template": {"metadata": {}, "spec": {"containers": []}}},
        }
    )


def test_a_node_that_does_not_come_back_blocks_silently(worlds: Worlds) -> None:
    world = worlds(REBOOT_LIMIT_IN_SEC="60")
    (agent,) = world.nodes("a")
    agent.lost = True
    world.turn(15)
    # It is unavailable because of us, so it keeps its place, and everybody is told.
    assert world.view("a").active
    assert world.told("TransitionOverdue", "a")
    assert "reboot-overdue" in world.ledger()["data"]["failures"]
    agent.lost = False
    world.settle()
    assert world.versions() == {"a": V2}


def test_a_silent_agent_blocks_everyone(worlds: Worlds) -> None:
    world = worlds(STAGE_LIMIT_IN_SEC="60")
    first, _second = world.nodes("a", "b")
    world.turn()
    first.silent = True
    world.turn(20)
    assert world.versions()["b"] == V2


def test_shadows_without_a_node_are_left_behind(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.turn()
    world.kube.delete("nodes", "a")
    assert world.kube.find("brs", shadow_name("a"), SPACE) is None
    world.turn()
    assert not world.views()


def test_shadows_that_somebody_else_made_are_deleted(worlds: Worlds) -> None:
    """Those of Bottlerocket's own operator carry no label of ours."""
    world = worlds()
    world.nodes("a", offered=V1)
    world.turn()
    patch = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "brupop"}}}
    world.kube.patch("brs", shadow_name("a"), patch, SPACE)
    world.kube.patch("nodes", "a", {"metadata": {"labels": {INTERFACE_LABEL: None}}})
    world.turn(2)
    assert world.shadow("a") is not None


def test_the_load_balancer_label_comes_off_before_or_with_the_cordon(worlds: Worlds) -> None:
    world = worlds(EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC="60")
    world.nodes("a")
    world.pod("web-0", "a")
    world.turn(3)
    labels = world.node("a")["metadata"]["labels"]
    assert labels[EXCLUSION_LABEL] == "true"
    # Not yet cordoned, and no pod has left: connections run out first.
    assert not world.cordoned()
    assert world.pods_on("a") == ("web-0",)
    world.settle()
    assert EXCLUSION_LABEL not in world.node("a")["metadata"]["labels"]
    assert DRAINED_SINCE not in world.node("a")["metadata"].get("annotations", {})


def test_no_hook_for_autoscalers_while_updating_798(worlds: Worlds) -> None:
    world = worlds(ANNOTATE_WHILE_UPDATING="karpenter.sh/do-not-disrupt=true")
    world.nodes("a", "b")
    world.annotate("b", {"karpenter.sh/do-not-disrupt": "theirs"})
    world.turn(4)
    assert world.node("a")["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    world.settle()
    assert world.versions() == {"a": V2, "b": V2}
    assert "karpenter.sh/do-not-disrupt" not in world.node("a")["metadata"].get("annotations", {})
    assert world.node("b")["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "theirs"


def test_sporadic_errors_between_us_and_the_api_server_801(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    for _ in range(40):
        world.kube.faults.server_error(verb="patch", chance=0.3)
        world.turn()
    world.kube.faults.clear()
    world.settle()
    assert world.versions() == {"a": V2}
    assert world.status("a").crashes == 0
