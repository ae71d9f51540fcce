"""How a fleet stands, for people and for programs. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from updog.fleet.halting import Ledger
from updog.fleet.model import NodeView, Phase
from updog.fleet.policy import Plan
from updog.fleet.rules import Rules

HEADINGS = ("NODE", "VERSION", "TARGET", "STATE", "PHASE", "FAILURES", "WAITS FOR")
NOTHING = "-"


class Fleet:
    """Everything that a report goes by.

    Args:
        nodes: all of them.
        plan: what would be done now.
        ledger: what is remembered.
        rules: what it goes by.
        drains: what holds up the drain of a node, by its name.
    """

    def __init__(
        self,
        nodes: Sequence[NodeView],
        plan: Plan,
        ledger: Ledger,
        rules: Rules,
        drains: Mapping[str, str],
    ) -> None:
        self.nodes = sorted((each for each in nodes if not each.gone), key=lambda each: each.name)
        self.plan = plan
        self.ledger = ledger
        self.rules = rules
        self._drains = drains
        self._steps = {step.node: step for step in plan.steps}

    def node(self, name: str) -> NodeView | None:
        """A node by its name."""
        return next((each for each in self.nodes if each.name == name), None)

    def waits(self, node: NodeView) -> str:
        """What a node waits for, in one sentence; empty if for nothing."""
        drained = self._drains.get(node.name, "") if node.phase is Phase.DRAIN else ""
        if drained:
            return drained
        hold = self.plan.holds.get(node.name)
        if hold is not None:
            return hold.why
        step = self._steps.get(node.name)
        return step.why if step is not None else ""

    def tree(self) -> dict[str, Any]:
        """The whole, as docs/schemas/fleet-status.json has it."""
        return {
            "nodes": [self.node_tree(each) for each in self.nodes],
            "active": sorted(self.plan.active),
            "budget": str(self.rules.budget),
            "allowed": self.plan.allowed,
            "window_open": self.plan.opening.open,
            "next_window": _moment(self.plan.opening.next),
            "halted": self.ledger.halted or self.plan.halt or None,
            "paused": self.ledger.paused or None,
            "failures": [
                {
                    "node": each.node,
                    "version": each.version,
                    "at": _moment(each.at),
                    "reason": each.reason,
                }
                for each in self.ledger.failures
                if self.ledger.resumed is None or each.at > self.ledger.resumed
            ],
        }

    def node_tree(self, node: NodeView) -> dict[str, Any]:
        """One node, as docs/schemas/fleet-why.json has it."""
        hold = self.plan.holds.get(node.name)
        status = node.status
        return {
            "node": node.name,
            "version": status.current if status is not None else None,
            "target": status.target if status is not None else None,
            "state": status.state.value if status is not None else None,
            "wanted_state": node.spec.state.value,
            "phase": node.phase.value,
            "since": _moment(node.spec.since),
            "failures": node.crashes,
            "failed": _moment(node.failed),
            "failure_reason": (status.reason if status is not None else "") or None,
            "canary": node.canary,
            "paused": node.pause or None,
            "ready": node.ready,
            "unschedulable": node.unschedulable,
            "cordoned_by_us": node.marks.cordoned,
            "holds": hold.reason.value if hold is not None else None,
            "until": _moment(hold.until) if hold is not None else None,
            "why": self.waits(node) or None,
        }


def text(fleet: Fleet) -> str:
    """The whole, for people."""
    rows = [HEADINGS, *(_row(fleet, each) for each in fleet.nodes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    table = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join((*_summary(fleet), "", *table)) + "\n"


def why_text(fleet: Fleet, node: NodeView) -> str:
    """One node, for people."""
    status = node.status
    if status is None:
        return f"{node.name}: its agent has not spoken yet. See whether its pod runs.\n"
    lines = [f"{node.name} runs {status.current} and is {_where(node)}."]
    if node.wants_update:
        lines.append(f"Its repository offers {status.target}.")
    elif node.phase is Phase.REST:
        lines.append("Its repository offers nothing newer, or not yet: waves, or no way to it.")
    waits = fleet.waits(node)
    if waits:
        hold = fleet.plan.holds.get(node.name)
        until = f" (until {_moment(hold.until)})" if hold is not None and hold.until else ""
        lines.append(f"{waits[0].upper()}{waits[1:]}{until}.")
    lines.extend(_remarks(node))
    return "\n".join(lines) + "\n"


def _remarks(node: NodeView) -> list[str]:
    found = []
    if node.crashes and node.failed is not None:
        reason = (node.status.reason if node.status is not None else "") or "no reason was given"
        found.append(
            f"{node.crashes} attempts failed, the last at {_moment(node.failed)}: {reason}."
        )
    if node.pause:
        found.append(f"Nothing new is begun on it: {node.pause}.")
    if node.unschedulable and not node.marks.cordoned:
        found.append("It was cordoned by somebody else, and stays so.")
    if not node.ready:
        found.append("It is not Ready.")
    return found


def _summary(fleet: Fleet) -> list[str]:
    plan, ledger = fleet.plan, fleet.ledger
    versions = Counter(each.status.current for each in fleet.nodes if each.status is not None)
    by_version = ", ".join(f"{count} on {version}" for version, count in versions.most_common())
    lines = [
        f"{len(fleet.nodes)} nodes: {by_version or 'nothing is known of them yet'}",
        f"{len(plan.active)} of {plan.allowed} that may be unavailable at once",
    ]
    halted = ledger.halted or plan.halt
    if halted:
        lines.append(f"STOPPED: {halted}. To go on: updog-fleet resume")
    if ledger.paused:
        lines.append(f"PAUSED: {ledger.paused}. To go on: updog-fleet resume")
    if not plan.opening.open:
        again = _moment(plan.opening.next)
        lines.append(f"Outside the windows{f' until {again}' if again else ''}")
    return lines


def _row(fleet: Fleet, node: NodeView) -> tuple[str, ...]:
    status = node.status
    if status is None:
        return (node.name, NOTHING, NOTHING, NOTHING, NOTHING, "0", "its agent")
    return (
        node.name,
        status.current or NOTHING,
        status.target if node.wants_update else NOTHING,
        status.state.value,
        node.phase.value,
        str(node.crashes),
        fleet.waits(node) or NOTHING,
    )


def _where(node: NodeView) -> str:
    wanted = f", on its way to {node.spec.version}" if node.phase not in _STILL else ""
    return f"{node.status.state.value if node.status is not None else 'unknown'}{wanted}"


_STILL = frozenset({Phase.REST, Phase.ACK, Phase.RESET})


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
