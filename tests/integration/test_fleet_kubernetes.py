"""The operator on fifty nodes, each with the real update service over a disk of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.fleet_stand import Stand, agents, standing
from tests.fakes.kube.workloads import budget, pod

pytestmark = [
    pytest.mark.slow(seconds=110),
    # Agents are tasks here. One that is replaced in the middle leaves sockets to the garbage
    # collector, which the end of a process would close.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NODES = 50
AT_MOST = 10
CANARIES = ("n03", "n41")
PERSONS_NODE = "n07"


def all_on(stand: Stand, version: str) -> bool:
    return stand.machines.versions() == {version: NODES} and stand.quiet()


def test_a_fleet_goes_forward_and_stops_at_a_bad_version(tmp_path: Path) -> None:
    with standing(
        tmp_path, NODES, at_most=AT_MOST, HALT_AFTER_FAILURES="1", CANARY_SELECTOR="canary=yes"
    ) as stand:
        stand.serve_people(2 * NODES, maxUnavailable="30%")
        stand.kube.patch("nodes", PERSONS_NODE, {"spec": {"unschedulable": True}})
        stand.machines.releases.publish("1.1.0")
        stand.start_controller()
        with agents(stand) as all_agents:
            stand.wait(lambda: all_on(stand, "1.1.0"), 600)
            stand.check()
            assert stand.cordoned() == [PERSONS_NODE]
            assert sorted(stand.watch.restarted) == sorted(stand.machines.all)
            assert 1 < stand.watch.most <= AT_MOST

            for name in CANARIES:
                stand.kube.patch("nodes", name, {"metadata": {"labels": {"canary": "yes"}}})
            stand.watch.restarted.clear()
            stand.machines.releases.publish("1.2.0", bad=True)
            all_agents.restart_all()
            stand.wait(stand.halted, 300)
            stand.wait(stand.quiet, 300)
            stand.check()
            assert {*stand.watch.restarted} <= {*CANARIES}
            assert stand.watch.restarted
            assert stand.machines.versions() == {"1.1.0": NODES}
            assert stand.cordoned() == [PERSONS_NODE]
            assert stand.watch.marked_by_us() == []


def test_a_refused_eviction_is_named_and_nothing_restarts(tmp_path: Path) -> None:
    with standing(tmp_path, 2, at_most=1, DRAIN_LIMIT_IN_SEC="3", MAX_ATTEMPTS="1") as stand:
        for name in stand.machines.all:
            stand.kube.create(pod(f"db-{name}", name, labels={"app": "db"}))
        stand.kube.create(budget("db", "db", maxUnavailable=0))
        stand.machines.releases.publish("1.1.0")
        stand.start_controller()
        with agents(stand):
            stand.wait(lambda: len(stand.watch.touched) == 2 and stand.quiet())
            # What we cordoned is given back a moment after the refusal was told.
            stand.wait(lambda: stand.cordoned() == [])
            stand.check()
            assert stand.watch.restarted == []
            said = " ".join(each["message"] for each in stand.kube.events())
            assert "default/db" in said
