"""Nodes and what is known of them, as values. PURE.

The states, and what may be written where, are those of `BottlerocketShadow` v2: the controller
writes `Spec`, what a node shall do; the agent of the node writes `Status`, what it has done. A
node is where it was sent when the two agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where a node is, or shall go."""

    IDLE = "Idle"
    STAGED = "StagedAndPerformedUpdate"
    REBOOTED = "RebootedIntoUpdate"
    MONITORING = "MonitoringUpdate"
    ERROR = "ErrorReset"


class Phase(StrEnum):
    """What is being waited for on a node."""

    REST = "rest"
    STAGE = "stage"
    DRAIN = "drain"
    REBOOT = "reboot"
    RETURN = "return"
    MONITOR = "monitor"
    SETTLE = "settle"
    RESET = "reset"
    ACK = "ack"


class Spec(NamedTuple):
    """What the controller wants of a node.

    Attributes:
        state: where it shall go.
        since: when that was written; None if never.
        version: the version that it is about; kept afterwards; empty if there was none.
    """

    state: State = State.IDLE
    since: datetime | None = None
    version: str = ""


NOTHING = Spec()


class Status(NamedTuple):
    """What the agent of a node says.

    Attributes:
        state: where the node is.
        current: the version that runs.
        target: the version that its repository offers it; the running one if none.
        crashes: attempts that failed since the last success.
        failed: when the last of them did.
        reason: why, for people; empty if it did not say.
    """

    state: State
    current: str
    target: str
    crashes: int = 0
    failed: datetime | None = None
    reason: str = ""


class Setback(NamedTuple):
    """A failure that the controller saw, for the agent to count.

    Attributes:
        crashes: what the agent's count becomes.
        at: when it was.
        reason: one word of `FailureReason`.
    """

    crashes: int
    at: datetime
    reason: str = ""


class Marks(NamedTuple):
    """What we did to a node, as written on the node itself.

    Attributes:
        since: when the drain began; None if none did.
        cordoned: whether the cordon is ours.
        excluded: whether the exclusion from load balancers is ours.
    """

    since: datetime | None = None
    cordoned: bool = False
    excluded: bool = False

    @property
    def any(self) -> bool:
        """Whether anything is to be undone."""
        return self.since is not None or self.cordoned or self.excluded


NO_MARKS = Marks()


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as the policy sees it.

    Attributes:
        name: of the node.
        spec: what it shall do.
        status: what it has done; None before its agent has spoken.
        setback: a failure that the controller saw.
        marks: what we did to it.
        canary: whether it goes first.
        pause: why nothing new is begun on it; empty if it may.
        forgiven: failures before this count no more.
        ready: whether its kubelet says that it is.
        unschedulable: whether it is cordoned, by whomever.
        hosts_controller: whether the controller runs on it.
        gone: whether it is no longer one of ours, or no longer there.
        phase: what is waited for; the table of docs/kubernetes.md.
        active: whether it may be unavailable because of us, or will be soon. An agent that has only
            to acknowledge holds nobody up: it may be long dead.
        failed: when the last attempt failed; None if it is forgiven.
        crashes: failed attempts, whoever saw them; 0 if they are forgiven.
    """

    name: str
    spec: Spec = NOTHING
    status: Status | None = None
    setback: Setback | None = None
    marks: Marks = NO_MARKS
    canary: bool = False
    pause: str = ""
    forgiven: datetime | None = None
    ready: bool = True
    unschedulable: bool = False
    hosts_controller: bool = False
    gone: bool = False
    # Found once: a plan looks at thousands of nodes, of which few have changed since the last.
    phase: Phase = field(init=False)
    active: bool = field(init=False)
    failed: datetime | None = field(init=False)
    crashes: int = field(init=False)

    def __post_init__(self) -> None:
        phase = _phase(self.spec, self.status)
        object.__setattr__(self, "phase", phase)
        active = self.marks.any or phase not in {Phase.REST, Phase.ACK}
        object.__setattr__(self, "active", active)
        failed = self._failed() if self.status is not None or self.setback is not None else None
        object.__setattr__(self, "failed", failed)
        object.__setattr__(self, "crashes", 0 if failed is None else self._crashes())

    def _failed(self) -> datetime | None:
        moments = (
            self.status.failed if self.status is not None else None,
            self.setback.at if self.setback is not None else None,
        )
        known = (at for at in moments if at is not None)
        return max(
            (at for at in known if self.forgiven is None or at > self.forgiven), default=None
        )

    def _crashes(self) -> int:
        counted = self.status.crashes if self.status is not None else 0
        return max(counted, self.setback.crashes if self.setback is not None else 0)

    @property
    def wants_update(self) -> bool:
        """Whether its repository offers it something."""
        return self.status is not None and self.status.target != self.status.current

    @property
    def unwell(self) -> bool:
        """Whether it runs what it was sent to, but that attempt failed, and nobody saw it well.

        An agent that is content has said so, also where its failures are not forgotten yet.
        """
        return (
            self.failed is not None
            and self.status is not None
            and self.status.current == self.spec.version
            and self.status.state is not State.MONITORING
        )


def _phase(spec: Spec, status: Status | None) -> Phase:
    if status is None:
        return Phase.REST if spec.state is State.IDLE else Phase.RESET
    return PHASES.get((spec.state, status.state), Phase.RESET)


PHASES: dict[tuple[State, State], Phase] = {
    (State.IDLE, State.IDLE): Phase.REST,
    # The agent writes the update; the node works as always.
    (State.STAGED, State.IDLE): Phase.STAGE,
    # The controller empties the node.
    (State.STAGED, State.STAGED): Phase.DRAIN,
    # The permission to restart is given.
    (State.REBOOTED, State.STAGED): Phase.REBOOT,
    # The new version runs; the controller lets pods come back.
    (State.REBOOTED, State.REBOOTED): Phase.RETURN,
    # The agent looks whether its node is well.
    (State.MONITORING, State.REBOOTED): Phase.MONITOR,
    # The controller looks whether it is.
    (State.MONITORING, State.MONITORING): Phase.SETTLE,
    # The controller took the node back, or is done with it; the agent has only to say so.
    (State.IDLE, State.STAGED): Phase.ACK,
    (State.IDLE, State.REBOOTED): Phase.ACK,
    (State.IDLE, State.MONITORING): Phase.ACK,
    (State.IDLE, State.ERROR): Phase.ACK,
}
"""What is waited for, by what a node shall do and what it has done; all other pairs: RESET."""
