from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.fakes.agentstand import AgentStand, agent_stand
from tests.fakes.fleetworld import NOW, SPACE, V1, V2
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.faults import Fault
from updog.fleet.kubernetes.duty import Duty
from updog.fleet.kubernetes.errors import ApiFailure
from updog.fleet.kubernetes.names import SETBACK, shadow_name
from updog.fleet.kubernetes.shadow import setback_text
from updog.fleet.model import Setback, State

Stands = Callable[..., AgentStand]


@pytest.fixture
def stands() -> Iterator[Stands]:
    """Agents by their settings. A socket's path must be short, whatever the test is called."""
    with ExitStack() as stack:

        def make(**settings: Any) -> AgentStand:
            home = Path(stack.enter_context(TemporaryDirectory()))
            return stack.enter_context(agent_stand(home, **settings))

        yield make


def test_it_says_first_what_runs_and_what_is_offered(stands: Stands) -> None:
    stand = stands()
    assert stand.once() is Duty.SPEAK
    assert (stand.status().state, stand.status().current, stand.status().target) == (
        State.IDLE,
        V1,
        V2,
    )


def test_the_usual_way(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.want(State.STAGED)
    assert stand.once() is Duty.STAGE
    assert stand.status().state is State.STAGED
    assert stand.machine.state == "Ready"
    stand.want(State.REBOOTED)
    assert stand.once() is Duty.REBOOT
    assert stand.machine.restarts == [V2]
    assert stand.once() is Duty.ARRIVED
    assert (stand.status().state, stand.status().current) == (State.REBOOTED, V2)
    stand.want(State.MONITORING)
    assert stand.once() is Duty.LOOK
    stand.want(State.IDLE)
    assert stand.once() is Duty.SETTLE
    assert stand.status().state is State.IDLE
    assert stand.once() is Duty.REST
    assert stand.status().target == V2


def test_it_looks_for_updates_from_time_to_time(stands: Stands) -> None:
    stand = stands(check_every=120.0)
    stand.once(5)
    assert stand.machine.asked("/actions/refresh-updates") == 1
    stand.clock.advance(timedelta(seconds=120))
    stand.once()
    assert stand.machine.asked("/actions/refresh-updates") == 2


def test_a_refresh_that_fails_is_no_failure_of_the_node(stands: Stands) -> None:
    stand = stands(check_every=0.0)
    stand.once()
    stand.machine.failing.add("refresh")
    stand.once()
    assert stand.status().crashes == 0
    assert stand.status().target == V2


def test_it_writes_only_what_changed(stands: Stands) -> None:
    stand = stands()
    stand.once()
    before = stand.kube.get("brs", shadow_name("n"), SPACE)["metadata"]["resourceVersion"]
    stand.once(3)
    after = stand.kube.get("brs", shadow_name("n"), SPACE)["metadata"]["resourceVersion"]
    assert before == after


def test_without_the_permission_it_does_not_restart(stands: Stands) -> None:
    stand = stands()
    stand.bring_to(State.STAGED)
    assert stand.once(3) is Duty.WAIT
    assert not stand.machine.restarts


def test_a_permission_for_another_state_than_its_own_is_none(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.want(State.REBOOTED)
    assert stand.once() is Duty.WAIT
    assert not stand.machine.restarts


def test_a_permission_that_is_taken_back_meanwhile_is_none(stands: Stands) -> None:
    """The last look before the restart is a fresh one."""
    stand = stands()
    stand.bring_to(State.STAGED)
    stand.want(State.REBOOTED)
    looks: list[int] = []

    def take_back(request: Any) -> bool:
        if request.verb == "get" and request.resource.startswith("bottlerocketshadows"):
            looks.append(1)
            if len(looks) == 2:
                stand.want(State.IDLE)
        return False

    stand.kube.faults._set.append(Fault(take_back, times=None))
    stand.once()
    assert not stand.machine.restarts


def test_a_machine_that_fell_back_says_so(stands: Stands) -> None:
    stand = stands()
    stand.machine.bad.add(V2)
    stand.bring_to(State.STAGED)
    stand.want(State.REBOOTED)
    stand.once()
    stand.restart()
    stand.once()
    assert stand.status().state is State.ERROR
    assert stand.status().crashes == 1
    assert stand.status().failed is not None
    assert stand.status().reason.startswith("fell-back")


def test_one_that_fell_back_without_ending_the_agent_says_so(stands: Stands) -> None:
    stand = stands()
    stand.machine.bad.add(V2)
    stand.bring_to(State.STAGED)
    stand.want(State.REBOOTED)
    stand.once(2)
    assert stand.status().state is State.ERROR
    assert stand.machine.restarts == [V2]


def test_a_machine_that_does_not_restart_is_asked_again_and_then_given_up(stands: Stands) -> None:
    stand = stands(reboot_limit=600.0)
    stand.machine.stuck = True
    stand.bring_to(State.STAGED)
    stand.want(State.REBOOTED)
    stand.once(3)
    assert stand.machine.asked("/actions/reboot") == 1
    for _ in range(4):
        stand.clock.advance(timedelta(seconds=200))
        stand.once()
    assert stand.machine.asked("/actions/reboot") > 1
    assert stand.status().state is State.ERROR
    assert stand.status().reason.startswith("reboot-failed")


def test_in_an_error_it_waits_for_the_controller_and_recovers(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.machine.failing.add("prepare")
    stand.want(State.STAGED)
    stand.once()
    assert stand.status().state is State.ERROR
    assert "the disk is full" in stand.status().reason
    assert stand.once() is Duty.WAIT
    stand.want(State.IDLE)
    assert stand.once() is Duty.RECOVER
    assert (stand.status().state, stand.status().crashes) == (State.IDLE, 1)


def test_success_forgets_failures(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.machine.failing.add("prepare")
    stand.want(State.STAGED)
    stand.once()
    stand.want(State.IDLE)
    stand.once()
    stand.machine.failing.clear()
    stand.bring_to(State.MONITORING)
    assert stand.status().crashes == 1
    stand.want(State.IDLE)
    stand.once()
    assert (stand.status().crashes, stand.status().failed, stand.status().reason) == (0, None, "")


def test_a_failure_that_the_controller_saw_is_counted_once(stands: Stands) -> None:
    stand = stands()
    stand.bring_to(State.STAGED)
    note = {SETBACK: setback_text(Setback(1, NOW, "drain-overdue"))}
    stand.kube.patch("brs", shadow_name("n"), {"metadata": {"annotations": note}}, SPACE)
    stand.want(State.IDLE)
    stand.once(3)
    assert (stand.status().crashes, stand.status().failed) == (1, NOW)
    assert stand.status().reason == "drain-overdue"


def test_an_update_that_was_taken_back_does_not_boot_next(stands: Stands) -> None:
    stand = stands()
    stand.bring_to(State.STAGED)
    assert stand.machine.state == "Ready"
    stand.want(State.IDLE)
    assert stand.once() is Duty.GIVE_BACK
    assert stand.machine.state == "Staged"


def test_one_that_is_taken_back_while_it_is_written_does_not_boot_next(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.want(State.STAGED)
    # Just before it says that it is done, somebody else has written.
    stand.kube.faults.add(verb="patch", error=ApiError(409, "conflict"))
    with pytest.raises(ApiFailure):
        stand.once()
    stand.want(State.IDLE)
    stand.once()
    assert stand.machine.state == "Staged"


def test_another_version_by_now_is_told_and_not_blamed(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.machine.offered = stand.machine.chosen = "1.2.0"
    stand.want(State.STAGED)
    stand.once()
    assert stand.status().state is State.IDLE
    assert stand.status().target == "1.2.0"
    assert stand.status().crashes == 0


def test_a_health_command_that_succeeds_lets_it_go_on(stands: Stands) -> None:
    stand = stands(health=("sh", "-c", 'test "$NODE_NAME" = n'))
    stand.bring_to(State.MONITORING)
    assert stand.status().state is State.MONITORING


def test_a_health_command_that_fails_past_the_limit_is_one_failure_and_no_end(
    stands: Stands, tmp_path: Path
) -> None:
    well = tmp_path / "well"
    command = f"test -e {well} || {{ echo no ingress; exit 3; }}"
    stand = stands(health=("sh", "-c", command), monitor_limit=60.0)
    stand.bring_to(State.MONITORING)
    assert (stand.status().state, stand.status().crashes) == (State.REBOOTED, 0)
    stand.clock.advance(timedelta(seconds=61))
    stand.once(3)
    assert (stand.status().state, stand.status().crashes) == (State.REBOOTED, 1)
    assert stand.status().reason == "health-failed: sh ended with 3: no ingress"
    well.touch()
    stand.once()
    assert stand.status().state is State.MONITORING


def test_a_status_that_changed_meanwhile_is_not_overwritten(stands: Stands) -> None:
    stand = stands()
    stand.once()
    stand.want(State.STAGED)
    stand.kube.faults.add(verb="patch", error=ApiError(409, "the object has been modified"))
    with pytest.raises(ApiFailure):
        stand.once()
    assert stand.status().state is State.IDLE
