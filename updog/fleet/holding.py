"""What holds a node back. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from updog.fleet.model import NodeView
from updog.fleet.rules import Rules
from updog.version import Version


class Reason(StrEnum):
    """What holds a node, the first that applies."""

    SILENT = "no-agent"
    PAUSED = "paused"
    NOT_READY = "not-ready"
    EXHAUSTED = "attempts-exhausted"
    BACKOFF = "backoff"
    HALTED = "halted"
    FLEET_PAUSED = "fleet-paused"
    CANARY = "canary-first"
    WINDOW = "window"
    BUDGET = "budget"
    STEP = "in-progress"
    OVERDUE = "overdue"
    RETURNING = "acknowledging"


class Hold(NamedTuple):
    """Why nothing new is done with a node.

    Attributes:
        reason: in one word.
        why: one sentence.
        until: when that may be over, as far as is known.
    """

    reason: Reason
    why: str
    until: datetime | None = None


class Keeper:
    """What holds back nodes that could be begun, in one step.

    Args:
        nodes: all of them.
        rules: what the operator decided.
        now: when.
        halted: why the rollout was stopped; empty if it was not.
        paused: why the fleet is paused; empty if it is not.
    """

    def __init__(
        self, nodes: Iterable[NodeView], rules: Rules, now: datetime, halted: str, paused: str
    ) -> None:
        self._rules = rules
        self._now = now
        self._halted = halted
        self._paused = paused
        self._canaries = sorted(
            (each for each in nodes if each.canary and not each.gone), key=lambda each: each.name
        )
        self._first: dict[str, tuple[str, ...]] = {}

    def hold(self, node: NodeView) -> Hold | None:
        """The first thing that holds a node, or None."""
        if node.status is None:
            return Hold(Reason.SILENT, "its agent has not spoken yet")
        if node.pause:
            return Hold(Reason.PAUSED, f"paused on the node: {node.pause}")
        if not node.ready:
            return Hold(Reason.NOT_READY, "the node is not Ready")
        return self._after_failures(node) or self._of_fleet(node)

    def _after_failures(self, node: NodeView) -> Hold | None:
        crashes, rules = node.crashes, self._rules
        status = node.status
        same = status is not None and node.spec.version == status.target
        if same and rules.attempts is not None and crashes >= rules.attempts:
            why = f"{crashes} attempts failed, the last with {node.spec.version}"
            return Hold(Reason.EXHAUSTED, why)
        again = rules.backoff.until(crashes, node.failed, node.name)
        if again is not None and self._now < again:
            return Hold(Reason.BACKOFF, f"left alone after {crashes} failures", again)
        return None

    def _of_fleet(self, node: NodeView) -> Hold | None:
        if self._halted:
            return Hold(Reason.HALTED, f"the rollout was stopped: {self._halted}")
        if self._paused:
            return Hold(Reason.FLEET_PAUSED, f"the fleet is paused: {self._paused}")
        first = () if node.canary else self._before(node)
        if first:
            more = f" and {len(first) - 1} more" if len(first) > 1 else ""
            return Hold(Reason.CANARY, f"canaries go first: {first[0]}{more}")
        return None

    def _before(self, node: NodeView) -> tuple[str, ...]:
        """The canaries that have to be done before a node that is no canary."""
        target = node.status.target if node.status is not None else ""
        if target not in self._first:
            self._first[target] = tuple(
                each.name for each in self._canaries if _speaks_against(each, target)
            )
        return self._first[target]


def _speaks_against(canary: NodeView, version: str) -> bool:
    """Whether others must not take a version because of a canary.

    One that is paused or has failed too often still speaks against it, one that runs the version
    and was not well with it, and one that has not heard of the version yet, because its agent
    asked earlier than those of the others.
    """
    if canary.active or canary.unwell or canary.wants_update or canary.status is None:
        return True
    try:
        return Version.parse(canary.status.current) < Version.parse(version)
    except ValueError:
        return canary.status.current != version
