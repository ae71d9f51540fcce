"""What went wrong elsewhere and must not here, as far as the policy decides it.

The others are in `tests/unit/updog/fleet/kubernetes/test_upstream_defects.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.updog.fleet.nodes import (
    MINUTE,
    NOW,
    V1,
    V2,
    V3,
    ago,
    at_rest,
    draining,
    on_its_way,
    only,
    planned,
    rebooting,
    staging,
    started,
)
from updog.errors import ConfigError
from updog.fleet.backoff import Backoff
from updog.fleet.holding import Reason
from updog.fleet.judging import Blocked, DrainReport, Refused, after_drain
from updog.fleet.kubernetes import settings
from updog.fleet.model import Marks, NodeView, Spec, State
from updog.fleet.rules import DrainPolicy, Rules
from updog.fleet.secondcron import parse
from updog.fleet.steps import Action

OURS = Marks(ago(5), cordoned=True)


@pytest.mark.parametrize("wanted", list(State))
@pytest.mark.parametrize("said", list(State))
def test_cordoned_for_ever_28_630_691(wanted: State, said: State) -> None:
    """Whatever two states meet, our cordon comes off, unless a restart is permitted or prepared."""
    node = on_its_way(wanted, said, marks=OURS, current=V1)
    steps = [step.action for step in planned(node).steps]
    kept = wanted in {State.STAGED, State.REBOOTED} and said is State.STAGED
    assert kept or steps == [Action.RESTORE]


def test_cordoned_for_ever_because_the_restart_was_recorded_first_630() -> None:
    """The node is uncordoned before its restart is noted as done."""
    node = on_its_way(State.REBOOTED, State.REBOOTED, current=V2, marks=OURS)
    assert only(planned(node)).action is Action.RESTORE


def test_no_transition_timeouts_staging() -> None:
    step = only(planned(staging(since=61)))
    assert step.spec is not None
    assert step.spec.state is State.IDLE
    assert step.setback is not None
    assert step.setback.reason == "stage-overdue"


def test_no_transition_timeouts_draining() -> None:
    report = DrainReport(left=("default/web",), blocked=(Blocked("default/web", (), "no"),))
    step = after_drain(draining(drained=31), report, Rules(), NOW)
    assert step is not None
    assert step.spec is not None
    assert step.spec.state is State.IDLE
    assert step.setback is not None
    assert step.setback.reason == "drain-overdue"
    assert after_drain(draining(drained=29), report, Rules(), NOW) is None


@pytest.mark.parametrize(
    "report",
    [
        DrainReport(left=("default/web",)),
        DrainReport(left=("default/web",), blocked=(Blocked("default/web", (), "no"),)),
    ],
    ids=["does not end", "cannot be deleted"],
)
def test_no_transition_timeouts_draining_with_force(report: DrainReport) -> None:
    rules = Rules(drain=DrainPolicy.FORCE_AFTER)
    assert after_drain(draining(drained=59), report, rules, NOW) is None
    step = after_drain(draining(drained=61), report, rules, NOW)
    assert step is not None
    assert step.setback is not None
    assert step.setback.reason == "drain-overdue"
    assert "default/web" in step.why


@pytest.mark.parametrize(
    "node",
    [
        rebooting(since=21),
        on_its_way(State.MONITORING, State.REBOOTED, since=16, current=V2),
        on_its_way(State.MONITORING, State.MONITORING, since=16, current=V2),
    ],
    ids=["reboot", "monitor", "settle"],
)
def test_no_transition_timeouts_after_the_permission(node: NodeView) -> None:
    made = planned(node)
    assert made.holds["a"].reason is Reason.OVERDUE
    assert made.failures


def test_pdb_unexplained_650() -> None:
    blocked = Blocked("shop/web-0", ("shop/web",), "needs 2 healthy pods and has 2 currently")
    report = DrainReport(left=("shop/web-0",), blocked=(blocked,))
    step = after_drain(draining(drained=31), report, Rules(), NOW)
    assert step is not None
    assert "shop/web-0 is held by PodDisruptionBudget shop/web" in step.why
    assert "needs 2 healthy pods" in step.why


@pytest.mark.parametrize("policy", list(DrainPolicy))
def test_drain_success_after_a_refused_eviction(policy: DrainPolicy) -> None:
    report = DrainReport(left=("a/b",), refused=(Refused("a/b", "forbidden"),))
    for drained in (1, 31):
        step = after_drain(draining(drained=drained), report, Rules(drain=policy), NOW)
        assert step is not None
        assert step.spec is not None
        assert step.spec.state is State.IDLE


@pytest.mark.parametrize("policy", list(DrainPolicy))
def test_drain_success_after_an_eviction_that_failed_otherwise(policy: DrainPolicy) -> None:
    report = DrainReport(left=("a/b",), failed=(Refused("a/b", "418"),))
    assert after_drain(draining(), report, Rules(drain=policy), NOW) is None
    step = after_drain(draining(drained=31), report, Rules(drain=policy), NOW)
    assert step is not None
    assert step.spec is not None
    assert step.spec.state is State.IDLE


def test_a_stuck_budget_blocks_everyone_for_ever() -> None:
    """After its deadline the node is given up for a while, and the next one has its turn."""
    given_up = at_rest("a", crashes=1, failed=NOW, spec=Spec(version=V2))
    assert started(planned(given_up, at_rest("b"))) == ["b"]


def test_a_repeatedly_failing_node_blocks_everyone() -> None:
    failing = on_its_way(State.IDLE, State.ERROR, crashes=4, failed=ago(1))
    assert started(planned(failing, at_rest("b"))) == ["b"]


def test_no_maximum_number_of_attempts() -> None:
    node = at_rest(crashes=5, failed=ago(24 * 60), spec=Spec(version=V2))
    assert planned(node).holds["a"].reason is Reason.EXHAUSTED
    # A newer version is another matter.
    newer = at_rest(crashes=5, failed=ago(24 * 60), spec=Spec(version=V2), target=V3)
    assert started(planned(newer)) == ["a"]
    # So is a person who has forgiven it.
    forgiven = replace(node, forgiven=ago(1))
    assert started(planned(forgiven)) == ["a"]


def test_shifts_overflow_at_crash_count_63() -> None:
    backoff = Backoff(jitter=0.0)
    for crashes in (11, 62, 63, 64, 10_000, 2**32):
        assert backoff.pause(crashes, "a") == timedelta(hours=24)


def test_backoff_without_jitter() -> None:
    pauses = {Backoff().pause(3, f"node-{each}") for each in range(50)}
    assert len(pauses) == 50
    assert all(8 * MINUTE <= each <= 8 * MINUTE * 1.2 for each in pauses)


def test_backoff_counts_whole_minutes_only() -> None:
    backoff = Backoff(jitter=0.0)
    rules = Rules(backoff=backoff)
    node = at_rest(crashes=1, failed=ago(2) + timedelta(seconds=1))
    assert planned(node, rules=rules).holds["a"].until == NOW + timedelta(seconds=1)
    assert started(planned(node, rules=rules, now=NOW + timedelta(seconds=1))) == ["a"]


def test_windows_inferred_wrongly_at_the_very_end() -> None:
    """Whether an expression is a window follows from its form, whenever it is looked at."""
    cron = parse("* * 2-3 * * * *")
    assert cron.lasts
    last_second = datetime(2031, 4, 7, 3, 59, 59, 900_000, tzinfo=UTC)
    assert cron.covers(last_second)
    assert not cron.covers(last_second + timedelta(seconds=1))
    assert not parse("0 0 2 * * * *").lasts


def test_stop_hour_inclusive() -> None:
    said = {"UPDATE_WINDOW_START": "2:0:0", "UPDATE_WINDOW_STOP": "5:0:0"}
    windows = settings.rules(said).windows
    assert windows.at(datetime(2031, 4, 7, 4, 59, 59, tzinfo=UTC), None).open
    assert not windows.at(datetime(2031, 4, 7, 5, 0, tzinfo=UTC), None).open
    assert not windows.at(datetime(2031, 4, 7, 1, 59, 59, tzinfo=UTC), None).open


def test_only_the_hour_of_a_window_was_used() -> None:
    said = {"UPDATE_WINDOW_START": "22:30:0", "UPDATE_WINDOW_STOP": "1:15:0"}
    windows = settings.rules(said).windows
    assert windows.at(datetime(2031, 4, 7, 22, 30, tzinfo=UTC), None).open
    assert windows.at(datetime(2031, 4, 7, 1, 14, tzinfo=UTC), None).open
    assert not windows.at(datetime(2031, 4, 7, 22, 29, tzinfo=UTC), None).open
    assert not windows.at(datetime(2031, 4, 7, 1, 15, tzinfo=UTC), None).open


def test_windows_only_in_utc_197_67() -> None:
    said = {
        "UPDATE_WINDOWS": "Mon-Fri 22:00-04:00; Sun 03:00-05:00",
        "UPDATE_WINDOW_TIME_ZONE": "Europe/Berlin",
    }
    windows = settings.rules(said).windows
    # 23:30 in Berlin, in summer, is 21:30 UTC.
    assert windows.at(datetime(2031, 7, 7, 21, 30, tzinfo=UTC), None).open
    assert not windows.at(datetime(2031, 7, 7, 12, 0, tzinfo=UTC), None).open


def test_no_new_node_inside_the_window_until_the_active_set_is_empty() -> None:
    rules = settings.rules(
        {"MAX_CONCURRENT_UPDATE": "2", "SCHEDULER_CRON_EXPRESSION": "* * 9 * * * *"}
    )
    assert started(planned(draining("a"), at_rest("b"), rules=rules)) == ["b"]


def test_clean_up_only_in_a_window() -> None:
    rules = settings.rules({"SCHEDULER_CRON_EXPRESSION": "* * 2 * * * *"})
    leftover = at_rest(target=V1, marks=OURS)
    gone = NodeView("b", gone=True, marks=OURS)
    steps = planned(leftover, gone, rules=rules).steps
    assert [step.action for step in steps] == [Action.RESTORE, Action.RESTORE]


def test_a_bad_limit_ends_the_controller_in_mid_run() -> None:
    """It is read once, at the start, and says what is wrong with which variable."""
    with pytest.raises(ConfigError, match="MAX_CONCURRENT_UPDATE: 'three'"):
        settings.controller({"MAX_CONCURRENT_UPDATE": "three"})


def test_nothing_happens_and_nobody_says_why_706_775() -> None:
    nodes = [
        at_rest("paused", pause="x"),
        at_rest("failed", crashes=2, failed=ago(1)),
        at_rest("exhausted", crashes=9, failed=ago(1), spec=Spec(version=V2)),
        at_rest("broken", ready=False),
        NodeView("silent"),
        at_rest("next"),
        at_rest("queued"),
    ]
    made = planned(*nodes)
    assert started(made) == ["next"]
    assert set(made.holds) == {each.name for each in nodes} - {"next"}
    assert all(hold.why for hold in made.holds.values())


def test_error_reset_counts_against_the_limit_though_the_node_is_well() -> None:
    acknowledging = on_its_way(State.IDLE, State.ERROR, crashes=1, failed=ago(1))
    assert planned(acknowledging).active == ()
    unfinished = on_its_way(State.REBOOTED, State.ERROR, crashes=1, failed=ago(1), marks=OURS)
    assert planned(unfinished).active == ("a",)
