"""What the operator of a fleet decided. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from updog.fleet.backoff import Backoff
from updog.fleet.budget import Budget
from updog.fleet.halting import Brakes
from updog.fleet.model import Phase
from updog.fleet.opening import Windows


class DrainPolicy(StrEnum):
    """What happens when a drain has not ended by its deadline."""

    ABORT = "abort"
    FORCE_AFTER = "force-after"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each part of an update may take.

    Attributes:
        stage: writing the update.
        drain: emptying the node, the wait for load balancers included.
        reboot: until the new system has said that it runs.
        monitor: until the node is well again.
    """

    stage: timedelta = timedelta(minutes=60)
    drain: timedelta = timedelta(minutes=30)
    reboot: timedelta = timedelta(minutes=20)
    monitor: timedelta = timedelta(minutes=15)

    def of(self, phase: Phase) -> timedelta | None:
        """The limit of a phase; None for one that has none."""
        return {
            Phase.STAGE: self.stage,
            Phase.DRAIN: self.drain,
            Phase.REBOOT: self.reboot,
            Phase.MONITOR: self.monitor,
            Phase.SETTLE: self.monitor,
        }.get(phase)


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that a scheduling step goes by.

    Attributes:
        budget: how many nodes may be unavailable because of us.
        windows: when new nodes are taken.
        backoff: how long a node is left alone after failures.
        attempts: after so many failures with a version a node is left alone; None for never.
        brakes: what stops the rollout.
        limits: how long each part may take.
        drain: what happens after the deadline of a drain.
        exclusion: how long a node is out of its load balancers before pods are evicted; 0 leaves
            load balancers alone.
        settle: how long a node must be well before it is done.
    """

    budget: Budget = Budget(nodes=1)  # noqa: RUF009 - a value that never changes
    windows: Windows = Windows()  # noqa: RUF009 - the same
    backoff: Backoff = Backoff()  # noqa: RUF009 - the same
    attempts: int | None = 5
    brakes: Brakes = Brakes()  # noqa: RUF009 - the same
    limits: Limits = Limits()
    drain: DrainPolicy = DrainPolicy.ABORT
    exclusion: timedelta = timedelta(0)
    settle: timedelta = timedelta(0)
