"""What the user decided about a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from updog.fleet.budget import Budget
from updog.fleet.ecs.tasks import TaskPolicy

ONE, THREE = Budget(nodes=1), Budget(nodes=3)


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents that do something on a machine.

    Attributes:
        check: prints the status.
        apply: writes the update and chooses it for the next boot.
        reboot: restarts.
    """

    check: str
    apply: str
    reboot: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take; each in real time.

    Attributes:
        poll: between two looks at something that is awaited.
        settle: between a claim and the look whether it stands.
        check: for a machine to print its status.
        apply: for a machine to write an update.
        drain: for tasks of services to go elsewhere.
        tasks: for other tasks to end, see `TaskPolicy`.
        boot: for a machine to come back.
        stale_after: without renewal, before a claim counts as abandoned.
    """

    poll: timedelta = timedelta(seconds=15)
    settle: timedelta = timedelta(seconds=5)
    check: timedelta = timedelta(minutes=5)
    apply: timedelta = timedelta(minutes=30)
    drain: timedelta = timedelta(minutes=25)
    tasks: timedelta = timedelta(minutes=25)
    boot: timedelta = timedelta(minutes=15)
    stale_after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Options:
    """A run.

    Attributes:
        documents: that do the work.
        budget: how many instances may be away at once.
        max_failures: on how many instances a version may fail before no other one gets it.
        attempts: at one version on one instance.
        tasks: what becomes of tasks that no service replaces.
        resume: whether failures of the past are forgotten first.
        limits: how long things may take.
    """

    documents: Documents
    budget: Budget = ONE
    max_failures: Budget = THREE
    attempts: int = 3
    tasks: TaskPolicy = TaskPolicy.SKIP
    resume: bool = False
    limits: Limits = field(default_factory=Limits)
