"""A fleet whose scheduler, agents and API server fail by chance; rules that hold at every moment.

Time is played, so that hours pass in seconds; `tests/integration/test_fleet_kubernetes.py` does the
same with processes and real update services.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest

from tests.fakes.fleetworld import V2, FleetWorld, fleet_world
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.faults import Break
from tests.fakes.kube.store import Change
from updog.fleet.kubernetes.errors import ApiFailure

pytestmark = pytest.mark.slow

NODES = tuple(f"n{each}" for each in range(8))
AT_MOST = 2
ROUNDS = 120


class Watchman:
    """Looks at every write, and holds it against the rules."""

    def __init__(self, world: FleetWorld) -> None:
        self._world = world
        self.persons: set[str] = set()
        self.broken: list[str] = []
        world.kube.observe(self)

    def __call__(self, change: Change) -> None:
        if change.key.place != ("", "nodes") or change.old is None or change.type == "DELETED":
            return
        before, after = (
            bool(each["spec"].get("unschedulable")) for each in (change.old, change.new)
        )
        name = change.key.name
        if before and not after and name in self.persons:
            self.broken.append(f"{name}: a person's cordon was undone")

    def look(self) -> None:
        begun = [
            each["metadata"]["name"]
            for each in self._world.kube.all("brs")
            if each["spec"]["state"] != "Idle"
        ]
        if len(begun) > AT_MOST:
            self.broken.append(f"too many at once: {begun}")
        for agent in self._world.agents.values():
            for _version, pods in agent.reboots:
                if pods:
                    self.broken.append(f"{agent.name} restarted with {pods} on it")
        assert self.broken == []


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_the_rules_hold_and_nothing_stays_cordoned(seed: int) -> None:
    chance = Random(seed)
    with fleet_world(
        MAX_CONCURRENT_UPDATE=str(AT_MOST), HALT_AFTER_FAILURES="never", MAX_ATTEMPTS="unlimited"
    ) as world:
        world.nodes(*NODES)
        for name in NODES:
            world.pod(f"web-{name}", name, labels={"app": "web"})
        world.budget("web", "web", allowed=1)
        watchman = Watchman(world)
        for _ in range(ROUNDS):
            disturb(world, watchman, chance)
            with suppress(ApiFailure):
                world.step()
            watchman.look()
            for agent in world.agents.values():
                if chance.random() < 0.8:
                    agent.act(world)
            world.clock.advance(timedelta(seconds=chance.choice((2, 10, 120))))
        calm(world)
        assert set(world.versions().values()) == {V2}
        assert world.cordoned() == watchman.persons
        assert not world.cordoned_by_us()


def disturb(world: FleetWorld, watchman: Watchman, chance: Random) -> None:
    """One of the things that happen."""
    match chance.randrange(10):
        case 0:
            with suppress(ApiFailure):
                world.close()
                world.restart()
        case 1:
            world.kube.faults.server_error(times=chance.randrange(1, 4))
        case 2:
            world.kube.faults.throttle(times=chance.randrange(1, 4))
        case 3:
            verb = chance.choice(("patch", "create"))
            world.kube.faults.add(verb=verb, cut=chance.choice(list(Break)))
        case 4:
            name = chance.choice(NODES)
            if name not in world.cordoned() and len(watchman.persons) < 2:
                world.cordon(name)
                watchman.persons.add(name)
        case 5:
            allowed = chance.randrange(3)
            status = {"status": {"disruptionsAllowed": allowed}}
            with suppress(ApiError):
                world.kube.patch("poddisruptionbudgets", "web", status, sub="status")
        case 6:
            agent = world.agents[chance.choice(NODES)]
            agent.bad ^= {V2}
        case _:
            pass


def calm(world: FleetWorld) -> None:
    """Nothing happens any more, and there is time."""
    world.kube.faults.clear()
    status = {"status": {"disruptionsAllowed": 100}}
    world.kube.patch("poddisruptionbudgets", "web", status, sub="status")
    for agent in world.agents.values():
        agent.bad.clear()
    world.turn(150, seconds=600)
