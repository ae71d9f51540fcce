"""Whatever stands on the nodes: budget, order and the way back hold in every plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.fleet import budget
from updog.fleet.backoff import Backoff
from updog.fleet.halting import Ledger
from updog.fleet.model import Marks, NodeView, Phase, Setback, Spec, State, Status
from updog.fleet.policy import plan
from updog.fleet.rules import Rules
from updog.fleet.steps import Action

pytestmark = pytest.mark.property

NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
V1, V2 = "1.0.0", "1.1.0"
moments = st.integers(-10_000, 100).map(lambda minutes: NOW + timedelta(minutes=minutes))
maybe = st.none() | moments
states = st.sampled_from(State)
versions = st.sampled_from([V1, V2])
statuses = st.builds(Status, states, versions, versions, st.integers(0, 2**32), maybe)
marks = st.builds(Marks, maybe, st.booleans(), st.booleans())


@st.composite
def fleets(draw: st.DrawFn) -> list[NodeView]:
    size = draw(st.integers(0, 12))
    return [
        NodeView(
            f"n{index}",
            draw(st.builds(Spec, states, maybe, versions)),
            draw(st.none() | statuses),
            draw(st.none() | st.builds(Setback, st.integers(0, 99), moments)),
            draw(marks) if draw(st.booleans()) else Marks(),
            canary=draw(st.integers(0, 9)) == 0,
            pause=draw(st.sampled_from(["", "", "", "why"])),
            forgiven=draw(maybe),
            ready=draw(st.booleans()),
            hosts_controller=draw(st.booleans()),
            gone=draw(st.integers(0, 9)) == 0,
        )
        for index in range(size)
    ]


rules = st.builds(
    Rules,
    budget=st.sampled_from(["0", "1", "2", "30%", "unlimited"]).map(budget.parse),
    attempts=st.none() | st.integers(1, 9),
)
ledgers = st.builds(
    Ledger, paused=st.sampled_from(["", "x"]), halted=st.sampled_from(["", "", "x"]), resumed=maybe
)


@settings(max_examples=200, deadline=None)
@given(fleets(), ledgers, rules)
def test_a_plan_keeps_to_the_budget_and_to_its_rules(
    nodes: list[NodeView], ledger: Ledger, said: Rules
) -> None:
    made = plan(nodes, ledger, said, NOW)
    by_name = {node.name: node for node in nodes}
    begun = [step for step in made.steps if step.action is Action.START]
    assert not begun or len(made.active) + len(begun) <= made.allowed
    assert len({step.node for step in made.steps}) == len(made.steps)
    for step in begun:
        node = by_name[step.node]
        assert node.phase is Phase.REST
        assert node.wants_update
        assert node.ready
        assert not any((node.pause, node.gone, node.marks.any))
        assert not any((ledger.halted, ledger.paused, made.halt))
    for step in made.steps:
        if step.spec is not None and step.spec.state is State.REBOOTED:
            assert by_name[step.node].phase is Phase.DRAIN


@settings(max_examples=200, deadline=None)
@given(fleets(), ledgers, rules)
def test_our_cordon_has_a_way_off_every_node(
    nodes: list[NodeView], ledger: Ledger, said: Rules
) -> None:
    made = plan(nodes, ledger, said, NOW)
    restored = {step.node for step in made.steps if step.action is Action.RESTORE}
    for node in nodes:
        emptied = node.phase in {Phase.DRAIN, Phase.REBOOT} and not node.gone
        assert (node.name in restored) == (node.marks.any and not emptied)


@settings(max_examples=100, deadline=None)
@given(fleets(), ledgers, rules)
def test_a_plan_is_the_same_in_whatever_order_nodes_are_known(
    nodes: list[NodeView], ledger: Ledger, said: Rules
) -> None:
    forward = plan(nodes, ledger, said, NOW)
    backward = plan(nodes[::-1], ledger, said, NOW)
    assert set(forward.steps) == set(backward.steps)
    assert set(forward.failures) == set(backward.failures)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**64), st.text(max_size=20))
def test_a_pause_is_never_longer_than_its_cap_and_a_fifth(failures: int, node: str) -> None:
    backoff = Backoff()
    assert timedelta(0) <= backoff.pause(failures, node) <= backoff.cap * 1.2
