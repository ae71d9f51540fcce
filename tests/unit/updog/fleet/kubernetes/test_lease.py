from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.fakes.fleetworld import SPACE, V1, FleetWorld
from tests.fakes.kube.errors import ApiError
from tests.unit.updog.fleet.kubernetes.conftest import Worlds
from updog.fleet.kubernetes.lease import LeaseHolder
from updog.fleet.kubernetes.names import LEASE


def holder(world: FleetWorld, name: str, seconds: float = 15.0) -> LeaseHolder:
    def monotonic() -> float:
        return world.clock.now().timestamp()

    return LeaseHolder(world.scheduler._cluster, name, seconds, monotonic)


def holds(world: FleetWorld, one: LeaseHolder) -> bool:
    return world.run(one.holds(world.clock.now()))


def test_the_first_one_decides_and_the_second_waits(worlds: Worlds) -> None:
    world = worlds()
    first, second = holder(world, "first"), holder(world, "second")
    assert holds(world, first)
    assert not holds(world, second)


def test_it_is_renewed_in_time_and_so_never_runs_out(worlds: Worlds) -> None:
    world = worlds()
    first, second = holder(world, "first"), holder(world, "second")
    for _ in range(10):
        assert holds(world, first)
        assert not holds(world, second)
        world.clock.advance(timedelta(seconds=6))


def test_when_it_runs_out_by_ones_own_clock_it_is_taken_over(worlds: Worlds) -> None:
    world = worlds()
    first, second = holder(world, "first"), holder(world, "second")
    assert holds(world, first)
    assert not holds(world, second)
    world.clock.advance(timedelta(seconds=16))
    assert holds(world, second)
    assert not holds(world, first)


def test_the_same_one_takes_over_from_itself_at_once(worlds: Worlds) -> None:
    world = worlds()
    assert holds(world, holder(world, "pod-1"))
    assert holds(world, holder(world, "pod-1"))


def test_given_back_it_is_free_at_once(worlds: Worlds) -> None:
    world = worlds()
    first, second = holder(world, "first"), holder(world, "second")
    assert holds(world, first)
    world.run(first.give_back())
    assert holds(world, second)


def test_two_that_try_at_once_do_not_both_get_it(worlds: Worlds) -> None:
    world = worlds()
    first, second = holder(world, "first"), holder(world, "second")
    assert holds(world, first)
    world.run(first.give_back())
    world.kube.faults.add(verb="patch", resource="leases", error=ApiError(409, "conflict"))
    assert not holds(world, first)
    assert holds(world, second)


def test_without_a_length_none_is_needed(worlds: Worlds) -> None:
    world = worlds()
    assert holds(world, holder(world, "any", 0.0))
    assert world.kube.find("leases", LEASE, SPACE) is None


def test_once_it_may_have_run_out_nothing_is_begun(worlds: Worlds) -> None:
    world = worlds()
    first = holder(world, "first")
    assert not first.still()
    assert holds(world, first)
    assert first.still()
    world.clock.advance(timedelta(seconds=15))
    assert not first.still()
    world.scheduler._may_begin = first.still
    world.nodes("a")
    world.turn(5)
    assert world.versions() == {"a": V1}


def test_it_is_kept_while_a_step_takes_long(worlds: Worlds) -> None:
    world = worlds()
    first, second = holder(world, "first", 0.3), holder(world, "second", 0.3)

    async def keep() -> None:
        stop = asyncio.Event()
        assert await first.holds(world.clock.now())
        renewed = world.kube.get("leases", LEASE, SPACE)["metadata"]["resourceVersion"]
        keeping = asyncio.create_task(first.keep(stop, world.clock))
        while world.kube.get("leases", LEASE, SPACE)["metadata"]["resourceVersion"] == renewed:
            world.clock.advance(timedelta(seconds=0.1))
            await asyncio.sleep(0.02)
        assert not await second.holds(world.clock.now())
        stop.set()
        await keeping

    world.run(asyncio.wait_for(keep(), 60))


def test_who_does_not_decide_tells_nothing_of_the_fleet(worlds: Worlds) -> None:
    world = worlds()
    world.nodes("a")
    world.turn(2)
    metrics = world.scheduler.metrics
    metrics.silence()
    version = {"bottlerocket_version": V1}
    assert metrics.registry.get_sample_value("brupop_hosts_version", version) is None
    assert metrics.registry.get_sample_value("updog_fleet_nodes") == 0
