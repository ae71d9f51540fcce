"""A node that came back with the new version, and is not well with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.updog.fleet.nodes import (
    V2,
    V3,
    ago,
    at_rest,
    on_its_way,
    only,
    planned,
    started,
)
from updog.fleet import budget
from updog.fleet.halting import Ledger
from updog.fleet.holding import Reason
from updog.fleet.kubernetes.duty import unwell
from updog.fleet.model import NodeView, Spec, State, Status
from updog.fleet.rules import Rules
from updog.fleet.steps import Action

ALL_AT_ONCE = Rules(budget=budget.UNLIMITED)


def monitored(name: str = "a", *, since: float = 11, failed: float | None = 1) -> NodeView:
    """A node whose agent looks whether it is well, and has counted a failure perhaps."""
    at = None if failed is None else ago(failed)
    return on_its_way(
        State.MONITORING,
        State.REBOOTED,
        name,
        since=since,
        current=V2,
        crashes=int(at is not None),
        failed=at,
    )


def done(name: str = "c", *, failed: float | None = None, said: State = State.IDLE) -> NodeView:
    at = None if failed is None else ago(failed)
    status = Status(said, V2, V2, int(at is not None), at)
    return NodeView(name, Spec(State.IDLE, ago(30), V2), status, canary=True)


def test_a_canary_that_failed_with_the_version_it_runs_does_not_release_it() -> None:
    made = planned(at_rest("a"), done(failed=5), rules=ALL_AT_ONCE)
    assert made.holds["a"].reason is Reason.CANARY


def test_a_canary_that_a_person_has_forgiven_releases_it() -> None:
    forgiven = replace(done(failed=5), forgiven=ago(1))
    assert started(planned(at_rest("a"), forgiven, rules=ALL_AT_ONCE)) == ["a"]


def test_a_canary_that_was_well_at_last_need_not_have_acknowledged_it() -> None:
    content = done(failed=5, said=State.MONITORING)
    assert started(planned(at_rest("a"), content, rules=ALL_AT_ONCE)) == ["a"]


def test_a_canary_whose_earlier_attempts_failed_with_another_version_releases_this_one() -> None:
    canary = replace(done(failed=5), spec=Spec(State.IDLE, ago(30), V3))
    assert started(planned(at_rest("a"), canary, rules=ALL_AT_ONCE)) == ["a"]


def test_an_unwell_node_keeps_its_place() -> None:
    made = planned(monitored("a"), at_rest("b"))
    assert made.active == ("a",)
    assert not started(made)


def test_an_unwell_node_counts_as_one_failure_whoever_sees_it_first() -> None:
    agent_first = planned(monitored(since=16))
    assert len(agent_first.failures) == 1
    ledger = Ledger(failures=agent_first.failures)
    assert not planned(monitored(since=16), ledger=ledger).failures
    nobody = planned(monitored(since=16, failed=None))
    assert [each.reason for each in nobody.failures] == ["monitor-overdue"]


@pytest.mark.parametrize("said", [State.REBOOTED, State.MONITORING])
def test_a_person_may_let_an_unwell_node_go(said: State) -> None:
    node = on_its_way(State.MONITORING, said, since=16, current=V2)
    step = only(planned(replace(node, forgiven=ago(0.5))))
    assert step.spec is not None
    assert step.spec.state is State.IDLE


def test_what_a_person_forgave_before_it_was_unwell_does_not_let_it_go() -> None:
    assert not planned(replace(monitored(failed=1), forgiven=ago(2))).steps
    looked = on_its_way(State.MONITORING, State.MONITORING, current=V2)
    assert only(planned(replace(looked, forgiven=ago(0.5)))).action is Action.CHECK


def test_the_agent_counts_once_that_its_node_is_unwell() -> None:
    status = Status(State.REBOOTED, V2, V2)
    first = unwell(status, "health-failed: no ingress", ago(11), ago(1))
    assert (first.state, first.crashes, first.failed) == (State.REBOOTED, 1, ago(1))
    assert unwell(first, "health-failed: still none", ago(11), ago(0)) == first
