from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

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
from updog.agent.calendar import Calendar
from updog.agent.windows import window
from updog.fleet import budget, secondcron
from updog.fleet.halting import Brakes, Failure, Ledger
from updog.fleet.holding import Reason
from updog.fleet.model import Marks, NodeView, Phase, Setback, Spec, State, Status
from updog.fleet.opening import Windows
from updog.fleet.rules import Rules
from updog.fleet.steps import Action

TWO = Rules(budget=budget.parse("2"))


def test_a_node_that_is_offered_an_update_is_sent_to_stage_it() -> None:
    step = only(planned(at_rest()))
    assert step.action is Action.START
    assert step.spec == Spec(State.STAGED, NOW, V2)


def test_a_node_that_runs_what_it_is_offered_is_left_alone() -> None:
    made = planned(at_rest(target=V1))
    assert not made.steps
    assert not made.holds


def test_no_more_are_begun_than_the_budget_allows() -> None:
    made = planned(*(at_rest(name) for name in "abcd"), rules=TWO)
    assert started(made) == ["a", "b"]
    assert made.holds["c"].reason is Reason.BUDGET


def test_nodes_that_are_under_way_count() -> None:
    made = planned(draining("a"), at_rest("b"), at_rest("c"), rules=TWO)
    assert started(made) == ["b"]


def test_a_budget_of_none_begins_nothing() -> None:
    assert not started(planned(at_rest(), rules=Rules(budget=budget.parse("0"))))


def test_an_unlimited_budget_begins_all() -> None:
    rules = Rules(budget=budget.parse("unlimited"))
    assert len(started(planned(*(at_rest(name) for name in "abcd"), rules=rules))) == 4


def test_a_share_counts_the_nodes_that_take_part() -> None:
    nodes = [at_rest(f"n{each}") for each in range(10)]
    gone = [NodeView(f"gone{each}", gone=True) for each in range(10)]
    made = planned(*nodes, *gone, rules=Rules(budget=budget.parse("30%")))
    assert made.allowed == 3


def test_fewest_failures_go_first() -> None:
    bad = at_rest("a", crashes=2, failed=ago(100))
    assert started(planned(bad, at_rest("b"))) == ["b"]


def test_the_node_of_the_controller_goes_last() -> None:
    assert started(planned(at_rest("a", hosts_controller=True), at_rest("b"))) == ["b"]
    assert started(planned(at_rest("a", hosts_controller=True))) == ["a"]


def test_canaries_go_before_all_others() -> None:
    rules = Rules(budget=budget.parse("unlimited"))
    made = planned(at_rest("a"), at_rest("c", canary=True), rules=rules)
    assert started(made) == ["c"]
    assert made.holds["a"].reason is Reason.CANARY


@pytest.mark.parametrize(
    "canary",
    [
        draining("c", canary=True),
        at_rest("c", canary=True, pause="look at it"),
        at_rest("c", canary=True, crashes=9, failed=ago(1), spec=Spec(version=V2)),
        on_its_way(State.MONITORING, State.MONITORING, "c", canary=True, current=V2),
    ],
    ids=["draining", "paused", "failed too often", "not yet well"],
)
def test_a_canary_that_is_not_done_holds_the_others(canary: NodeView) -> None:
    made = planned(at_rest("a"), canary, rules=Rules(budget=budget.UNLIMITED))
    assert made.holds["a"].reason is Reason.CANARY


def test_when_the_canaries_are_done_the_others_follow() -> None:
    canary = NodeView("c", status=Status(State.IDLE, V2, V2), canary=True)
    assert started(planned(at_rest("a"), canary)) == ["a"]


@pytest.mark.parametrize(
    "canary",
    [at_rest("c", canary=True, target=V1), NodeView("c", canary=True)],
    ids=["not offered to it yet", "silent"],
)
def test_a_canary_that_has_not_heard_of_a_version_holds_the_others(canary: NodeView) -> None:
    made = planned(at_rest("a"), canary, rules=Rules(budget=budget.UNLIMITED))
    assert made.holds["a"].reason is Reason.CANARY


def test_a_canary_that_is_ahead_holds_nobody() -> None:
    ahead = NodeView("c", status=Status(State.IDLE, V3, V3), canary=True)
    assert started(planned(at_rest("a"), ahead)) == ["a"]


def test_a_pause_on_the_node_begins_nothing_there() -> None:
    made = planned(at_rest("a", pause="disk is looked at"), at_rest("b"))
    assert started(made) == ["b"]
    assert made.holds["a"].why == "paused on the node: disk is looked at"


def test_a_pause_of_the_fleet_begins_nothing() -> None:
    made = planned(at_rest(), ledger=Ledger(paused="holidays"))
    assert made.holds["a"].reason is Reason.FLEET_PAUSED


@pytest.mark.parametrize(
    "ledger", [Ledger(paused="holidays"), Ledger(halted="bad release")], ids=["paused", "halted"]
)
def test_what_was_begun_is_finished_also_when_stopped(ledger: Ledger) -> None:
    assert only(planned(draining(), ledger=ledger)).action is Action.DRAIN
    returning = on_its_way(State.REBOOTED, State.REBOOTED, current=V2)
    assert only(planned(returning, ledger=ledger)).action is Action.MOVE


def test_a_node_that_is_not_ready_is_not_begun() -> None:
    assert planned(at_rest(ready=False)).holds["a"].reason is Reason.NOT_READY


def test_a_node_whose_agent_has_not_spoken_is_not_begun() -> None:
    assert planned(NodeView("a")).holds["a"].reason is Reason.SILENT


def test_an_offer_that_vanishes_while_staging_is_taken_back_without_blame() -> None:
    node = staging()
    assert node.status is not None
    step = only(planned(replace(node, status=node.status._replace(target=V3))))
    assert step.spec is not None
    assert step.spec.state is State.IDLE
    assert step.setback is None


def test_what_runs_already_is_not_drained_for() -> None:
    step = only(planned(draining(drained=None, current=V2)))
    assert step.spec is not None
    assert step.spec.state is State.REBOOTED


def test_the_cordon_stays_while_a_restart_is_permitted() -> None:
    assert not planned(rebooting()).steps


def test_after_the_restart_pods_come_back_before_anybody_looks_whether_all_is_well() -> None:
    marks = Marks(ago(5), cordoned=True)
    node = on_its_way(State.REBOOTED, State.REBOOTED, current=V2, marks=marks)
    assert only(planned(node)).action is Action.RESTORE
    step = only(planned(replace(node, marks=Marks())))
    assert step.spec is not None
    assert step.spec.state is State.MONITORING


def test_an_agent_that_failed_is_undone_and_then_reset() -> None:
    node = on_its_way(State.REBOOTED, State.ERROR, marks=Marks(ago(5), cordoned=True))
    assert only(planned(node)).action is Action.RESTORE
    step = only(planned(replace(node, marks=Marks())))
    assert step.spec is not None
    assert step.spec.state is State.IDLE


def test_failures_stop_the_rollout() -> None:
    failures = tuple(Failure(name, V2, ago(10)) for name in "xy")
    node = at_rest("z", crashes=1, failed=ago(9), spec=Spec(version=V2))
    made = planned(node, at_rest("a"), ledger=Ledger(failures=failures))
    assert made.halt.startswith("3 failed attempts with 1.1.0")
    assert made.failures[0].node == "z"
    assert made.holds["a"].reason is Reason.HALTED


def test_a_failure_is_counted_once_however_often_it_is_seen() -> None:
    node = at_rest("z", crashes=1, failed=ago(9), spec=Spec(version=V2))
    first = planned(node)
    assert len(first.failures) == 1
    assert not planned(node, ledger=Ledger(failures=first.failures)).failures


def test_a_failure_that_the_agent_has_taken_over_from_us_is_counted_once() -> None:
    node = at_rest("z", crashes=1, failed=ago(9), setback=Setback(1, ago(9), "drain-overdue"))
    assert len(planned(node).failures) == 1


def test_failures_with_another_version_do_not_stop_this_one() -> None:
    failures = tuple(Failure(name, V1, ago(10)) for name in "xyz")
    made = planned(at_rest(), ledger=Ledger(failures=failures), rules=Rules(brakes=Brakes(3)))
    # They were noted with that version, and stop the rollout only for its sake.
    assert made.halt.startswith("3 failed attempts with 1.0.0")
    two = tuple(
        Failure(name, version, ago(10)) for name, version in zip("xyz", (V1, V2, V3), strict=True)
    )
    assert not planned(at_rest(), ledger=Ledger(failures=two)).halt


def test_after_a_resume_older_failures_do_not_stop_it_again() -> None:
    failures = tuple(Failure(name, V2, ago(10)) for name in "xyz")
    ledger = Ledger(failures=failures, resumed=ago(5))
    assert started(planned(at_rest(), ledger=ledger)) == ["a"]


def test_a_failure_rate_stops_the_rollout_once_enough_have_ended() -> None:
    rules = Rules(brakes=Brakes(failures=None, percent=20, least=10), budget=budget.UNLIMITED)
    done = [
        NodeView(f"d{each}", status=at_rest(target=V2).status._replace(current=V2))  # type: ignore[union-attr]
        for each in range(7)
    ]
    failures = tuple(Failure(name, V2, ago(10)) for name in "xy")
    few = planned(at_rest(), *done, rules=rules, ledger=Ledger(failures=failures))
    assert not few.halt
    failures = tuple(Failure(name, V2, ago(10)) for name in "xyz")
    many = planned(at_rest(), *done, rules=rules, ledger=Ledger(failures=failures))
    assert many.halt.startswith("3 of 10 ended attempts with 1.1.0 failed")


def test_a_restart_that_takes_too_long_counts_as_a_failure_once_and_keeps_its_place() -> None:
    made = planned(rebooting(since=21), at_rest("b"))
    assert [each.reason for each in made.failures] == ["reboot-overdue"]
    assert made.active == ("a",)
    assert made.holds["a"].reason is Reason.OVERDUE
    assert not started(made)
    later = planned(
        rebooting(since=21), ledger=Ledger(failures=made.failures), now=NOW + 5 * MINUTE
    )
    assert not later.failures


def test_windows_decide_only_what_is_begun() -> None:
    rules = Rules(windows=Windows(calendar=Calendar(windows=(window("daily 10:00-11:00"),))))
    made = planned(at_rest("a"), draining("b"), rules=rules)
    assert [step.node for step in made.steps] == ["b"]
    assert made.holds["a"].reason is Reason.WINDOW
    assert made.holds["a"].until == datetime(2031, 4, 7, 10, tzinfo=NOW.tzinfo)


def test_a_window_goes_by_the_clock_of_its_zone() -> None:
    east = Calendar(zone=timezone(timedelta(hours=2)), windows=(window("daily 11:00-12:00"),))
    assert started(planned(at_rest(), rules=Rules(windows=Windows(calendar=east)))) == ["a"]


def test_new_nodes_are_begun_while_others_are_finished() -> None:
    made = planned(rebooting("a"), at_rest("b"), rules=TWO)
    assert started(made) == ["b"]


def test_a_round_ends_when_nothing_is_left_to_take() -> None:
    rules = Rules(windows=Windows(cron=secondcron.parse("0 0 8 * * *")))
    open_round = Ledger(closed=ago(24 * 60))
    assert started(planned(at_rest(), rules=rules, ledger=open_round)) == ["a"]
    waiting = at_rest(crashes=1, failed=ago(0.5))
    ended = planned(waiting, rules=rules, ledger=open_round)
    assert ended.ends_round
    closed = Ledger(closed=NOW)
    made = planned(at_rest(), rules=rules, ledger=closed, now=NOW + MINUTE)
    assert made.holds["a"].reason is Reason.WINDOW
    assert made.holds["a"].until == datetime(2031, 4, 8, 8, tzinfo=NOW.tzinfo)


def test_a_round_goes_on_while_nodes_are_under_way() -> None:
    rules = Rules(windows=Windows(cron=secondcron.parse("0 0 8 * * *")))
    assert not planned(rebooting(), rules=rules, ledger=Ledger(closed=ago(1440))).ends_round


def test_what_is_left_on_a_node_that_takes_no_part_is_undone() -> None:
    node = NodeView("a", gone=True, marks=Marks(ago(5), cordoned=True))
    assert only(planned(node)).action is Action.RESTORE


@pytest.mark.parametrize("wanted", list(State))
@pytest.mark.parametrize("said", list(State))
def test_every_pair_of_states_has_a_way_on(wanted: State, said: State) -> None:
    node = on_its_way(wanted, said, current=V1)
    made = planned(node)
    moves = [step for step in made.steps if step.spec is not None]
    waits = node.phase in {Phase.STAGE, Phase.REBOOT, Phase.MONITOR, Phase.ACK}
    looks = node.phase in {Phase.DRAIN, Phase.SETTLE}
    assert moves or waits or looks
