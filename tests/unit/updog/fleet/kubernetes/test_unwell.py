"""Health commands that fail after a restart, with a controller that goes by what agents say."""

from __future__ import annotations

from tests.fakes.fleetworld import V1, V2
from tests.unit.updog.fleet.kubernetes.conftest import Worlds
from updog.fleet.kubernetes.names import HALT, RETRY
from updog.fleet.model import State

CANARY = {"fleet.updog/canary": "true"}


def test_a_canary_that_is_not_well_releases_nobody_until_it_is(worlds: Worlds) -> None:
    world = worlds(MAX_CONCURRENT_UPDATE="unlimited")
    world.nodes("a", "b")
    (canary,) = world.nodes("z", labels=CANARY)
    canary.sick.add(V2)
    world.turn(40, seconds=60)
    assert world.versions() == {"a": V1, "b": V1, "z": V2}
    assert not world.cordoned()
    canary.sick.clear()
    world.settle()
    assert set(world.versions().values()) == {V2}
    assert world.status("z").crashes == 0


def test_a_node_that_is_not_well_lets_no_other_begin_and_counts_once(worlds: Worlds) -> None:
    world = worlds()
    (sick, _) = world.nodes("a", "b")
    sick.sick.add(V2)
    world.turn(40, seconds=60)
    assert world.versions() == {"a": V2, "b": V1}
    assert world.state("a") == (State.MONITORING, State.REBOOTED)
    assert world.status("a").crashes == 1
    assert world.ledger()["data"]["failures"].count("health-failed") == 1
    assert len(world.told("UpdateFailed", "a")) == 1


def test_a_node_that_is_not_well_is_left_as_it_is_when_a_person_says_so(worlds: Worlds) -> None:
    world = worlds()
    (sick, _) = world.nodes("a", "b")
    sick.sick.add(V2)
    world.turn(40, seconds=60)
    world.annotate("a", {RETRY: world.clock.now().isoformat()})
    world.settle()
    assert world.versions() == {"a": V2, "b": V2}
    assert world.state("a") == (State.IDLE, State.IDLE)


def test_a_version_that_makes_nodes_unwell_stops_the_fleet(worlds: Worlds) -> None:
    world = worlds(MAX_CONCURRENT_UPDATE="3")
    for agent in world.nodes("a", "b", "c", "d", "e"):
        agent.sick.add(V2)
    world.turn(40, seconds=60)
    assert sum(bool(agent.reboots) for agent in world.agents.values()) == 3
    assert "3 failed attempts with 1.1.0" in world.ledger()["metadata"]["annotations"][HALT]


def test_a_selector_that_fits_no_pod_at_all_lets_no_node_pass(worlds: Worlds) -> None:
    world = worlds(HEALTH_POD_SELECTOR="app=ingres")
    world.nodes("a", "b")
    world.pod("ingress-z", "z", labels={"app": "ingress"})
    world.turn(15)
    assert world.versions() == {"a": V2, "b": V1}
    assert world.state("a") == (State.MONITORING, State.MONITORING)
    why = "no pod of the cluster fits HEALTH_POD_SELECTOR app=ingres"
    assert world.told("NodeUnwell", "a") == [why]


def test_a_node_without_chosen_pods_passes_where_there_are_some_elsewhere(worlds: Worlds) -> None:
    world = worlds(HEALTH_POD_SELECTOR="app=ingress")
    world.nodes("a")
    world.pod("ingress-z", "z", labels={"app": "ingress"})
    world.settle()
    assert world.versions() == {"a": V2}
    assert not world.told("NodeUnwell", "a")
