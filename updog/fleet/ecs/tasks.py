"""What runs on an instance, and whether that may be moved away. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, unique

SERVICE = "ecs-svc/"
STOPPED = frozenset({"STOPPED", "DELETED"})
SHOWN = 5


@unique
class TaskPolicy(StrEnum):
    """What becomes of tasks that no service would start again elsewhere."""

    SKIP = "skip"
    """Their instance is not updated."""
    WAIT = "wait"
    """The instance takes no new ones, and is given back if they do not end in time."""
    STOP = "stop"
    """The same, but they are stopped when their time is over."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task on an instance.

    Attributes:
        arn: its name.
        started_by: who started it, in the words of ECS.
        last_status: where it is.
        service: the service it belongs to, for people; may be empty.
    """

    arn: str
    started_by: str = ""
    last_status: str = "RUNNING"
    service: str = ""

    @property
    def of_service(self) -> bool:
        """Whether a service replaces it."""
        return self.started_by.startswith(SERVICE)

    @property
    def runs(self) -> bool:
        """Whether it still uses the instance, also if it was told to stop."""
        return self.last_status not in STOPPED

    @property
    def title(self) -> str:
        """A short name for people."""
        return self.service or f"task {self.arn.rpartition('/')[2]}"


def objection(tasks: Iterable[Task], policy: TaskPolicy, own: str = "") -> str:
    """Why an instance must not be drained at all; empty if it may be.

    Args:
        tasks: what runs there.
        policy: for those that no service replaces.
        own: the updater's task, if it is one.
    """
    running = [task for task in tasks if task.runs]
    if own and any(task.arn == own for task in running):
        return "this updater runs on it; a later run that runs elsewhere updates it"
    lone = [task for task in running if not task.of_service]
    if lone and policy is TaskPolicy.SKIP:
        return f"a task that no service replaces runs on it: {titles(lone)}"
    return ""


class Move(Enum):
    """What is done next while an instance is being drained."""

    DONE = "done"
    WAIT = "wait"
    STOP = "stop"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Patience:
    """Until when a drain waits.

    Attributes:
        policy: for tasks that no service replaces.
        services: for tasks of services.
        lone: for the others.
        stopped: for the others once they were told to stop.
    """

    policy: TaskPolicy
    services: datetime
    lone: datetime
    stopped: datetime


@dataclass(frozen=True, slots=True)
class DrainStep:
    """The answer of `drain_step`.

    Attributes:
        move: what to do.
        tasks: to stop.
        why: for people, with `Move.GIVE_UP`.
    """

    move: Move
    tasks: tuple[Task, ...] = ()
    why: str = ""


def drain_step(tasks: Iterable[Task], patience: Patience, now: datetime) -> DrainStep:
    """Decide how a drain goes on.

    Args:
        tasks: what is known of the instance's tasks.
        patience: how long it waits.
        now: the time.
    """
    running = [task for task in tasks if task.runs]
    lone = [task for task in running if not task.of_service]
    served = [task for task in running if task.of_service]
    if not running:
        return DrainStep(Move.DONE)
    # One that began between the look and the drain: skipping means not to wait for it.
    if lone and patience.policy is TaskPolicy.SKIP:
        return DrainStep(Move.GIVE_UP, why=objection(running, patience.policy))
    if served and now >= patience.services:
        return DrainStep(Move.GIVE_UP, why=_stuck(served))
    if not lone or now < patience.lone:
        return DrainStep(Move.WAIT)
    if patience.policy is TaskPolicy.STOP and now < patience.stopped:
        return DrainStep(Move.STOP, tuple(lone))
    return DrainStep(Move.GIVE_UP, why=f"did not end in time: {titles(lone)}")


def _stuck(served: list[Task]) -> str:
    return (
        f"not drained in time; still there: {titles(served)}. Is there room for them elsewhere,"
        " and does their minimumHealthyPercent let one of them stop?"
    )


def titles(tasks: Iterable[Task]) -> str:
    """Short names, the first few of them."""
    names = sorted({task.title for task in tasks})
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
