"""What follows from a drain and from a look at a node. PURE: who looked is elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from updog.fleet.model import NodeView
from updog.fleet.rules import DrainPolicy, Rules
from updog.fleet.steps import Step, finish, give_up, overdue, permit

MOST_NAMED = 3
LEAST_GRACE = timedelta(minutes=10)
"""So long at least pods may take to end after their deletion was asked for past their budgets."""


class Blocked(NamedTuple):
    """A pod that may not be evicted yet.

    Attributes:
        pod: as ``namespace/name``.
        budgets: the PodDisruptionBudgets that do not let it go, as ``namespace/name``.
        why: what the API server said.
    """

    pod: str
    budgets: tuple[str, ...]
    why: str


class Refused(NamedTuple):
    """A pod whose eviction was answered with an error.

    Attributes:
        pod: as ``namespace/name``.
        why: what the API server said.
    """

    pod: str
    why: str


class DrainReport(NamedTuple):
    """How far a drain is.

    Attributes:
        empty: whether the node is cordoned and nothing was left on it, at two looks.
        left: pods that still have to leave, as ``namespace/name``.
        blocked: those of them that a budget holds.
        refused: those of them that may not be evicted at all.
        failed: those of them whose eviction failed otherwise.
        waits: what is waited for before anything is evicted; empty for nothing.
    """

    empty: bool = False
    left: tuple[str, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    refused: tuple[Refused, ...] = ()
    failed: tuple[Refused, ...] = ()
    waits: str = ""

    @property
    def why(self) -> str:
        """What keeps the drain from its end, in one sentence."""
        if self.refused:
            return f"eviction refused: {_errors(self.refused)}"
        if self.blocked:
            return _some(tuple(map(_blocked, self.blocked)))
        if self.failed:
            return f"eviction failed: {_errors(self.failed)}"
        if self.left:
            return f"waits for {len(self.left)} pods to end: {_some(self.left)}"
        return self.waits


class Wellness(NamedTuple):
    """How a node is after its restart.

    Attributes:
        ready: whether its kubelet says that it is.
        unready: chosen pods on it that are not, as ``namespace/name``.
        nowhere: the label selector of pods, if there are none of those in the whole cluster.
    """

    ready: bool
    unready: tuple[str, ...] = ()
    nowhere: str = ""

    @property
    def why(self) -> str:
        """What is not well, in one sentence; empty if all is."""
        if not self.ready:
            return "the node is not Ready"
        if self.nowhere:
            return f"no pod of the cluster fits HEALTH_POD_SELECTOR {self.nowhere}"
        return f"pods are not Ready: {_some(self.unready)}" if self.unready else ""


def after_drain(node: NodeView, report: DrainReport, rules: Rules, now: datetime) -> Step | None:
    """What follows from a drain; None to go on with it.

    Only an empty node may restart. A refusal (403) ends the drain at once and under each policy:
    who refuses has a reason that force would ignore. Force has an end too: a pod that does not go
    although it was deleted is one that nobody here can move.
    """
    if report.empty:
        return permit(node, "the node is empty", now)
    if report.refused:
        return give_up(node, "eviction-refused", report.why, now)
    late = overdue(node, rules, now)
    if late is None or (may_force(report, rules) and now < late + grace(rules)):
        return None
    return give_up(node, "drain-overdue", report.why or "the drain took too long", now)


def may_force(report: DrainReport, rules: Rules) -> bool:
    """Whether pods may be deleted past their budgets once the deadline is over."""
    return rules.drain is DrainPolicy.FORCE_AFTER and not (report.refused or report.failed)


def grace(rules: Rules) -> timedelta:
    """How long a drain with force may go on after its deadline: as long again, or a little."""
    return max(rules.limits.drain, LEAST_GRACE)


def after_check(
    node: NodeView, wellness: Wellness, since: datetime | None, rules: Rules, now: datetime
) -> Step | None:
    """What follows from a look at a node; None to look again.

    Args:
        node: which one.
        wellness: how it is.
        since: since when it is well, without interruption; None if it is not.
        rules: what the operator decided.
        now: when.
    """
    if wellness.why or since is None or now < since + rules.settle:
        return None
    return finish(node, f"{node.spec.version} runs, and the node is well", now)


def _blocked(one: Blocked) -> str:
    if one.budgets:
        return f"{one.pod} is held by PodDisruptionBudget {', '.join(one.budgets)} ({one.why})"
    return f"{one.pod} may not be evicted yet ({one.why})"


def _errors(pods: tuple[Refused, ...]) -> str:
    return _some(tuple(f"{each.pod} ({each.why})" for each in pods))


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
