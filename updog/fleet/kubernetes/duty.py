"""What the agent of a node does next. PURE.

The table is that of docs/kubernetes.md: what the controller wants, what was said last, and what
the machine runs. A restart is asked for in exactly one cell, so a permission that was taken back,
or was never meant for this version, leads nowhere.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from updog.fleet.model import Setback, Spec, State, Status


class Duty(Enum):
    """The agent's next thing to do."""

    SPEAK = "say where the node is"
    REST = "look for updates from time to time"
    STAGE = "write the update and let it boot next"
    WAIT = "wait for the controller"
    REBOOT = "restart the machine"
    ARRIVED = "say that the new version runs"
    LOOK = "see whether the node is well"
    SETTLE = "say that all is done, and forget failures"
    GIVE_BACK = "take the update back, and say that the node is at rest"
    RECOVER = "say that the node is at rest"


_TABLE = {
    (State.IDLE, State.IDLE): Duty.REST,
    (State.STAGED, State.IDLE): Duty.STAGE,
    (State.REBOOTED, State.STAGED): Duty.REBOOT,
    (State.MONITORING, State.REBOOTED): Duty.LOOK,
    (State.IDLE, State.MONITORING): Duty.SETTLE,
    (State.IDLE, State.STAGED): Duty.GIVE_BACK,
    (State.IDLE, State.REBOOTED): Duty.RECOVER,
    (State.IDLE, State.ERROR): Duty.RECOVER,
}


def duty(spec: Spec, status: Status | None, running: str) -> Duty:
    """What is to be done.

    Args:
        spec: what the controller wants.
        status: what was said last.
        running: the version that runs.
    """
    if status is None:
        return Duty.SPEAK
    found = _TABLE.get((spec.state, status.state), Duty.WAIT)
    if found is Duty.REBOOT and running == spec.version:
        return Duty.ARRIVED
    return found


def counted(status: Status, setback: Setback | None) -> Status:
    """A status that counts a failure that the controller saw, once."""
    if setback is None or (status.failed is not None and setback.at <= status.failed):
        return status
    crashes = max(status.crashes + 1, setback.crashes)
    return status._replace(crashes=crashes, failed=setback.at, reason=setback.reason)


def failed(status: Status, reason: str, now: datetime) -> Status:
    """A status that tells of a failure."""
    return status._replace(state=State.ERROR, crashes=status.crashes + 1, failed=now, reason=reason)


def unwell(status: Status, reason: str, since: datetime, now: datetime) -> Status:
    """A status that tells once that a node is not well, and stays where it is.

    The node keeps its place in the budget until it is well: one that gave up here would let the
    next node take what has just harmed this one.

    Args:
        status: what was said last.
        reason: why it is not well.
        since: when the look at it began.
        now: when.
    """
    if status.failed is not None and status.failed >= since:
        return status
    return status._replace(crashes=status.crashes + 1, failed=now, reason=reason)


def said(todo: Duty, spec: Spec, status: Status) -> Status:
    """The status after a duty that has nothing more to find out."""
    match todo:
        case Duty.ARRIVED:
            return status._replace(state=State.REBOOTED, target=spec.version)
        case Duty.SETTLE:
            return status._replace(state=State.IDLE, crashes=0, failed=None, reason="")
        case Duty.GIVE_BACK | Duty.RECOVER:
            return status._replace(state=State.IDLE)
        case _:
            return status
