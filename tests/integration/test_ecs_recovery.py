"""Updaters that are killed, that find what dead ones left, and that run two at a time."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.ecs.exceptions import InvalidParameterException

from tests.fakes.clock import NOW
from tests.fakes.ecs import Aws, aws
from tests.fakes.ecsworld import LONG, EcsWorld, Machine, result_of
from updog.fleet.budget import Budget
from updog.fleet.ecs.marks import CLAIM, HOLD, Mark, Phase
from updog.fleet.ecs.outcome import STOPPED, Outcome, Summary

pytestmark = pytest.mark.slow

FOR_EVER = "1000000"
LONG_AGO = NOW - timedelta(hours=1)
A_MOMENT_AGO = NOW - timedelta(minutes=1)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


@pytest.fixture
def world(cloud: Aws, tmp_path: Path, request: pytest.FixtureRequest) -> EcsWorld:
    """A cluster in which the tests' clock goes."""
    made = EcsWorld(cloud, tmp_path, request.node.name.translate({91: "-", 93: "-"}))
    cloud.fresh(lambda: made.clock.now().timestamp())
    return made


@pytest.fixture
def live(world: EcsWorld) -> EcsWorld:
    """A cluster in which real time goes, for updaters that are processes."""
    world.cloud.fresh()
    world.cloud.stops_after = 0.2
    return world


def claimed(
    machine: Machine, phase: Phase, *, renewed: Any = LONG_AGO, run: str = "run-dead"
) -> None:
    """Leave an instance as a run leaves it that dies in a phase."""
    if phase is not Phase.CLAIMED:
        machine.set("DRAINING")
    mark = Mark(run, phase, LONG_AGO, renewed, "1.0.0", "1.1.0")
    machine.mark_with(CLAIM, mark.text())


def assert_given_back(*machines: Machine) -> None:
    for machine in machines:
        assert machine.status == "ACTIVE"
        assert CLAIM not in machine.attributes


def summary_of(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=LONG)
    assert out, err
    return json.loads(out)


def outcome(summary: Summary, machine: Machine) -> Outcome:
    return result_of(summary, machine).outcome


def test_an_updater_that_is_killed_in_mid_drain_is_followed_by_one_that_finishes(
    live: EcsWorld,
) -> None:
    machine = live.one()
    live.cloud.stuck.add(machine.arn)
    with live.process() as first:
        live.until(first, lambda: machine.status == "DRAINING")
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert machine.status == "DRAINING"
    assert machine.mark is not None
    live.cloud.stuck.clear()
    with live.process("--stale-after-time", "0") as second:
        summary = summary_of(second)
    assert summary["instances"][0]["outcome"] == "updated"
    assert second.returncode == 0
    assert_given_back(machine)


def test_an_updater_that_is_killed_during_the_restart_is_followed_by_one_that_looks(
    live: EcsWorld,
) -> None:
    machine = live.one()
    machine["downtime"] = FOR_EVER
    with live.process() as first:
        live.until(first, lambda: "reboot" in machine.commands)
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert machine.status == "DRAINING"
    machine["down"] = ""
    with live.process("--stale-after-time", "0") as second:
        assert summary_of(second)["counts"]["updated"] == 1
    assert machine.commands.count("reboot") == 1
    assert_given_back(machine)


def test_an_updater_that_is_told_to_stop_gives_back_what_it_drained(live: EcsWorld) -> None:
    machine = live.one()
    live.cloud.stuck.add(machine.arn)
    with live.process() as process:
        live.until(process, lambda: machine.status == "DRAINING")
        process.terminate()
        summary = summary_of(process)
    assert (process.returncode, summary["stopped"]) == (STOPPED, True)
    assert_given_back(machine)


def test_an_updater_that_stays_begins_again_and_ends_when_it_is_told(live: EcsWorld) -> None:
    machine = live.one(offer="")
    with live.process("--every", "0.05") as process:
        live.until(process, lambda: machine.commands.count("update check") >= 3)
        process.terminate()
        out, err = process.communicate(timeout=LONG)
    # Between two runs, or in one: where it is told to stop is not in our hands.
    assert process.returncode in {0, STOPPED}, err
    first, second = out.splitlines()[:2]
    for line in (first, second):
        assert json.loads(line)["counts"]["current"] == 1


def test_two_updaters_at_once_keep_to_one_budget_and_lose_nothing(live: EcsWorld) -> None:
    machines = live.add(6)
    words = ("--budget", "2", "--settle-time", "0.5")
    with live.process(*words) as one, live.process(*words) as other:
        counts = [summary_of(each)["counts"] for each in (one, other)]
    assert sum(count["updated"] for count in counts) >= 2
    assert not sum(count["failed"] + count["left-drained"] for count in counts)
    assert live.cloud.peak <= 2
    assert max(machine.commands.count("reboot") for machine in machines) == 1
    assert_given_back(*machines)


def test_a_drained_instance_of_a_dead_run_is_finished(world: EcsWorld) -> None:
    machine = world.one()
    claimed(machine, Phase.DRAINING)
    result = result_of(world.update(), machine)
    assert (result.outcome, result.before, result.after) == (Outcome.UPDATED, "1.0.0", "1.1.0")
    assert_given_back(machine)


def test_a_drained_instance_without_an_update_is_given_back(world: EcsWorld) -> None:
    machine = world.one(offer="")
    claimed(machine, Phase.DRAINING)
    assert outcome(world.update(), machine) is Outcome.RECOVERED
    assert_given_back(machine)


def test_a_drained_instance_that_cannot_be_asked_is_given_back(world: EcsWorld) -> None:
    machine = world.one(mood="mute")
    claimed(machine, Phase.DRAINING)
    assert outcome(world.update(), machine) is Outcome.RECOVERED
    assert_given_back(machine)


def test_an_instance_that_came_back_after_its_run_had_died_is_seen_to(world: EcsWorld) -> None:
    machine = world.one(version="1.1.0")
    claimed(machine, Phase.REBOOTING)
    assert outcome(world.update(), machine) is Outcome.UPDATED
    assert "reboot" not in machine.commands
    assert_given_back(machine)


def test_an_instance_that_fell_back_after_its_run_had_died_is_a_failure(world: EcsWorld) -> None:
    machine = world.one()
    claimed(machine, Phase.REBOOTING)
    assert outcome(world.update(), machine) is Outcome.FAILED
    assert_given_back(machine)


def test_a_restart_that_was_never_asked_for_is_asked_for(world: EcsWorld) -> None:
    machine = world.one()
    machine["state"], machine["staged"] = "Ready", "1.1.0"
    claimed(machine, Phase.REBOOTING)
    assert outcome(world.update(), machine) is Outcome.UPDATED
    assert machine.commands.count("reboot") == 1


def test_a_claim_without_a_drain_is_taken_off(world: EcsWorld) -> None:
    machine = world.one()
    claimed(machine, Phase.CLAIMED)
    assert outcome(world.update(), machine) is Outcome.RECOVERED
    assert machine.commands == []
    assert_given_back(machine)


def test_upstream_14_a_persons_drain_below_a_dead_claim_stays(world: EcsWorld) -> None:
    machine = world.one()
    claimed(machine, Phase.CLAIMED)
    machine.set("DRAINING")
    assert outcome(world.update(), machine) is Outcome.RECOVERED
    assert (machine.status, machine.mark, machine.commands) == ("DRAINING", None, [])


def test_what_a_person_holds_stays_as_a_dead_run_left_it(world: EcsWorld) -> None:
    machine = world.one()
    claimed(machine, Phase.DRAINING)
    machine.mark_with(HOLD, "me")
    assert outcome(world.update(), machine) is Outcome.RECOVERED
    assert (machine.status, machine.mark, machine.commands) == ("DRAINING", None, [])


def test_what_a_living_run_has_is_left_to_it(world: EcsWorld) -> None:
    machine = world.one()
    claimed(machine, Phase.DRAINING, renewed=A_MOMENT_AGO)
    assert outcome(world.update(), machine) is Outcome.FOREIGN
    assert (machine.status, machine.commands) == ("DRAINING", [])
    assert machine.mark is not None
    assert machine.mark.run == "run-dead"


def test_what_a_living_run_has_counts_for_the_budget(world: EcsWorld) -> None:
    theirs, free = world.add(2)
    claimed(theirs, Phase.DRAINING, renewed=A_MOMENT_AGO)
    summary = world.update()
    assert outcome(summary, free) is Outcome.SKIPPED
    assert "because of other runs" in result_of(summary, free).why
    assert outcome(world.update(budget=Budget(2)), free) is Outcome.UPDATED


def test_a_run_whose_task_has_stopped_is_dead_at_once(world: EcsWorld) -> None:
    machine, elsewhere = world.one(), world.one(offer="")
    task = elsewhere.start(started_by="events-rule/updater")
    claimed(machine, Phase.DRAINING, renewed=A_MOMENT_AGO, run=f"task-{task.rpartition('/')[2]}")
    assert outcome(world.update(), machine) is Outcome.FOREIGN
    world.ecs.stop_task(cluster=world.name, task=task)
    assert outcome(world.update(), machine) is Outcome.UPDATED


def test_a_claim_that_is_waited_on_is_renewed(world: EcsWorld) -> None:
    machine = world.one()
    world.cloud.stuck.add(machine.arn)
    ages = []

    def look() -> None:
        if (mark := machine.mark) is not None:
            ages.append(world.clock.now() - mark.renewed)

    world.hooks.append(look)
    world.update()
    assert max(ages) < timedelta(minutes=10) / 2


def test_an_instance_that_another_run_takes_over_is_left_to_it(world: EcsWorld) -> None:
    machine = world.one()
    world.cloud.stops_after = 600.0
    other = Mark("run-other", Phase.DRAINING, NOW, NOW + timedelta(hours=1))
    world.hooks.append(
        lambda: machine.mark_with(CLAIM, other.text()) if machine.status == "DRAINING" else None
    )
    assert outcome(world.update(), machine) is Outcome.FOREIGN
    assert (machine.status, machine.mark) == ("DRAINING", other)
    assert "reboot" not in machine.commands


def test_of_two_claims_the_last_one_stands(world: EcsWorld) -> None:
    machine = world.one()
    other = Mark("run-other", Phase.CLAIMED, NOW, NOW + timedelta(hours=1))
    world.hooks.append(
        lambda: machine.mark_with(CLAIM, other.text()) if machine.mark is not None else None
    )
    assert outcome(world.update(), machine) is Outcome.FOREIGN
    assert (machine.status, machine.mark) == ("ACTIVE", other)


def test_a_claim_beyond_the_budget_is_taken_back(world: EcsWorld) -> None:
    mine, theirs = world.add(2)
    theirs["offer"] = ""
    earlier = Mark("run-other", Phase.CLAIMED, LONG_AGO, NOW + timedelta(hours=1))
    world.hooks.append(
        lambda: theirs.mark_with(CLAIM, earlier.text()) if mine.mark is not None else None
    )
    summary = world.update()
    assert "as many instances as may be" in result_of(summary, mine).why
    assert_given_back(mine)
    assert theirs.mark == earlier


def test_a_claim_that_ecs_did_not_answer_for_is_taken_back(world: EcsWorld) -> None:
    machine = world.one()

    def refuse(words: Mapping[str, Any]) -> None:
        if words["name"] == CLAIM:
            raise InvalidParameterException("no")

    world.cloud.faults["PutAttributes"] = refuse
    assert outcome(world.update(), machine) is Outcome.SKIPPED
    assert_given_back(machine)
