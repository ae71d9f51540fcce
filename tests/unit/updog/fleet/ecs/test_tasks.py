"""What may be moved away, and how a drain goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.clock import NOW
from updog.fleet.ecs.tasks import Move, Patience, Task, TaskPolicy, drain_step, objection, titles

SERVED = Task("arn:aws:ecs:x:1:task/c/aaa", "ecs-svc/1234", service="web")
LONE = Task("arn:aws:ecs:x:1:task/c/bbb", "me")
GONE = Task("arn:aws:ecs:x:1:task/c/ccc", "me", "STOPPED")
MINUTE = timedelta(minutes=1)


def patience(policy: TaskPolicy) -> Patience:
    return Patience(
        policy, services=NOW + 5 * MINUTE, lone=NOW + 10 * MINUTE, stopped=NOW + 15 * MINUTE
    )


def move(policy: TaskPolicy, minutes: int, *tasks: Task) -> Move:
    return drain_step(tasks, patience(policy), NOW + minutes * MINUTE).move


@pytest.mark.parametrize("policy", TaskPolicy)
def test_tasks_of_services_and_stopped_ones_are_no_objection(policy: TaskPolicy) -> None:
    assert objection([SERVED, GONE], policy) == ""
    assert objection([], policy) == ""


def test_a_lone_task_is_an_objection_only_where_it_is_skipped() -> None:
    assert "task bbb" in objection([SERVED, LONE], TaskPolicy.SKIP)
    assert objection([SERVED, LONE], TaskPolicy.WAIT) == ""


@pytest.mark.parametrize("policy", TaskPolicy)
def test_the_updaters_own_instance_is_never_drained(policy: TaskPolicy) -> None:
    assert "this updater" in objection([SERVED, LONE], policy, own=LONE.arn)
    assert "this updater" in objection([SERVED], policy, own=SERVED.arn)


def test_a_drain_is_done_when_nothing_runs() -> None:
    assert move(TaskPolicy.SKIP, 0) is Move.DONE
    assert move(TaskPolicy.SKIP, 0, GONE) is Move.DONE


def test_a_task_that_is_told_to_stop_still_runs() -> None:
    assert move(TaskPolicy.SKIP, 0, Task("a", "ecs-svc/1", "STOPPING")) is Move.WAIT


@pytest.mark.parametrize("policy", TaskPolicy)
def test_services_have_until_their_deadline(policy: TaskPolicy) -> None:
    assert move(policy, 4, SERVED) is Move.WAIT
    assert move(policy, 5, SERVED) is Move.GIVE_UP


def test_lone_tasks_have_until_theirs() -> None:
    assert move(TaskPolicy.SKIP, 0, LONE) is Move.GIVE_UP
    assert move(TaskPolicy.WAIT, 9, LONE) is Move.WAIT
    assert move(TaskPolicy.WAIT, 10, LONE) is Move.GIVE_UP
    assert move(TaskPolicy.STOP, 9, LONE) is Move.WAIT
    assert move(TaskPolicy.STOP, 14, LONE) is Move.STOP
    assert move(TaskPolicy.STOP, 15, LONE) is Move.GIVE_UP


def test_only_lone_tasks_are_stopped() -> None:
    step = drain_step([LONE, GONE], patience(TaskPolicy.STOP), NOW + 10 * MINUTE)
    assert step.tasks == (LONE,)


def test_a_stuck_drain_names_what_is_stuck() -> None:
    step = drain_step([SERVED], patience(TaskPolicy.SKIP), NOW + 5 * MINUTE)
    assert "web" in step.why


def test_long_lists_are_cut() -> None:
    many = [Task(f"t/{number}") for number in range(9)]
    assert titles(many).endswith("task 4 and 4 more")
