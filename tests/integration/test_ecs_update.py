"""The ECS updater on moto's server and machines made of files: what it updates, and what not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.ecs.exceptions import ECSException, InvalidParameterException
from moto.ssm.exceptions import SSMException

from tests.fakes.ecs import Aws, aws
from tests.fakes.ecsworld import DOCUMENTS, EcsWorld, Machine, result_of
from updog.errors import ConfigError, PermissionDenied
from updog.fleet.budget import Budget
from updog.fleet.ecs.crew import Stopped
from updog.fleet.ecs.marks import CLAIM, FAILED, HOLD, Phase
from updog.fleet.ecs.options import Limits
from updog.fleet.ecs.outcome import HALTED, LEFT_DRAINED, STOPPED, UPDATE_FAILED, Outcome, Summary
from updog.fleet.ecs.tasks import TaskPolicy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


@pytest.fixture
def world(cloud: Aws, tmp_path: Path, request: pytest.FixtureRequest) -> EcsWorld:
    made = EcsWorld(cloud, tmp_path, re.sub(r"\W", "-", request.node.name))
    cloud.fresh(lambda: made.clock.now().timestamp())
    return made


def outcomes(summary: Summary) -> list[Outcome]:
    return sorted(result.outcome for result in summary.results)


def assert_given_back(*machines: Machine) -> None:
    for machine in machines:
        assert machine.status == "ACTIVE"
        assert CLAIM not in machine.attributes


def test_an_instance_is_drained_updated_and_given_back(world: EcsWorld) -> None:
    machine = world.one()
    summary = world.update()
    result = result_of(summary, machine)
    assert (result.outcome, result.before, result.after) == (Outcome.UPDATED, "1.0.0", "1.1.0")
    assert machine.commands.count("update apply") == machine.commands.count("reboot") == 1
    assert world.cloud.drained == [machine.arn]
    assert_given_back(machine)
    assert summary.exit_code == 0


def test_what_is_up_to_date_is_not_touched(world: EcsWorld) -> None:
    machine = world.one(offer="")
    summary = world.update()
    assert outcomes(summary) == [Outcome.CURRENT]
    assert machine.commands == ["update check"]
    assert world.cloud.drained == []


def test_instances_of_another_system_are_not_even_asked(world: EcsWorld) -> None:
    machine = world.one(variant=False)
    assert world.update().results == ()
    assert machine.commands == []


def test_an_instance_with_a_lone_task_is_skipped(world: EcsWorld) -> None:
    machine = world.one()
    machine.start(started_by="a person")
    summary = world.update()
    assert outcomes(summary) == [Outcome.SKIPPED]
    assert "no service replaces" in result_of(summary, machine).why
    assert world.cloud.drained == []
    assert summary.exit_code == 0


def test_upstream_43_a_lone_task_is_stopped_when_its_time_is_over(world: EcsWorld) -> None:
    machine = world.one()
    machine.start(started_by="a person")
    limits = Limits(tasks=timedelta(minutes=10))
    began = world.clock.now()
    summary = world.update(tasks=TaskPolicy.STOP, limits=limits)
    assert outcomes(summary) == [Outcome.UPDATED]
    assert world.clock.now() - began >= limits.tasks
    assert_given_back(machine)


def test_upstream_43_a_lone_task_may_end_by_itself(world: EcsWorld) -> None:
    machine = world.one()
    task = machine.start(started_by="a person")
    world.hooks.append(lambda: end(world, task) if machine.status == "DRAINING" else None)
    assert outcomes(world.update(tasks=TaskPolicy.WAIT)) == [Outcome.UPDATED]


def end(world: EcsWorld, task: str) -> None:
    world.ecs.stop_task(cluster=world.name, task=task)


def test_a_lone_task_that_does_not_end_leaves_the_instance_as_it_was(world: EcsWorld) -> None:
    machine = world.one()
    machine.start(started_by="a person")
    summary = world.update(tasks=TaskPolicy.WAIT)
    assert "did not end in time" in result_of(summary, machine).why
    assert machine["version"] == "1.0.0"
    assert_given_back(machine)


def test_a_task_that_came_between_look_and_drain_is_not_stopped(world: EcsWorld) -> None:
    machine = world.one()
    world.hooks.append(lambda: None if len(world.hooks) > 1 else late_task(world, machine))
    summary = world.update()
    assert "no service replaces" in result_of(summary, machine).why
    assert "reboot" not in machine.commands
    assert_given_back(machine)


def late_task(world: EcsWorld, machine: Machine) -> None:
    if machine.mark is not None:
        machine.start(started_by="a person")
        world.hooks.append(lambda: None)


def test_upstream_51_a_drain_that_does_not_end_gives_the_instance_back(world: EcsWorld) -> None:
    stuck, other = world.add(2)
    world.cloud.stuck.add(stuck.arn)
    summary = world.update()
    assert result_of(summary, stuck).outcome is Outcome.SKIPPED
    assert "minimumHealthyPercent" in result_of(summary, stuck).why
    assert result_of(summary, other).outcome is Outcome.UPDATED
    assert_given_back(stuck, other)


def test_a_task_that_was_told_to_stop_and_has_not_is_waited_for(world: EcsWorld) -> None:
    machine = world.one(services=0)
    task = machine.start(service=True)
    model = next(
        each
        for tasks in machine.model._backend.tasks.values()
        for each in tasks.values()
        if each.task_arn == task
    )
    model.desired_status, model.last_status = "STOPPED", "STOPPING"
    world.cloud.stops_after = 100.0
    world.cloud._stops[model] = world.clock.now().timestamp() + 100.0
    began = world.clock.now()
    assert outcomes(world.update()) == [Outcome.UPDATED]
    assert world.clock.now() - began >= timedelta(seconds=100)


def test_upstream_14_what_a_person_drained_is_never_touched(world: EcsWorld) -> None:
    machine = world.one()
    machine.set("DRAINING")
    world.cloud.drained.clear()
    summary = world.update()
    assert "not because of an updater" in result_of(summary, machine).why
    assert (machine.status, machine.commands) == ("DRAINING", [])


def test_what_a_person_drains_before_we_do_stays_drained(world: EcsWorld) -> None:
    machine = world.one()
    world.hooks.append(lambda: machine.set("DRAINING") if machine.mark else None)
    summary = world.update()
    assert result_of(summary, machine).outcome is Outcome.SKIPPED
    assert (machine.status, machine.mark) == ("DRAINING", None)
    assert "reboot" not in machine.commands


def test_what_a_person_gives_back_is_not_restarted(world: EcsWorld) -> None:
    machine = world.one()
    world.cloud.stops_after = 400.0
    world.hooks.append(lambda: machine.set("ACTIVE") if machine.status == "DRAINING" else None)
    assert outcomes(world.update()) == [Outcome.SKIPPED]
    assert "reboot" not in machine.commands
    assert_given_back(machine)


def test_an_instance_that_a_person_holds_is_left_alone(world: EcsWorld) -> None:
    machine = world.one()
    machine.mark_with(HOLD, "until friday")
    assert outcomes(world.update()) == [Outcome.SKIPPED]
    assert machine.commands == []


def test_an_instance_that_a_person_holds_in_mid_update_stays_drained(world: EcsWorld) -> None:
    machine = world.one()
    world.hooks.append(
        lambda: machine.mark_with(HOLD, "me") if machine.status == "DRAINING" else None
    )
    world.update()
    assert (machine.status, machine.mark) == ("DRAINING", None)


def test_staged_by_somebody_else_is_written_anew_and_booted(world: EcsWorld) -> None:
    machine = world.one()
    machine["state"], machine["staged"] = "Staged", "1.1.0"
    assert outcomes(world.update()) == [Outcome.UPDATED]


def test_ready_is_restarted_without_writing(world: EcsWorld) -> None:
    machine = world.one()
    machine["state"], machine["staged"] = "Ready", "1.1.0"
    assert outcomes(world.update()) == [Outcome.UPDATED]
    assert "update apply" not in machine.commands


def test_an_update_that_is_withdrawn_in_the_meantime_is_no_failure(world: EcsWorld) -> None:
    machine = world.one()

    def withdraw() -> None:
        if machine.status == "DRAINING":
            machine["offer"] = ""

    world.hooks.append(withdraw)
    summary = world.update()
    assert result_of(summary, machine).outcome is Outcome.SKIPPED
    assert summary.exit_code == 0
    assert_given_back(machine)


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("unwritable", "disk full"),
        ("unchosen", "the machine is Staged"),
        ("falls-back", "runs what it ran before"),
        ("other", "runs 9.9.9 and not 1.1.0"),
        ("dead", "has not come back"),
        ("lazy", "has not come back"),
    ],
)
def test_a_failure_is_told_and_the_instance_given_back(
    world: EcsWorld, mood: str, why: str
) -> None:
    machine = world.one(mood=mood)
    summary = world.update()
    result = result_of(summary, machine)
    assert (result.outcome, result.expected) == (Outcome.FAILED, "1.1.0")
    assert why in result.why
    assert summary.exit_code == UPDATE_FAILED
    assert machine.attributes[FAILED].startswith("1.1.0 1 ")
    assert_given_back(machine)


def test_a_newer_update_on_offer_does_not_hide_a_fallback(world: EcsWorld) -> None:
    machine = world.one(mood="falls-back")

    def publish() -> None:
        if "reboot" in machine.commands:
            machine["offer"] = "1.2.0"

    world.hooks.append(publish)
    assert outcomes(world.update()) == [Outcome.FAILED]


def test_an_instance_whose_agent_does_not_come_back_is_a_failure(world: EcsWorld) -> None:
    machine = world.one()
    world.hooks.append(
        lambda: setattr(machine.model, "agent_connected", "reboot" not in machine.commands)
    )
    summary = world.update()
    assert "ECS agent is not connected" in result_of(summary, machine).why
    assert summary.exit_code == UPDATE_FAILED


def test_a_version_that_failed_on_too_many_is_given_to_no_other(world: EcsWorld) -> None:
    bad = world.add(4, mood="falls-back")
    summary = world.update(max_failures=Budget(2))
    assert outcomes(summary) == [Outcome.FAILED] * 2 + [Outcome.HALTED] * 2
    assert summary.halted == ("1.1.0",)
    assert len(world.cloud.drained) == 2
    assert_given_back(*bad)


def test_a_halt_lasts_until_it_is_resumed_or_another_version_comes(world: EcsWorld) -> None:
    world.add(2, mood="falls-back")
    world.update(max_failures=Budget(1))
    again = world.update(max_failures=Budget(1))
    assert outcomes(again) == [Outcome.HALTED] * 2
    assert again.exit_code == HALTED
    for machine in world.machines:
        machine["mood"] = "good"
    assert outcomes(world.update(max_failures=Budget(1), resume=True)) == [Outcome.UPDATED] * 2
    for machine in world.machines:
        assert FAILED not in machine.attributes


def test_another_version_ends_a_halt(world: EcsWorld) -> None:
    machine = world.one(mood="falls-back")
    world.update(max_failures=Budget(1))
    machine["mood"], machine["offer"] = "good", "1.1.1"
    assert outcomes(world.update(max_failures=Budget(1))) == [Outcome.UPDATED]
    assert FAILED not in machine.attributes


def test_attempts_at_one_version_are_counted_over_runs(world: EcsWorld) -> None:
    machine = world.one(mood="falls-back")
    world.add(9, offer="")
    for _ in range(2):
        assert Outcome.FAILED in outcomes(world.update(attempts=2))
    summary = world.update(attempts=2)
    assert "2 attempts at 1.1.0 failed" in result_of(summary, machine).why


def test_a_permission_that_turns_out_to_be_missing_ends_the_run(world: EcsWorld) -> None:
    machines = world.add(3)

    def refuse(words: Mapping[str, Any]) -> None:
        if words["status"] == "DRAINING":
            raise ECSException("AccessDeniedException", "not you")

    world.cloud.faults["UpdateContainerInstancesState"] = refuse
    with pytest.raises(PermissionDenied):
        world.update(budget=Budget(2))
    assert_given_back(*machines)


@pytest.mark.parametrize(("budget", "most"), [(Budget(3), 3), (Budget(percent=40), 2)])
def test_no_more_than_the_budget_are_away_at_once(
    world: EcsWorld, budget: Budget, most: int
) -> None:
    world.add(7)
    summary = world.update(budget=budget)
    assert outcomes(summary) == [Outcome.UPDATED] * 7
    assert world.cloud.peak == most


def test_a_machine_that_is_not_managed_does_not_spoil_the_others(world: EcsWorld) -> None:
    stranger = world.one(managed=False)
    world.add(3)
    summary = world.update(budget=Budget(3))
    assert "does not know it" in result_of(summary, stranger).why
    assert outcomes(summary) == [Outcome.SKIPPED] + [Outcome.UPDATED] * 3


def test_a_machine_that_cannot_be_asked_is_skipped(world: EcsWorld) -> None:
    machine = world.one(mood="mute")
    summary = world.update()
    assert "Status 423" in result_of(summary, machine).why
    assert world.cloud.drained == []


def test_a_machine_that_does_not_answer_is_skipped(world: EcsWorld) -> None:
    silent, other = world.add(2)
    silent["down"] = "1000000"
    summary = world.update()
    assert "not answered within" in result_of(summary, silent).why
    assert result_of(summary, other).outcome is Outcome.UPDATED


def test_throttling_of_the_first_question_is_waited_out(world: EcsWorld) -> None:
    world.add(2)
    refusals = iter(range(8))

    def throttle(_words: Mapping[str, Any]) -> None:
        if next(refusals, None) is not None:
            raise SSMException("ThrottlingException", "Rate exceeded")

    world.cloud.faults["GetCommandInvocation"] = throttle
    assert outcomes(world.update()) == [Outcome.UPDATED] * 2


def test_an_instance_whose_tasks_cannot_be_seen_is_skipped(world: EcsWorld) -> None:
    machine = world.one()

    def refuse(_words: Mapping[str, Any]) -> None:
        raise InvalidParameterException("odd")

    world.cloud.faults["DescribeTasks"] = refuse
    summary = world.update()
    assert "odd" in result_of(summary, machine).why
    assert world.cloud.drained == []


def test_writing_the_update_that_takes_too_long_is_a_failure(world: EcsWorld) -> None:
    machine = world.one()

    def hang(words: Mapping[str, Any]) -> None:
        if words["document"] == DOCUMENTS.apply:
            machine["down"] = "1000000"

    world.cloud.faults["SendCommand"] = hang
    summary = world.update()
    assert "no answer within 0:30:00" in result_of(summary, machine).why
    assert summary.exit_code == UPDATE_FAILED
    assert_given_back(machine)


def test_a_machine_that_ec2_finds_unsound_is_not_updated(world: EcsWorld) -> None:
    machine = world.one()

    def stop(words: Mapping[str, Any]) -> None:
        if words["document"] == DOCUMENTS.reboot:
            world.cloud.client("ec2").stop_instances(InstanceIds=[machine.name])

    world.cloud.faults["SendCommand"] = stop
    assert "status checks" in result_of(world.update(), machine).why
    assert_given_back(machine)


def test_more_than_a_hundred_instances_are_all_seen(world: EcsWorld) -> None:
    world.add(128, offer="", services=0)
    late = world.add(4)
    summary = world.update(budget=Budget(4))
    assert len(summary.results) == 132
    assert summary.count(Outcome.CURRENT) == 128
    assert_given_back(*late)
    assert {each["version"] for each in late} == {"1.1.0"}


def test_more_than_a_hundred_tasks_are_all_seen(world: EcsWorld) -> None:
    machine = world.one(services=104)
    machine.start(started_by="a person")
    assert "no service replaces" in result_of(world.update(), machine).why


def test_upstream_95_the_instance_that_the_updater_runs_on_is_left_to_another_run(
    world: EcsWorld,
) -> None:
    machine = world.one()
    own = machine.start(started_by="events-rule/updater")
    summary = world.update(task=own, tasks=TaskPolicy.STOP)
    assert "this updater runs on it" in result_of(summary, machine).why
    assert_given_back(machine)


def test_being_told_to_stop_gives_everything_back_at_once(world: EcsWorld) -> None:
    machines = world.add(4)

    def wait(seconds: float) -> None:
        if len(world.cloud.drained) == 2:
            raise Stopped
        world.sleep(seconds)

    summary = world.update(budget=Budget(2), wait=wait)
    assert outcomes(summary) == [Outcome.INTERRUPTED] * 4
    assert summary.exit_code == STOPPED
    assert_given_back(*machines)


class Surprise(Exception):
    """What nobody expected."""


def test_whatever_goes_wrong_the_instances_are_given_back(world: EcsWorld) -> None:
    machines = world.add(3)

    def wait(seconds: float) -> None:
        if len(world.cloud.drained) == 2:
            raise Surprise
        world.sleep(seconds)

    with pytest.raises(Surprise):
        world.update(budget=Budget(2), wait=wait)
    assert_given_back(*machines)


def test_giving_back_is_tried_again(world: EcsWorld) -> None:
    machine = world.one()
    refusals = iter(range(3))

    def refuse(words: Mapping[str, Any]) -> None:
        if words["status"] == "ACTIVE" and next(refusals, None) is not None:
            raise InvalidParameterException("not now")

    world.cloud.faults["UpdateContainerInstancesState"] = refuse
    assert outcomes(world.update()) == [Outcome.UPDATED]
    assert_given_back(machine)


def test_what_cannot_be_given_back_stops_the_run_and_is_left_to_the_next(world: EcsWorld) -> None:
    first, second = sorted(world.add(2), key=lambda each: each.arn)

    def refuse(words: Mapping[str, Any]) -> None:
        if words["status"] == "ACTIVE":
            raise InvalidParameterException("never")

    world.cloud.faults["UpdateContainerInstancesState"] = refuse
    summary = world.update(name="same")
    assert outcomes(summary) == [Outcome.LEFT_DRAINED, Outcome.SKIPPED]
    assert summary.exit_code == LEFT_DRAINED
    assert first.mark is not None
    assert first.mark.phase is Phase.REBOOTING
    world.cloud.faults.clear()
    assert outcomes(world.update(name="same")) == [Outcome.UPDATED] * 2
    assert_given_back(first, second)


def test_an_instance_that_leaves_the_cluster_is_no_failure(world: EcsWorld) -> None:
    machine = world.one()
    members = machine.model._backend.container_instances[world.name]

    def leave() -> None:
        if world.cloud.drained:
            members.clear()

    world.hooks.append(leave)
    summary = world.update()
    assert outcomes(summary) == [Outcome.GONE]
    assert summary.exit_code == 0


def test_throttling_in_mid_update_is_waited_out(world: EcsWorld) -> None:
    machine = world.one()
    refusals = iter(range(8))

    def throttle(_words: Mapping[str, Any]) -> None:
        if world.cloud.drained and next(refusals, None) is not None:
            raise ECSException("ThrottlingException", "Rate exceeded")

    world.cloud.faults["DescribeTasks"] = throttle
    began = world.clock.now()
    assert outcomes(world.update()) == [Outcome.UPDATED]
    assert world.clock.now() > began
    assert_given_back(machine)


def test_a_cluster_that_is_not_there_is_a_wrong_configuration(world: EcsWorld) -> None:
    world.name = "elsewhere"
    with pytest.raises(ConfigError, match="Cluster"):
        world.update()


def test_a_missing_permission_is_told_as_one(world: EcsWorld) -> None:
    machine = world.one()

    def refuse(_words: Mapping[str, Any]) -> None:
        raise ECSException("AccessDeniedException", "not you")

    world.cloud.faults["SendCommand"] = refuse
    with pytest.raises(PermissionDenied):
        world.update()
    assert_given_back(machine)
