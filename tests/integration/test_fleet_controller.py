"""The controller as a process, with kopf, on the fake API server; agents are played on paper."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.fleetworld import V2, FleetWorld, fleet_world
from tests.fakes.kube.errors import ApiError
from updog.fleet.model import State

ROOT = Path(__file__).resolve().parents[2]
LONG = 90.0
IDLE = (State.IDLE, State.IDLE)


class Process:
    """A controller that runs beside the test."""

    def __init__(self, world: FleetWorld, home: Path, **settings: str) -> None:
        self.world = world
        self._log = home / "controller.log"
        config = world.kube.kubeconfig(home / "kubeconfig")
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(config),
            "SCHEDULER_INTERVAL_IN_SEC": "0.1",
            "METRICS_PORT": "0",
            "MY_POD_NAME": "controller-0",
            **settings,
        }
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "updog.fleet.cli", "controller"],
                cwd=ROOT,
                env=self._environment,
                stdout=out,
                stderr=out,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(LONG)

    def until(self, done: Callable[[], bool]) -> None:
        """Let agents act until something is so."""
        ending = time.monotonic() + LONG
        while not done():
            assert time.monotonic() < ending, self._log.read_text()[-4000:]
            assert self.process.poll() is None, self._log.read_text()[-4000:]
            for agent in self.world.agents.values():
                try:
                    agent.act(self.world)
                except ApiError:
                    # The controller was quicker; the next look sees what is there now.
                    continue
            time.sleep(0.02)

    def done(self) -> bool:
        """Whether all run the new version and nothing is left on them."""
        world = self.world
        return (
            set(world.versions().values()) == {V2}
            and all(world.shadow(each) and world.state(each) == IDLE for each in world.agents)
            and not world.cordoned_by_us()
        )


@contextmanager
def controlled(home: Path, **settings: str) -> Iterator[tuple[FleetWorld, Process]]:
    with fleet_world() as world:
        process = Process(world, home, **settings)
        try:
            yield world, process
        finally:
            process.kill()


def test_it_takes_a_fleet_forward_by_its_watches_and_ends_when_told(tmp_path: Path) -> None:
    with controlled(tmp_path, MAX_CONCURRENT_UPDATE="2") as (world, process):
        world.nodes("a", "b", "c", "d")
        process.until(process.done)
        assert not world.cordoned()
        assert process.stop() == 0
        # It leaves nothing of the library on what it watches.
        for each in (*world.kube.all("nodes"), *world.kube.all("brs")):
            notes = each["metadata"].get("annotations") or {}
            assert not [name for name in notes if "kopf" in name]
            assert not each["metadata"].get("finalizers")


@pytest.mark.slow
def test_it_is_killed_again_and_again(tmp_path: Path) -> None:
    with controlled(tmp_path) as (world, process):
        world.nodes("a", "b", "c")
        for name in ("a", "b", "c"):
            process.until(lambda name=name: bool(world.agents[name].reboots))  # type: ignore[misc]
            process.kill()
            process.start()
        process.until(process.done)
        assert not world.cordoned()
        assert all(len(agent.reboots) == 1 for agent in world.agents.values())


@pytest.mark.slow
def test_the_api_server_goes_away_forgets_and_fails(tmp_path: Path) -> None:
    with controlled(tmp_path) as (world, process):
        world.nodes("a", "b", "c")
        process.until(lambda: bool(world.agents["a"].reboots))
        world.kube.restart()
        process.until(lambda: bool(world.agents["b"].reboots))
        world.kube.faults.server_error(times=5)
        world.kube.faults.throttle(times=5)
        world.kube.expire_watches()
        process.until(process.done)
        assert not world.cordoned()


@pytest.mark.slow
def test_watches_that_are_late_never_let_too_many_begin(tmp_path: Path) -> None:
    with controlled(tmp_path, MAX_CONCURRENT_UPDATE="2") as (world, process):
        world.kube.faults.lag = 1.0
        most = [0]

        def seen() -> bool:
            begun = [each for each in world.kube.all("brs") if each["spec"]["state"] != "Idle"]
            most[0] = max(most[0], len(begun))
            return process.done()

        world.nodes("a", "b", "c", "d", "e")
        process.until(seen)
        assert 1 <= most[0] <= 2


def test_metrics_are_served_without_asking_who(tmp_path: Path) -> None:
    port = _free_port()
    with controlled(tmp_path, METRICS_PORT=str(port)) as (world, process):
        world.nodes("a")
        process.until(process.done)
        said = _get(port, "/metrics")
        assert 'brupop_hosts_version{bottlerocket_version="' in said
        assert "updog_fleet_halted 0.0" in said
        assert _get(port, "/healthz") == "ok\n"


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return str(answer.read().decode())


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
