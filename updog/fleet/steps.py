"""The steps that a plan is made of. PURE."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from updog.fleet.model import NodeView, Phase, Setback, Spec, State
from updog.fleet.rules import Rules


class Action(StrEnum):
    """What is done with a node."""

    START = "start"
    DRAIN = "drain"
    RESTORE = "restore"
    MOVE = "move"
    CHECK = "check"


class Step(NamedTuple):
    """One thing to do.

    Attributes:
        node: with which node.
        action: what.
        why: one sentence.
        spec: with `Action.START` and `Action.MOVE`: what is written.
        setback: written with it: a failure; None leaves it as it is.
        settled: whether failures are forgotten with it, because the node succeeded.
    """

    node: str
    action: Action
    why: str
    spec: Spec | None = None
    setback: Setback | None = None
    settled: bool = False


def overdue(node: NodeView, rules: Rules, now: datetime) -> datetime | None:
    """Since when a node has taken too long for what it does; None if it has not."""
    limit = rules.limits.of(node.phase)
    began = node.marks.since if node.phase is Phase.DRAIN else node.spec.since
    if limit is None or began is None or now < began + limit:
        return None
    return began + limit


def noted(node: NodeView) -> datetime | None:
    """When its agent counted a failure of what it does now; None if it did not."""
    failed = node.status.failed if node.status is not None else None
    if failed is None or node.spec.since is None or failed < node.spec.since:
        return None
    return failed


def setback(node: NodeView, reason: str, at: datetime) -> Setback:
    """A failure that the controller saw, to be counted by the agent."""
    return Setback(node.crashes + 1, at, reason)


def give_up(node: NodeView, reason: str, why: str, now: datetime) -> Step:
    """Take back what was asked of a node that has not been allowed to restart."""
    spec = Spec(State.IDLE, now, node.spec.version)
    return Step(node.name, Action.MOVE, why, spec, setback(node, reason, now))


def permit(node: NodeView, why: str, now: datetime) -> Step:
    """Allow a restart."""
    return move(node, State.REBOOTED, why, now)


def finish(node: NodeView, why: str, now: datetime) -> Step:
    """End an update that went well; its failures are forgotten."""
    spec = Spec(State.IDLE, now, node.spec.version)
    return Step(node.name, Action.MOVE, why, spec, settled=True)


def move(node: NodeView, state: State, why: str, now: datetime) -> Step:
    """Send a node to another state, about the same version."""
    return Step(node.name, Action.MOVE, why, Spec(state, now, node.spec.version))


def restore(node: NodeView, why: str) -> Step:
    """Undo what we did to a node."""
    return Step(node.name, Action.RESTORE, why)
