"""The scheduler on the fake API server: what it writes, what it remembers, what goes wrong."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.fakes.fleetworld import SPACE, V1, V2
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.faults import Break
from tests.fakes.kube.workloads import node
from tests.unit.updog.fleet.kubernetes.conftest import Worlds
from updog.fleet.kubernetes import book
from updog.fleet.kubernetes.errors import ApiFailure
from updog.fleet.kubernetes.names import HALT, PAUSE, RETRY, shadow_name
from updog.fleet.model import State


def test_a_fleet_goes_forward(worlds: Worlds) -> None:
    world = worlds(MAX_CONCURRENT_UPDATE="2")
    world.nodes("a", "b", "c")
    for _ in range(60):
        world.turn()
        assert len(world.cordoned()) <= 2
    assert set(world.versions().values()) == {V2}
    assert not world.cordoned()
    assert all(len(agent.reboots) == 1 for agent in world.agents.values())


def test_nodes_that_take_no_part_are_left_alone(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a", labels={"bottlerocket.aws/updater-interface-version": "1.0.0"})
    world.turn(5)
    assert world.shadow("a") is None


def test_a_shadow_belongs_to_its_node(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.turn()
    shadow = world.shadow("a")
    assert shadow is not None
    (owner,) = shadow["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Node", world.node("a")["metadata"]["uid"])


def test_a_bad_version_stops_the_fleet_and_everything_stays_schedulable(worlds: Worlds) -> None:
    world = worlds(MAX_CONCURRENT_UPDATE="2", HALT_AFTER_FAILURES="2")
    for agent in world.nodes("a", "b", "c", "d"):
        agent.bad.add(V2)
    world.turn(40)
    assert "2 failed attempts with 1.1.0" in world.ledger()["metadata"]["annotations"][HALT]
    assert sum(bool(agent.reboots) for agent in world.agents.values()) == 2
    assert not world.cordoned()
    assert world.told("FleetHalted")


def test_a_halt_outlives_the_controller(worlds: Worlds) -> None:
    world = worlds(HALT_AFTER_FAILURES="1")
    (bad, good) = world.nodes("a", "b")
    bad.bad.add(V2)
    world.turn(20)
    world.close()
    world.restart()
    world.turn(10)
    assert not good.reboots
    world.run(book.resume(world.scheduler._cluster, world.clock.now()))
    world.turn(15)
    assert good.reboots


def test_a_pause_of_the_fleet_outlives_the_controller(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.run(book.brake(world.scheduler._cluster, pause="holidays"))
    world.turn(5)
    world.close()
    world.restart()
    world.turn(5)
    assert world.versions() == {"a": V1}
    world.run(book.resume(world.scheduler._cluster, world.clock.now()))
    world.settle()
    assert world.versions() == {"a": V2}


def test_a_pause_on_a_node_and_its_end(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a", "b")
    world.annotate("a", {PAUSE: "disk"})
    world.turn(30)
    assert world.versions() == {"a": V1, "b": V2}
    world.annotate("a", {PAUSE: None})
    world.settle()
    assert world.versions() == {"a": V2, "b": V2}


def test_a_node_that_was_given_up_is_tried_again_when_it_is_forgiven(worlds: Worlds) -> None:
    world = worlds(MAX_ATTEMPTS="1", HALT_AFTER_FAILURES="never")
    (agent,) = world.nodes("a")
    agent.unstageable.add(V2)
    world.turn(6)
    agent.unstageable.clear()
    world.clock.advance(timedelta(days=2))
    world.turn(6)
    assert world.versions() == {"a": V1}
    world.annotate("a", {RETRY: world.clock.now().isoformat()})
    world.settle()
    assert world.versions() == {"a": V2}


@pytest.mark.parametrize("cut", list(Break))
def test_a_write_without_an_answer_never_lets_a_second_node_begin(
    worlds: Worlds, cut: Break
) -> None:
    world = worlds()
    world.nodes("a", "b")
    world.turn()
    world.kube.faults.add(verb="patch", name=shadow_name("a"), cut=cut)
    for _ in range(40):
        world.turn()
        begun = [
            name
            for name in world.agents
            if world.shadow(name) and world.shadow(name)["spec"]["state"] != "Idle"  # type: ignore[index]
        ]
        assert len(begun) <= 1
    assert world.versions() == {"a": V2, "b": V2}


def test_a_ledger_that_cannot_be_read_lets_nothing_begin(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.turn()
    world.kube.faults.server_error(verb="get", resource="configmaps", times=1)
    with pytest.raises(ApiFailure):
        world.step()
    assert world.state("a") == (State.IDLE, State.IDLE)


def test_trouble_with_one_node_is_none_of_the_others(worlds: Worlds) -> None:
    world = worlds(MAX_CONCURRENT_UPDATE="2")
    world.nodes("a", "b")
    world.turn()
    world.kube.faults.server_error(name="a", resource="nodes", verb="patch", times=None)
    world.turn(15)
    assert world.versions() == {"a": V1, "b": V2}


def test_telling_is_not_needed(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.kube.faults.add(resource="events", times=None, error=ApiError(403, "no events here"))
    world.settle()
    assert world.versions() == {"a": V2}


def test_the_same_is_told_once_in_a_while(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.pod("web-0", "a", labels={"app": "web"})
    world.budget("web", "web")
    world.turn(20, seconds=10)
    assert len(world.told("DrainBlocked", "a")) == 1


def test_the_rules_stand_in_the_ledger(worlds: Worlds) -> None:
    world = worlds(MAX_CONCURRENT_UPDATE="30%", METRICS_PORT="0")
    assert json.loads(world.ledger()["data"]["settings"]) == {"MAX_CONCURRENT_UPDATE": "30%"}


def test_a_ledger_that_another_has_begun_is_taken(worlds: Worlds) -> None:
    world = worlds()
    made = world.ledger()
    world.close()
    world.restart()
    assert world.ledger()["metadata"]["uid"] == made["metadata"]["uid"]


def test_a_controller_adopts_what_upstream_left(worlds: Worlds) -> None:
    """Shadows of Bottlerocket's operator, in mid-update, without a label of ours."""
    world = worlds()
    world.nodes("a")
    world.turn(2)
    patch = {"metadata": {"labels": None}}
    world.kube.patch("brs", shadow_name("a"), patch, SPACE)
    world.settle()
    assert world.versions() == {"a": V2}


def test_a_node_that_was_made_again_gets_a_shadow_of_its_own(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a", offered=V1)
    world.turn(2)
    labels = world.node("a")["metadata"]["labels"]
    world.kube.delete("nodes", "a")
    world.kube.create(node("a", labels))
    world.turn(3)
    shadow = world.shadow("a")
    assert shadow is not None
    assert shadow["metadata"]["ownerReferences"][0]["uid"] == world.node("a")["metadata"]["uid"]


def test_outside_its_round_nothing_begins_and_the_round_ends_by_itself(worlds: Worlds) -> None:
    world = worlds(SCHEDULER_CRON_EXPRESSION="0 30 9 * * *")
    world.nodes("a")
    world.turn(6)
    assert world.versions() == {"a": V1}
    world.clock.advance(timedelta(hours=1))
    world.settle()
    assert world.versions() == {"a": V2}
    world.turn(2)
    world.agents["a"].offered = "1.2.0"
    world.turn(5)
    assert world.versions() == {"a": V2}
