"""What the updater decides about an instance. PURE: everything it goes by is an argument."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, unique

from updog.fleet.ecs.hostreport import HostReport
from updog.fleet.ecs.marks import CLAIM, FAILED, HOLD, Failure, Mark, Phase
from updog.service.machine import State

VARIANT = "bottlerocket.variant"
"""The attribute by which ECS knows such an instance; its agent sets it."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A container instance as ECS tells it.

    Attributes:
        arn: its name.
        machine: its name in EC2.
        status: ACTIVE, DRAINING, INACTIVE and so on.
        connected: whether its ECS agent is there.
        attributes: by name; an attribute without a value has an empty one.
    """

    arn: str
    machine: str
    status: str = "ACTIVE"
    connected: bool = True
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether it is of a kind that we update."""
        return VARIANT in self.attributes

    @property
    def held(self) -> bool:
        """Whether a person asks us to leave it alone."""
        return HOLD in self.attributes

    @property
    def mark(self) -> Mark | None:
        """The claim on it."""
        return Mark.parse(self.attributes.get(CLAIM, ""))

    @property
    def failure(self) -> Failure | None:
        """The update that did not work on it."""
        return Failure.parse(self.attributes.get(FAILED, ""))


def hands_off(instance: Instance, attempts: int, offered: str) -> str:
    """Why an instance without a claim is left alone; empty if it is not.

    Args:
        instance: which.
        attempts: most attempts at one version.
        offered: the version that is offered to it; empty if unknown.
    """
    if instance.held:
        return f"a person set the attribute {HOLD}"
    if instance.status != "ACTIVE":
        return f"it is {instance.status}, and not because of an updater"
    if not instance.connected:
        return "its ECS agent is not connected"
    last = instance.failure
    if last is not None and last.version == offered and last.attempts >= attempts:
        return f"{last.attempts} attempts at {offered or 'an update'} failed; see --resume"
    return ""


@unique
class Resume(Enum):
    """What is done with an instance whose run has died."""

    LEAVE = "leave"
    """Somebody else's run is at work."""
    FORGET = "forget"
    """The claim goes, the instance stays as it is."""
    GO_ON = "go on"
    """It is drained, by us: the update goes on."""
    VERIFY = "verify"
    """It was to restart: what came of it is looked at, then it is given back."""


def resume(instance: Instance, mark: Mark, *, dead: bool) -> Resume:
    """Decide what becomes of a claim that is not ours.

    Args:
        instance: whose.
        mark: the claim.
        dead: whether its run is over.
    """
    if not dead:
        return Resume.LEAVE
    # Claimed only, and yet drained: that was a person. Active again: so was that, or the run died
    # between giving it back and taking its claim off. Held: it is to stay as it is.
    if mark.phase is Phase.CLAIMED or instance.status != "DRAINING" or instance.held:
        return Resume.FORGET
    return Resume.GO_ON if mark.phase is Phase.DRAINING else Resume.VERIFY


@unique
class Verdict(Enum):
    """What came of a restart."""

    WAIT = "wait"
    UPDATED = "updated"
    FELL_BACK = "fell back"
    UNEXPECTED = "unexpected"


def verdict(report: HostReport | None, before: str, expected: str) -> Verdict:
    """Judge a machine that was to restart.

    Args:
        report: what it says; None if it did not answer.
        before: the version it ran.
        expected: the version it should run; empty if unknown.
    """
    if report is None:
        return Verdict.WAIT
    if expected and report.version == expected:
        return Verdict.UPDATED
    # Ready: it has not restarted yet. Afterwards it cannot be Ready without another command.
    if report.state is State.READY and report.version == (before or report.version):
        return Verdict.WAIT
    if not before and not expected:
        # Nothing to compare with: what has no update left has taken it.
        return Verdict.UPDATED if report.state is State.IDLE else Verdict.FELL_BACK
    if report.version == before:
        return Verdict.FELL_BACK
    return Verdict.UNEXPECTED if expected else Verdict.UPDATED


def stopped_versions(failures: Iterable[Failure], most: int) -> frozenset[str]:
    """The versions that have failed on so many instances that no other one gets them.

    Args:
        failures: one of each instance.
        most: how many are too many.
    """
    counts = Counter(failure.version for failure in failures)
    return frozenset(version for version, count in counts.items() if count >= most)


def in_order(instances: Iterable[Instance], reports: Mapping[str, HostReport]) -> list[Instance]:
    """The order in which instances are taken: least work first, those that failed before last."""

    def rank(instance: Instance) -> tuple[int, bool, str]:
        attempts = instance.failure.attempts if instance.failure is not None else 0
        return (attempts, reports[instance.arn].state is not State.READY, instance.arn)

    return sorted(instances, key=rank)


@dataclass(frozen=True, slots=True)
class Updater:
    """A task of the updater's own kind.

    Attributes:
        arn: its name.
        created: when it was made; None if unknown.
    """

    arn: str
    created: datetime | None = None


def must_yield(own: str, others: Iterable[Updater]) -> bool:
    """Whether another updater goes first. Exactly one of several does not yield: the oldest.

    Args:
        own: our task; empty if unknown, and then any second one goes first.
        others: all tasks of the kind, ours among them.
    """
    tasks = sorted(others, key=lambda each: (str(each.created or ""), each.arn))
    if len(tasks) <= 1:
        return False
    return not own or tasks[0].arn != own


def needs_renewal(mark: Mark, now: datetime, stale_after: timedelta) -> bool:
    """Whether a claim of ours must be written again, long before it counts as abandoned."""
    return now - mark.renewed >= stale_after / 4
