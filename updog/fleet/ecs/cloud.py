"""What the updater asks of ECS and EC2: each call, with the pages and limits that it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from updog.fleet.ecs.asking import asking
from updog.fleet.ecs.decide import Instance, Updater
from updog.fleet.ecs.errors import Gone, Refused
from updog.fleet.ecs.tasks import Task

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ecs import ECSClient
    from types_boto3_ecs.type_defs import ContainerInstanceTypeDef, TaskTypeDef

DESCRIBED = 100
"""Most instances or tasks in one description."""
GONE = frozenset({"INACTIVE", "MISSING"})
"""Reasons for which ECS has nothing to give back: the instance left the cluster."""

_T = TypeVar("_T")


def pages(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """Cut a sequence into pieces."""
    return (items[start : start + size] for start in range(0, len(items), size))


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cluster.

    Attributes:
        ecs: of boto3.
        ec2: of boto3.
        cluster: name or ARN.
    """

    ecs: ECSClient
    ec2: EC2Client
    cluster: str

    def instances(self) -> tuple[Instance, ...]:
        """All container instances of the kinds that we update, whatever their status.

        Raises:
            UpdogError: they cannot be listed.
        """
        with asking(f"list the instances of {self.cluster}"):
            listing = self.ecs.get_paginator("list_container_instances")
            arns = [
                arn
                for status in _STATUSES
                for page in listing.paginate(cluster=self.cluster, status=status)
                for arn in page["containerInstanceArns"]
            ]
        # Between two listings an instance may change its status and be in both.
        found = self._described(sorted(set(arns)))
        return tuple(instance for instance in found if instance.ours)

    def instance(self, arn: str) -> Instance:
        """One container instance, as it is now.

        Raises:
            Gone: it left the cluster.
            UpdogError: it cannot be described.
        """
        found = next(iter(self._described([arn])), None)
        if found is None or found.status == "INACTIVE":
            raise Gone(f"{arn} left the cluster.")
        return found

    def drain(self, arn: str) -> None:
        """Let no new tasks on an instance, and its services replace theirs.

        Raises:
            Gone: it left the cluster.
            UpdogError: ECS refused.
        """
        self._set(arn, "DRAINING")

    def activate(self, arn: str) -> None:
        """Give an instance back; one that left the cluster needs that no more.

        Raises:
            UpdogError: ECS refused.
        """
        try:
            self._set(arn, "ACTIVE")
        except Gone:
            return

    def tasks(self, arn: str) -> tuple[Task, ...]:
        """All tasks on an instance, those that were told to stop and have not yet among them.

        Raises:
            UpdogError: they cannot be listed.
        """
        with asking(f"list the tasks of {arn}"):
            listing = self.ecs.get_paginator("list_tasks")
            arns = [
                task
                for status in _DESIRED
                for page in listing.paginate(
                    cluster=self.cluster, containerInstance=arn, desiredStatus=status
                )
                for task in page["taskArns"]
            ]
        return tuple(_task(tree) for tree in self._tasks(sorted(set(arns))))

    def stop(self, task: Task, why: str) -> None:
        """Stop a task.

        Raises:
            UpdogError: ECS refused.
        """
        with asking(f"stop {task.title}"):
            self.ecs.stop_task(cluster=self.cluster, task=task.arn, reason=why)

    def updaters(self, family: str) -> tuple[Updater, ...]:
        """The tasks of a family that run, or are about to.

        Raises:
            UpdogError: they cannot be listed.
        """
        with asking(f"list the updaters of family {family}"):
            listing = self.ecs.get_paginator("list_tasks")
            found = listing.paginate(cluster=self.cluster, family=family, desiredStatus="RUNNING")
            arns = [task for page in found for task in page["taskArns"]]
        trees = self._tasks(arns)
        return tuple(Updater(tree["taskArn"], tree.get("createdAt")) for tree in trees)

    def has_stopped(self, task: str) -> bool:
        """Whether ECS knows a task of this cluster to have stopped; unknown ones have not.

        Raises:
            UpdogError: it cannot be described.
        """
        trees = self._tasks([task])
        return bool(trees) and not any(_task(tree).runs for tree in trees)

    def write(self, arn: str, name: str, value: str) -> None:
        """Set an attribute of an instance.

        Raises:
            Gone: it left the cluster.
            UpdogError: ECS refused.
        """
        with asking(f"mark {arn}"):
            self.ecs.put_attributes(
                cluster=self.cluster,
                attributes=[{"name": name, "value": value, "targetId": arn}],
            )

    def erase(self, arn: str, name: str) -> None:
        """Take an attribute off; what left the cluster took its own along.

        Raises:
            UpdogError: ECS refused.
        """
        try:
            with asking(f"unmark {arn}"):
                self.ecs.delete_attributes(
                    cluster=self.cluster, attributes=[{"name": name, "targetId": arn}]
                )
        except Gone:
            return

    def is_sound(self, machine: str) -> bool:
        """Whether EC2 says that a machine and the one it runs on are well.

        Raises:
            UpdogError: EC2 cannot be asked.
        """
        with asking(f"ask for the state of {machine}"):
            answer = self.ec2.describe_instance_status(InstanceIds=[machine])
        return any(
            each.get("InstanceStatus", {}).get("Status") == "ok"
            and each.get("SystemStatus", {}).get("Status") == "ok"
            for each in answer["InstanceStatuses"]
        )

    def _set(self, arn: str, status: Literal["ACTIVE", "DRAINING"]) -> None:
        with asking(f"set {arn} {status}"):
            answer = self.ecs.update_container_instances_state(
                cluster=self.cluster, containerInstances=[arn], status=status
            )
        for failure in answer.get("failures", ()):
            reason = failure.get("reason", "")
            kind = Gone if reason in GONE else Refused
            raise kind(f"{arn} cannot be set {status}: {reason}")

    def _described(self, arns: Sequence[str]) -> list[Instance]:
        found: list[Instance] = []
        for page in pages(arns, DESCRIBED):
            with asking(f"describe the instances of {self.cluster}"):
                answer = self.ecs.describe_container_instances(
                    cluster=self.cluster, containerInstances=list(page)
                )
            found.extend(_instance(tree) for tree in answer["containerInstances"])
        return found

    def _tasks(self, arns: Sequence[str]) -> list[TaskTypeDef]:
        found: list[TaskTypeDef] = []
        for page in pages(arns, DESCRIBED):
            with asking(f"describe the tasks of {self.cluster}"):
                answer = self.ecs.describe_tasks(cluster=self.cluster, tasks=list(page))
            found.extend(answer["tasks"])
        return found


_STATUSES: tuple[Literal["ACTIVE", "DRAINING"], ...] = ("ACTIVE", "DRAINING")
# A task that was told to stop is listed by the status that it is to have, and still runs.
_DESIRED: tuple[Literal["RUNNING", "STOPPED"], ...] = ("RUNNING", "STOPPED")


def _instance(tree: ContainerInstanceTypeDef) -> Instance:
    told: Iterable[tuple[str, str]] = (
        (each["name"], each.get("value") or "") for each in tree.get("attributes", ())
    )
    return Instance(
        arn=tree["containerInstanceArn"],
        machine=tree.get("ec2InstanceId", ""),
        status=tree.get("status", ""),
        connected=tree.get("agentConnected", False),
        attributes=dict(told),
    )


def _task(tree: TaskTypeDef) -> Task:
    group = tree.get("group", "")
    return Task(
        arn=tree["taskArn"],
        started_by=tree.get("startedBy", ""),
        last_status=tree.get("lastStatus", ""),
        service=group.removeprefix("service:") if group.startswith("service:") else "",
    )
