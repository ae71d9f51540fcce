"""Nodes for the policy, in few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from updog.fleet.halting import Ledger
from updog.fleet.model import Marks, NodeView, Spec, State, Status
from updog.fleet.policy import Plan, plan
from updog.fleet.rules import Rules
from updog.fleet.steps import Action, Step

NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
V1, V2, V3 = "1.0.0", "1.1.0", "1.2.0"
MINUTE = timedelta(minutes=1)


def ago(minutes: float) -> datetime:
    return NOW - minutes * MINUTE


def at_rest(name: str = "a", *, target: str = V2, **more: Any) -> NodeView:
    """A node that runs V1, and is offered V2 unless told otherwise."""
    crashes, failed = more.pop("crashes", 0), more.pop("failed", None)
    status = Status(State.IDLE, V1, target, crashes, failed)
    return NodeView(name, more.pop("spec", Spec()), status, **more)


def on_its_way(
    wanted: State, said: State, name: str = "a", *, since: float = 1.0, **more: Any
) -> NodeView:
    """A node that was sent to V2 so many minutes ago."""
    current = more.pop("current", V1)
    crashes, failed = more.pop("crashes", 0), more.pop("failed", None)
    status = Status(said, current, V2, crashes, failed)
    return NodeView(name, Spec(wanted, ago(since), V2), status, **more)


def staging(name: str = "a", **more: Any) -> NodeView:
    return on_its_way(State.STAGED, State.IDLE, name, **more)


def draining(name: str = "a", *, drained: float | None = 1.0, **more: Any) -> NodeView:
    since = None if drained is None else ago(drained)
    marks = more.pop("marks", Marks(since, cordoned=since is not None))
    return on_its_way(State.STAGED, State.STAGED, name, marks=marks, **more)


def rebooting(name: str = "a", **more: Any) -> NodeView:
    marks = more.pop("marks", Marks(ago(5), cordoned=True))
    return on_its_way(State.REBOOTED, State.STAGED, name, marks=marks, **more)


def planned(
    *nodes: NodeView, rules: Rules | None = None, ledger: Ledger | None = None, now: datetime = NOW
) -> Plan:
    return plan(nodes, ledger or Ledger(), rules or Rules(), now)


def only(made: Plan) -> Step:
    """The one step of a plan."""
    assert len(made.steps) == 1, made.steps
    return made.steps[0]


def started(made: Plan) -> list[str]:
    return [step.node for step in made.steps if step.action is Action.START]
