"""The operator while everything around it fails: what it must never do, it never does.

The controller is a process that is killed, the update services are real, and time is real;
`test_fleet_chaos` plays the time, and goes through more of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.fakes.fleet_stand import Agents, Stand, agents, standing
from tests.fakes.kube.faults import Break
from tests.fakes.kube.workloads import budget, pod

pytestmark = [
    pytest.mark.slow,
    # Agents are tasks here. One that is killed in the middle leaves sockets to the garbage
    # collector, which the end of a process would close.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NODES = 7
AT_MOST = 3
STUBBORN = "n00"
ENOUGH = 3
"""So many machines have to restart in the middle of it."""
SECONDS = 60.0
"""That is how long it lasts at most."""


class Chaos:
    """What goes wrong, by the same chances for the same seed."""

    def __init__(self, stand: Stand, everybody: Agents, seed: int) -> None:
        self._stand = stand
        self._agents = everybody
        self._random = Random(seed)
        self._acts: list[Callable[[], None]] = [
            self._controller_dies,
            self._agent_dies,
            self._agent_dies,
            self._agent_dies,
            self._server_restarts,
            self._watches_expire,
            self._server_errs,
            self._server_is_busy,
            self._connections_break,
            self._server_is_slow,
            self._caches_are_stale,
            self._person_cordons,
        ]

    def last(self) -> None:
        """Let one thing after the other happen, until enough machines went through it."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and len(self._stand.watch.restarted) < ENOUGH:
            self._stand.kube.faults.clear()
            self._random.choice(self._acts)()
            self._stand.check()
            time.sleep(self._random.uniform(0.3, 1.2))
        self._stand.kube.faults.clear()

    def _node(self) -> str:
        return self._random.choice(sorted(self._stand.machines.all))

    def _controller_dies(self) -> None:
        self._stand.kill_controller()
        self._stand.start_controller()

    def _agent_dies(self) -> None:
        name = self._node()
        self._agents.kill(name)
        self._agents.begin(name)

    def _server_restarts(self) -> None:
        self._stand.kube.restart(forget=self._random.random() < 0.7)

    def _watches_expire(self) -> None:
        self._stand.kube.expire_watches()

    def _server_errs(self) -> None:
        self._stand.kube.faults.server_error(times=None, chance=0.15)

    def _server_is_busy(self) -> None:
        self._stand.kube.faults.throttle(1, times=None, chance=0.1)

    def _connections_break(self) -> None:
        cut = self._random.choice(list(Break))
        self._stand.kube.faults.add(times=None, chance=0.1, cut=cut)

    def _server_is_slow(self) -> None:
        self._stand.kube.faults.add(times=None, chance=0.1, delay=0.5)

    def _caches_are_stale(self) -> None:
        self._stand.kube.faults.lag = self._random.uniform(0.5, 2.0)
        self._stand.kube.faults.stale = self._random.randrange(1, 30)

    def _person_cordons(self) -> None:
        """Where nothing is cordoned yet: two cordons on one node cannot be told apart."""
        name = self._node()
        with self._stand.kube.api.store.lock:
            known = self._stand.kube.get("nodes", name)
            if not known["spec"].get("unschedulable") and len(self._stand.watch.persons) < 3:
                self._stand.kube.patch("nodes", name, {"spec": {"unschedulable": True}})


@pytest.mark.parametrize("seed", [11])
def test_the_invariants_hold_at_every_moment(tmp_path: Path, seed: int) -> None:
    rules = {
        "HALT_AFTER_FAILURES": "never",
        "MAX_ATTEMPTS": "never",
        "DRAIN_LIMIT_IN_SEC": "4",
        "BACKOFF_CAP_IN_SEC": "3",
    }
    with standing(tmp_path, NODES, at_most=AT_MOST, **rules) as stand:
        stand.serve_people(2 * NODES, maxUnavailable="40%")
        stand.kube.create(pod("db", STUBBORN, labels={"app": "db"}))
        stand.kube.create(budget("db", "db", maxUnavailable=0))
        stand.machines.releases.publish("1.1.0")
        stand.start_controller()
        with agents(stand) as everybody:
            Chaos(stand, everybody, seed).last()
            stand.wait(
                lambda: set(stand.watch.restarted) == {*stand.machines.all} - {STUBBORN}, 300
            )
            stand.kube.delete("pdb", "db")
            stand.wait(lambda: stand.machines.versions() == {"1.1.0": NODES}, 300)
            stand.wait(stand.quiet, 300)
            stand.wait(lambda: stand.watch.marked_by_us() == [])
            stand.check()
            assert stand.cordoned() == sorted(stand.watch.persons)
            assert stand.watch.most <= AT_MOST
