"""What went wrong elsewhere and must not here, on the agent's side."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.fleetworld import V2
from tests.unit.updog.fleet.kubernetes.test_agent import Stands, stands
from updog.fleet.kubernetes.duty import Duty
from updog.fleet.kubernetes.host import LONGEST_PAUSE
from updog.fleet.model import State

__all__ = ["stands"]


def test_own_lock_starvation_423_483_496(stands: Stands) -> None:
    """A machine that is busy for long is asked less and less often, and that is no failure."""
    stand = stands()
    stand.once()
    stand.want(State.STAGED)
    stand.machine.busy = 60
    asked, began = len(stand.machine.log), stand.clock.now()
    while stand.machine.busy:
        stand.run(stand.agent._round())
        assert stand.status().crashes == 0
    stand.once()
    assert stand.status().state is State.STAGED
    waited = stand.clock.now() - began
    assert waited > timedelta(minutes=4)
    assert (len(stand.machine.log) - asked) / waited.total_seconds() < 0.5
    assert max(stand.slept) <= LONGEST_PAUSE


def test_commands_are_far_apart_483(stands: Stands) -> None:
    stand = stands(check_every=0.0)
    began = stand.clock.now()
    stand.once(13)
    assert stand.machine.asked("/actions/refresh-updates") == 13
    assert stand.clock.now() - began >= timedelta(seconds=90)


def test_permanently_throttled_726(stands: Stands) -> None:
    """At rest an agent asks little: one look at the shadow, one at the machine."""
    stand = stands()
    stand.once()
    asked = len(stand.machine.log)
    assert stand.once(10) is Duty.REST
    assert len(stand.machine.log) - asked <= 2 * 10


@pytest.mark.parametrize("command", ["prepare", "activate"])
def test_or_instead_of_and_after_a_command_that_failed(stands: Stands, command: str) -> None:
    stand = stands()
    stand.once()
    stand.machine.failing.add(command)
    stand.want(State.STAGED)
    stand.once()
    assert stand.status().state is State.ERROR
    assert stand.status().reason.startswith("stage-failed")


@pytest.mark.parametrize("command", ["prepare", "activate"])
def test_or_instead_of_and_after_a_command_that_did_nothing(stands: Stands, command: str) -> None:
    """It says that it succeeded, and the machine is not where that leads to."""
    stand = stands()
    stand.once()
    stand.machine.pretending.add(command)
    stand.want(State.STAGED)
    stand.once()
    assert stand.status().state is State.ERROR
    assert f"{command} of {V2} was done, but the machine is" in stand.status().reason


def test_shadow_trouble_counts_as_a_failure_of_the_node_801(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.kube.faults.server_error(times=3)
    for _ in range(3):
        assert stand.run(stand.agent._round()) is None
    assert stand.once() is Duty.REST
    assert stand.status().crashes == 0


def test_cordon_and_drain_again_after_a_fallback(stands: Stands) -> None:
    """A machine that fell back is recognised at once, before anybody drains it anew."""
    stand = stands()
    stand.machine.bad.add(V2)
    stand.bring_to(State.STAGED)
    stand.want(State.REBOOTED)
    stand.once(2)
    assert stand.machine.restarts == [V2]
    assert stand.status().state is State.ERROR


def test_an_unreachable_machine_is_no_crash(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.want(State.STAGED)
    stand.settings = replace(stand.settings, socket=stand.settings.socket / "nobody")
    stand.restart()
    assert stand.run(stand.agent._round()) is None
    assert (stand.status().state, stand.status().crashes) == (State.IDLE, 0)
