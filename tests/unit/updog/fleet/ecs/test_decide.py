"""What the updater decides about instances."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.clock import NOW
from updog.fleet.ecs.decide import (
    VARIANT,
    Instance,
    Resume,
    Updater,
    Verdict,
    hands_off,
    in_order,
    must_yield,
    needs_renewal,
    resume,
    stopped_versions,
    verdict,
)
from updog.fleet.ecs.hostreport import HostReport
from updog.fleet.ecs.marks import CLAIM, FAILED, HOLD, Failure, Mark, Phase
from updog.service.machine import State

MARK = Mark("run-a", Phase.DRAINING, NOW, NOW)


def instance(status: str = "ACTIVE", arn: str = "a", **attributes: str) -> Instance:
    told = {name.replace("_", "."): value for name, value in attributes.items()}
    return Instance(arn, "i-1", status, attributes=told)


def test_an_instance_of_our_kind_says_its_variant() -> None:
    assert Instance("a", "i", attributes={VARIANT: "aws-ecs-2"}).ours
    assert not Instance("a", "i", attributes={}).ours


def test_attributes_say_who_has_an_instance_and_what_failed_on_it() -> None:
    failure = Failure("1.1.0", 2, NOW)
    found = Instance("a", "i", attributes={CLAIM: MARK.text(), FAILED: failure.text(), HOLD: ""})
    assert (found.mark, found.failure, found.held) == (MARK, failure, True)
    assert (instance().mark, instance().failure, instance().held) == (None, None, False)


@pytest.mark.parametrize("status", ["DRAINING", "REGISTERING", "DEREGISTERING", "INACTIVE"])
def test_upstream_14_only_active_instances_are_taken(status: str) -> None:
    assert status in hands_off(instance(status), 3, "1.1.0")
    assert hands_off(instance(), 3, "1.1.0") == ""


def test_an_instance_without_its_agent_or_with_a_hold_is_left_alone() -> None:
    assert "not connected" in hands_off(Instance("a", "i", connected=False), 3, "")
    assert HOLD in hands_off(instance(updog_hold="me"), 3, "")


def test_attempts_at_one_version_are_limited() -> None:
    failed = instance(updog_failed=Failure("1.1.0", 3, NOW).text())
    assert "3 attempts at 1.1.0" in hands_off(failed, 3, "1.1.0")
    assert hands_off(failed, 4, "1.1.0") == ""
    assert hands_off(failed, 3, "1.2.0") == ""


@pytest.mark.parametrize(
    ("status", "phase", "expected"),
    [
        ("ACTIVE", Phase.CLAIMED, Resume.FORGET),
        ("DRAINING", Phase.CLAIMED, Resume.FORGET),
        ("ACTIVE", Phase.DRAINING, Resume.FORGET),
        ("DRAINING", Phase.DRAINING, Resume.GO_ON),
        ("ACTIVE", Phase.REBOOTING, Resume.FORGET),
        ("DRAINING", Phase.REBOOTING, Resume.VERIFY),
    ],
)
def test_what_a_dead_run_left_is_taken_up_where_it_was(
    status: str, phase: Phase, expected: Resume
) -> None:
    mark = MARK.at(phase, NOW)
    assert resume(instance(status), mark, dead=True) is expected
    assert resume(instance(status), mark, dead=False) is Resume.LEAVE


def test_what_a_person_holds_is_not_taken_up() -> None:
    held = instance("DRAINING", updog_hold="me")
    assert resume(held, MARK.at(Phase.REBOOTING, NOW), dead=True) is Resume.FORGET


def after(version: str, state: State = State.IDLE) -> HostReport:
    return HostReport(state, version)


@pytest.mark.parametrize(
    ("report", "before", "expected", "found"),
    [
        (None, "1.0.0", "1.1.0", Verdict.WAIT),
        (after("1.1.0"), "1.0.0", "1.1.0", Verdict.UPDATED),
        (after("1.1.0", State.AVAILABLE), "1.0.0", "1.1.0", Verdict.UPDATED),
        (after("1.0.0", State.READY), "1.0.0", "1.1.0", Verdict.WAIT),
        (after("1.0.0"), "1.0.0", "1.1.0", Verdict.FELL_BACK),
        (after("1.0.0", State.AVAILABLE), "1.0.0", "1.1.0", Verdict.FELL_BACK),
        (after("1.0.5"), "1.0.0", "1.1.0", Verdict.UNEXPECTED),
        (after("1.1.0"), "1.0.0", "", Verdict.UPDATED),
        (after("1.0.0"), "1.0.0", "", Verdict.FELL_BACK),
        (after("1.1.0"), "", "", Verdict.UPDATED),
        (after("1.1.0", State.READY), "", "", Verdict.WAIT),
        (after("1.0.0", State.AVAILABLE), "", "", Verdict.FELL_BACK),
        (after("1.0.5"), "", "1.1.0", Verdict.UNEXPECTED),
    ],
)
def test_a_restart_is_judged_by_the_version_that_was_expected(
    report: HostReport | None, before: str, expected: str, found: Verdict
) -> None:
    assert verdict(report, before, expected) is found


def test_a_version_that_failed_on_as_many_as_may_be_is_stopped() -> None:
    failures = [Failure("1.1.0", 5, NOW), Failure("1.1.0", 1, NOW), Failure("1.2.0", 9, NOW)]
    assert stopped_versions(failures, 2) == {"1.1.0"}
    assert stopped_versions(failures, 1) == {"1.1.0", "1.2.0"}
    assert stopped_versions([], 1) == frozenset()


def test_least_work_goes_first_and_what_failed_before_goes_last() -> None:
    failed = instance(arn="a", updog_failed=Failure("1.1.0", 1, NOW).text())
    plain, ready = instance(arn="b"), instance(arn="c")
    reports = {
        "a": HostReport(State.READY, "1.0.0"),
        "b": HostReport(State.AVAILABLE, "1.0.0"),
        "c": HostReport(State.READY, "1.0.0"),
    }
    assert in_order([failed, plain, ready], reports) == [ready, plain, failed]


def test_of_several_updaters_exactly_the_oldest_goes_on() -> None:
    tasks = [Updater("b", NOW), Updater("a", NOW + timedelta(seconds=1)), Updater("c", NOW)]
    assert [must_yield(task.arn, tasks) for task in tasks] == [False, True, True]


def test_an_updater_that_does_not_know_its_task_yields_to_any_second_one() -> None:
    tasks = [Updater("a"), Updater("b")]
    assert must_yield("", tasks)
    assert not must_yield("", tasks[:1])
    assert not must_yield("", [])


def test_a_claim_is_renewed_long_before_it_counts_as_abandoned() -> None:
    limit = timedelta(minutes=8)
    assert not needs_renewal(MARK, NOW + timedelta(minutes=1), limit)
    assert needs_renewal(MARK, NOW + timedelta(minutes=2), limit)
