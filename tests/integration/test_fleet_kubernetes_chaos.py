"""The operator while everything around it fails: what it must never do, it never does.

The controller is a process that is killed, the update services are real, and time is real;
`test_fleet_chaos` plays the time, and goes through more of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest

from tests.fakes.fleet_stand import Agents, Stand, agents, standing
from tests.fakes.fleet_watch import is_excluded
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.faults import Break
from tests.fakes.kube.workloads import budget, pod
from updog.fleet.kubernetes.names import EXCLUSION_LABEL

pytestmark = [
    pytest.mark.slow(seconds=90),
    # Agents are tasks here. One that is killed in the middle leaves sockets to the garbage
    # collector, which the end of a process would close.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NODES = 7
AT_MOST = 3
STUBBORN = "n00"
EXCLUDED = "n01"
"""A person has taken it out of load balancers, for good."""
ENOUGH = 3
"""So many machines have to restart in the middle of it."""
MOST_PERSONS = 3
SECONDS = 60.0
"""That is how long it goes on at most, once each kind of it has happened."""


Evidence: TypeAlias = Callable[[], bool]
"""Whether a thing has really gone wrong by now."""


class Chaos:
    """What goes wrong: each kind at least once, and more by chance, the same for the same seed.

    Nobody here asks for a list of any version, so the caches that may be stale are those that
    watches fill: they are late.
    """

    def __init__(self, stand: Stand, everybody: Agents, seed: int) -> None:
        self._stand = stand
        self._agents = everybody
        self._random = Random(seed)
        self.happened: Counter[str] = Counter()
        self.acts: dict[str, Callable[[], Evidence]] = {
            "controller killed": self._controller_dies,
            "agent killed": self._agent_dies,
            "server restarted": lambda: self._server_restarts(forget=False),
            "server restarted and forgot": lambda: self._server_restarts(forget=True),
            "410": self._watches_expire,
            "500": self._server_errs,
            "429": self._server_is_busy,
            "cut before": lambda: self._connections_break(Break.BEFORE),
            "cut after": lambda: self._connections_break(Break.AFTER),
            "slow": self._server_is_slow,
            "late watches": self._watches_are_late,
            "person": self._person_cordons,
        }

    def last(self) -> None:
        """Let one thing after the other happen, until enough machines went through it."""
        turns = list(self.acts)
        self._random.shuffle(turns)
        for kind in turns:
            self._let(kind)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and len(self._stand.watch.restarted) < ENOUGH:
            self._let(self._random.choice(turns))
        self._stand.kube.faults.clear()

    def _let(self, kind: str) -> None:
        self._stand.kube.faults.clear()
        happened = self.acts[kind]()
        self._stand.check()
        time.sleep(self._random.uniform(0.3, 1.2))
        self._stand.wait(happened, SECONDS)
        self.happened[kind] += 1

    def _node(self) -> str:
        return self._random.choice(sorted(self._stand.machines.all))

    def _controller_dies(self) -> Evidence:
        killed = self._stand.kill_controller()
        self._stand.start_controller()
        return lambda: killed

    def _agent_dies(self) -> Evidence:
        names = self._random.sample(sorted(self._stand.machines.all), 3)
        killed = [self._agents.kill(name) for name in names]
        for name in names:
            self._agents.begin(name)
        return lambda: all(killed)

    def _server_restarts(self, *, forget: bool) -> Evidence:
        kube = self._stand.kube
        kube.restart(forget=forget)
        before = kube.web.log[-1] if kube.web.log else None
        return lambda: bool(kube.web.log) and kube.web.log[-1] is not before

    def _watches_expire(self) -> Evidence:
        web = self._stand.kube.web
        before = web.gone

        def gone() -> bool:
            if web.gone == before:
                # Nobody may have been watching just now.
                self._stand.kube.expire_watches()
            return web.gone > before

        gone()
        return gone

    def _now_and_then(self, chance: float, **what: Any) -> Evidence:
        """The next request suffers from it in any case, and more of them by chance."""
        first = self._stand.kube.faults.add(**what)
        self._stand.kube.faults.add(times=None, chance=chance, **what)
        return lambda: first.hits > 0

    def _server_errs(self) -> Evidence:
        error = ApiError(500, "etcdserver: leader changed")
        return self._now_and_then(0.15, error=error)

    def _server_is_busy(self) -> Evidence:
        error = ApiError(429, "too many requests, please try again later", retry_after=1)
        return self._now_and_then(0.1, error=error)

    def _connections_break(self, cut: Break) -> Evidence:
        return self._now_and_then(0.1, cut=cut)

    def _server_is_slow(self) -> Evidence:
        return self._now_and_then(0.1, delay=0.5)

    def _watches_are_late(self) -> Evidence:
        faults = self._stand.kube.faults
        faults.lag, before = self._random.uniform(0.5, 2.0), faults.held
        return lambda: faults.held > before

    def _person_cordons(self) -> Evidence:
        persons = self._stand.watch.persons
        wanted = min(len(persons) + 1, MOST_PERSONS)
        return lambda: len(persons) >= wanted or self._cordon(self._node())

    def _cordon(self, name: str) -> bool:
        """Where nothing is cordoned yet: two cordons on one node cannot be told apart."""
        with self._stand.kube.api.store.lock:
            known = self._stand.kube.get("nodes", name)
            if known["spec"].get("unschedulable"):
                return False
            self._stand.kube.patch("nodes", name, {"spec": {"unschedulable": True}})
        return True


@pytest.mark.parametrize("seed", [11])
def test_the_invariants_hold_at_every_moment(tmp_path: Path, seed: int) -> None:
    rules = {
        "HALT_AFTER_FAILURES": "never",
        "MAX_ATTEMPTS": "never",
        "DRAIN_LIMIT_IN_SEC": "4",
        "BACKOFF_CAP_IN_SEC": "3",
        "EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC": "0.2",
    }
    with standing(tmp_path, NODES, at_most=AT_MOST, **rules) as stand:
        stand.watch.excluding = True
        stand.kube.patch("nodes", EXCLUDED, {"metadata": {"labels": {EXCLUSION_LABEL: "theirs"}}})
        stand.serve_people(2 * NODES, maxUnavailable="40%")
        stand.kube.create(pod("db", STUBBORN, labels={"app": "db"}))
        stand.kube.create(budget("db", "db", maxUnavailable=0))
        stand.machines.releases.publish("1.1.0")
        stand.start_controller()
        with agents(stand) as everybody:
            chaos = Chaos(stand, everybody, seed)
            chaos.last()
            assert set(chaos.happened) == set(chaos.acts)
            stand.wait(
                lambda: set(stand.watch.restarted) == {*stand.machines.all} - {STUBBORN}, 300
            )
            stand.kube.delete("pdb", "db")
            stand.wait(lambda: stand.machines.versions() == {"1.1.0": NODES}, 300)
            stand.wait(stand.quiet, 300)
            stand.wait(lambda: stand.watch.marked_by_us() == [])
            stand.check()
            assert stand.cordoned() == sorted(stand.watch.persons)
            left_out = [each for each in stand.kube.all("nodes") if is_excluded(each)]
            assert [each["metadata"]["name"] for each in left_out] == [EXCLUDED]
            assert stand.watch.most <= AT_MOST
