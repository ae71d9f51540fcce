"""Which node takes which step now. PURE: everything it goes by is an argument, the time too.

The rules, in the order in which they are asked:

1. A node that was begun is finished, whatever the window, a pause or a halt says: left alone it
   would stay cordoned.
2. What we did to a node is undone as soon as no permission to restart is outstanding, also if
   nobody remembers why it was done.
3. A new node is begun if nothing holds it back (`Reason`, in that order) and fewer nodes than the
   budget are active.

A plan changes nothing. Who carries it out asks again afterwards, with what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from updog.fleet.halting import Failure, Ledger, recorded, unrecorded
from updog.fleet.holding import Hold, Keeper, Reason
from updog.fleet.model import NodeView, Phase, Spec, State
from updog.fleet.opening import Opening
from updog.fleet.rules import Rules
from updog.fleet.steps import Action, Step, give_up, move, noted, overdue, permit, restore


class Plan(NamedTuple):
    """What is done now, and why all else is not.

    Attributes:
        steps: what is done.
        holds: what holds each other node that is not at rest, or wants an update.
        active: nodes that may be unavailable because of us, the new ones not included.
        allowed: how many may be.
        opening: whether new nodes may be taken.
        failures: those not yet in the ledger.
        halt: why the rollout must stop now; empty if it need not, or has.
        ends_round: whether a round of the schedule has nothing left to take.
    """

    steps: tuple[Step, ...]
    holds: dict[str, Hold]
    active: tuple[str, ...]
    allowed: int
    opening: Opening
    failures: tuple[Failure, ...] = ()
    halt: str = ""
    ends_round: bool = False


def plan(nodes: Sequence[NodeView], ledger: Ledger, rules: Rules, now: datetime) -> Plan:
    """Decide what is done now."""
    failures = unrecorded(nodes, ledger, _lateness(nodes, rules, now))
    known = ledger if not failures else _with(ledger, failures)
    halt = "" if ledger.halted else rules.brakes.judge(known, nodes)
    opening = rules.windows.at(now, ledger.closed)
    held = Keeper(nodes, rules, now, ledger.halted or halt, ledger.paused)
    holds: dict[str, Hold] = {}
    steps: list[Step] = []
    candidates: list[NodeView] = []
    for node in nodes:
        if node.active or node.phase is not Phase.REST:
            _advance(node, rules, now, steps, holds)
        elif node.status is None or node.wants_update:
            hold = held.hold(node)
            if hold is None:
                candidates.append(node)
            else:
                holds[node.name] = hold
    active = tuple(node.name for node in nodes if node.active)
    allowed = rules.budget.of(sum(not node.gone for node in nodes))
    if opening.open:
        room = max(allowed - len(active), 0)
        steps.extend(_begin(candidates, room, holds, now))
        _hold_rest(candidates[room:], holds, f"{allowed} may be unavailable at once", Reason.BUDGET)
    else:
        _hold_rest(candidates, holds, "outside the windows", Reason.WINDOW, opening.next)
    idle = opening.open and opening.round and not active and not candidates
    return Plan(tuple(steps), holds, active, allowed, opening, failures, halt, idle)


def _lateness(nodes: Iterable[NodeView], rules: Rules, now: datetime) -> Iterable[Failure]:
    """Nodes that cannot be taken back, and have taken too long; each counts once.

    A node that does not come back from its restart keeps its place in the budget: it is
    unavailable because of us, whatever we call it. So does one that is not well afterwards; what
    its agent has counted already is not counted again.
    """
    for node in nodes:
        if node.active and node.phase in _KEPT and noted(node) is None:
            late = overdue(node, rules, now)
            if late is not None:
                yield Failure(node.name, node.spec.version, late, f"{node.phase}-overdue")


_KEPT = frozenset({Phase.REBOOT, Phase.MONITOR, Phase.SETTLE})


def order(node: NodeView) -> tuple[bool, bool, int, str]:
    """What a node's turn goes by: ours last, canaries first, then the fewest failures."""
    return (node.hosts_controller, not node.canary, node.crashes, node.name)


def _begin(
    candidates: list[NodeView], room: int, holds: dict[str, Hold], now: datetime
) -> Iterable[Step]:
    # In place: who is left over is told afterwards.
    candidates.sort(key=order)
    for node in candidates[:room]:
        version = node.status.target if node.status is not None else ""
        holds.pop(node.name, None)
        spec = Spec(State.STAGED, now, version)
        yield Step(node.name, Action.START, f"{version} is for it", spec)


def _hold_rest(
    nodes: Iterable[NodeView],
    holds: dict[str, Hold],
    why: str,
    reason: Reason,
    until: datetime | None = None,
) -> None:
    hold = Hold(reason, why, until)
    for node in nodes:
        holds[node.name] = hold


def _advance(
    node: NodeView, rules: Rules, now: datetime, steps: list[Step], holds: dict[str, Hold]
) -> None:
    """Go on with a node that was begun, or undo what was left on it."""
    step = _next(node, rules, now)
    if step is not None:
        steps.append(step)
    late = overdue(node, rules, now)
    if late is not None:
        why = f"{node.phase} has taken longer than {rules.limits.of(node.phase)}"
        holds[node.name] = Hold(Reason.OVERDUE, why)
    elif step is None:
        reason = Reason.RETURNING if node.phase is Phase.ACK else Reason.STEP
        holds[node.name] = Hold(reason, _WAITS.get(node.phase, "waits for its agent"))


_WAITS = {
    Phase.STAGE: "its agent writes the update",
    Phase.REBOOT: "its agent restarts it",
    Phase.MONITOR: "its agent looks whether it is well",
}


def _next(node: NodeView, rules: Rules, now: datetime) -> Step | None:
    if node.gone:
        return restore(node, "it is no longer one of ours") if node.marks.any else None
    if node.marks.any and node.phase not in _EMPTIED:
        return restore(node, _UNDONE.get(node.phase, "nothing is under way"))
    return _NEXT.get(node.phase, _nothing)(node, rules, now)


def _nothing(_node: NodeView, _rules: Rules, _now: datetime) -> None:
    """Its agent is at work, and nothing is taken from it meanwhile."""


_EMPTIED = frozenset({Phase.DRAIN, Phase.REBOOT})
"""Only here a node is ours: it is being emptied, or its restart is permitted."""
_UNDONE = {Phase.RETURN: "the new version runs", Phase.RESET: "its agent has failed"}


def _stage(node: NodeView, rules: Rules, now: datetime) -> Step | None:
    status = node.status
    if status is not None and status.target != node.spec.version:
        why = f"{node.spec.version} is no longer what its repository offers"
        return move(node, State.IDLE, why, now)
    if overdue(node, rules, now) is not None:
        return give_up(node, "stage-overdue", f"not staged within {rules.limits.stage}", now)
    return None


def _drain(node: NodeView, _rules: Rules, now: datetime) -> Step:
    if node.status is not None and node.status.current == node.spec.version:
        return permit(node, f"{node.spec.version} runs already", now)
    return Step(node.name, Action.DRAIN, f"{node.spec.version} is staged")


def _return(node: NodeView, _rules: Rules, now: datetime) -> Step:
    # Pods have come back by now, before anybody looks whether the node is well.
    return move(node, State.MONITORING, f"{node.spec.version} runs", now)


def _monitor(node: NodeView, rules: Rules, now: datetime) -> Step | None:
    """A person who forgives a node after it was found not to be well takes it as it is."""
    late = noted(node) or overdue(node, rules, now)
    if late is None or node.forgiven is None or node.forgiven <= late:
        return None
    return move(node, State.IDLE, "it is not known to be well, and a person let it go", now)


def _settle(node: NodeView, rules: Rules, now: datetime) -> Step:
    taken = _monitor(node, rules, now)
    return taken or Step(node.name, Action.CHECK, "its agent is content")


def _reset(node: NodeView, _rules: Rules, now: datetime) -> Step:
    return move(node, State.IDLE, "its agent has failed", now)


_NEXT: dict[Phase, Callable[[NodeView, Rules, datetime], Step | None]] = {
    Phase.STAGE: _stage,
    Phase.DRAIN: _drain,
    Phase.RETURN: _return,
    Phase.MONITOR: _monitor,
    Phase.SETTLE: _settle,
    Phase.RESET: _reset,
}


def _with(ledger: Ledger, failures: tuple[Failure, ...]) -> Ledger:
    return Ledger(
        ledger.paused,
        ledger.halted,
        ledger.resumed,
        recorded(ledger, failures),
        ledger.closed,
    )
