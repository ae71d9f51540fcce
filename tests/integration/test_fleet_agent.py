"""The agent as a process, between the fake API server and a machine on paper."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fakes.agentstand import AgentStand, agent_stand
from tests.fakes.fleetworld import SPACE, V2
from updog.fleet.kubernetes.names import shadow_name
from updog.fleet.kubernetes.shadow import status_of
from updog.fleet.model import State

ROOT = Path(__file__).resolve().parents[2]
LONG = 90.0


@pytest.fixture
def stand() -> Iterator[AgentStand]:
    """A machine and a shadow. A socket's path must be short, whatever the test is called."""
    with TemporaryDirectory() as home, agent_stand(Path(home)) as made:
        yield made


@contextmanager
def process(stand: AgentStand, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "KUBECONFIG": str(stand.kube.kubeconfig(home / "kubeconfig")),
        "MY_NODE_NAME": "n",
        "MY_POD_NAMESPACE": SPACE,
        "UPDATE_API_SOCKET": str(stand.settings.socket),
        "AGENT_INTERVAL_IN_SEC": "0.1",
        "UPDATE_API_PACE_IN_SEC": "0",
    }
    command = [sys.executable, "-m", "updog.fleet.cli", "agent"]
    with (
        home.joinpath("agent.log").open("ab") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as running,
    ):
        try:
            yield running
        finally:
            running.kill()


def until(what: Callable[[], bool]) -> None:
    ending = time.monotonic() + LONG
    while not what():
        assert time.monotonic() < ending
        time.sleep(0.02)


def says(stand: AgentStand, state: State) -> bool:
    found = status_of(stand.kube.get("brs", shadow_name("n"), SPACE))
    return found is not None and found.state is state


def test_it_does_what_its_shadow_says_and_ends_when_told(stand: AgentStand, tmp_path: Path) -> None:
    with process(stand, tmp_path) as running:
        until(lambda: says(stand, State.IDLE))
        for wanted in (State.STAGED, State.REBOOTED, State.MONITORING, State.IDLE):
            stand.want(wanted)
            until(lambda wanted=wanted: says(stand, wanted))  # type: ignore[misc]
        assert stand.machine.restarts == [V2]
        running.terminate()
        assert running.wait(LONG) == 0


def test_told_to_end_in_mid_command_it_does_so_at_once_and_nothing_has_failed(
    stand: AgentStand, tmp_path: Path
) -> None:
    with process(stand, tmp_path) as running:
        until(lambda: says(stand, State.IDLE))
        stand.machine.busy = 1_000_000
        stand.want(State.STAGED)
        until(lambda: stand.machine.busy < 999_998)
        running.terminate()
        assert running.wait(LONG) == 0
    assert stand.status().crashes == 0
    stand.machine.busy = 0
    with process(stand, tmp_path):
        until(lambda: says(stand, State.STAGED))
