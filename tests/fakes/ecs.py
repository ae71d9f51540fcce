"""AWS for the ECS updater: moto's server in this process, with what it lacks put in.

moto 5 is patched where it is not like AWS:

- commands of Systems Manager run the shell lines of their document in bash, on machines that have
  an `apiclient`; a machine that is down gets them later;
- DRAINING tells the tasks of services to stop, and some time later they have, unless they are
  stuck; nothing else moves a task;
- lists come in pages of 100, and requests that are too large, values that are not allowed, and
  documents and machines that are not known are refused;
- a command without targets goes to nobody else, and an attribute is deleted by its name.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config
from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException, InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer
from moto.ssm.exceptions import SSMException
from moto.ssm.models import Command, SimpleSystemManagerBackend

from updog.fleet.ecs.asking import config

PAGE = 100
# botocore's own waits are real ones.
IMPATIENT = Config(retries={"mode": "standard", "total_max_attempts": 2})
MOST_MACHINES = 50
MOST_STATES = 10
VALUE = re.compile(r"[A-Za-z0-9._@/\\: -]{1,128}")
COMMAND_LIMIT = 60.0
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "updater",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1",
}


class Reachable(Protocol):
    """A machine that takes commands."""

    def is_down(self) -> bool:
        """Whether a command would have to wait; asked each time somebody looks for its outcome."""

    def run(self, lines: list[str]) -> tuple[int, str, str]:
        """Exit code, output and error output of shell lines."""

    @property
    def takes_its_time(self) -> bool:
        """Whether a command there goes on while others are asked; otherwise it ends at once."""


@dataclass
class Aws:
    """The server, and what of it is ours.

    Attributes:
        endpoint: where it answers.
        machines: that Systems Manager reaches, by their name in EC2.
        stuck: container instances whose tasks find no room elsewhere.
        now: seconds, by which tasks stop.
        stops_after: seconds that a task takes to stop.
        peak: most instances that were DRAINING at the same time.
        drained: every instance that was set DRAINING, in order.
        faults: by operation, called before it with its words; may raise.
    """

    endpoint: str = ""
    machines: dict[str, Reachable] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    now: Callable[[], float] = time.monotonic
    stops_after: float = 1.0
    peak: int = 0
    drained: list[str] = field(default_factory=list)
    faults: dict[str, Callable[[Mapping[str, Any]], None]] = field(default_factory=dict)
    _stops: dict[Any, float] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: Any) -> Any:
        """A client as the updater makes it; to make one takes longer than what tests do with it."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, config=config("").merge(IMPATIENT))
        return self._clients[service]

    def fresh(self, now: Callable[[], float] | None = None) -> None:
        """Forget what earlier tests have set.

        Args:
            now: seconds, by which tasks stop; None for real ones.
        """
        self.now = now or time.monotonic
        self.stops_after, self.peak = 1.0, 0
        for each in (self.stuck, self.drained, self.faults):
            each.clear()

    def fault(self, operation: str, **words: Any) -> None:
        """Let a test break an operation."""
        if operation in self.faults:
            self.faults[operation](words)

    def settle(self) -> None:
        """Let the tasks stop whose time has come."""
        for task, at in list(self._stops.items()):
            if self.now() >= at and task.container_instance_arn not in self.stuck:
                task.last_status = "STOPPED"
                del self._stops[task]

    def leave(self, task: Any) -> None:
        """Tell a task to stop."""
        task.desired_status = "STOPPED"
        self._stops[task] = self.now() + self.stops_after


@contextmanager
def aws() -> Iterator[Aws]:
    """Run the server, with credentials for it in the environment, while the block runs."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**6})
    with pytest.MonkeyPatch.context() as patch:
        cloud = Aws()
        _patch_tasks(patch, cloud)
        _patch_instances(patch, cloud)
        _patch_lists(patch)
        _patch_commands(patch, cloud)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
        server.start()
        try:
            cloud.endpoint = "http://{}:{}".format(*server.get_host_and_port())
            patch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
            yield cloud
        finally:
            server.stop()
            state_manager.unset_transition("ecs::task")


def _patch_tasks(patch: pytest.MonkeyPatch, cloud: Aws) -> None:
    kind = EC2ContainerServiceBackend
    listing, describing = kind.list_tasks, kind.describe_tasks

    def list_tasks(self: Any, *args: Any, **words: Any) -> Any:
        cloud.settle()
        return listing(self, *args, **words)

    def describe_tasks(self: Any, cluster_str: str, tasks: list[str]) -> Any:
        cloud.fault("DescribeTasks", tasks=tasks)
        cloud.settle()
        _at_most(PAGE, tasks)
        return describing(self, cluster_str, tasks)

    patch.setattr(kind, "list_tasks", list_tasks)
    patch.setattr(kind, "describe_tasks", describe_tasks)


def _patch_instances(patch: pytest.MonkeyPatch, cloud: Aws) -> None:
    kind = EC2ContainerServiceBackend
    updating, describing = kind.update_container_instances_state, kind.describe_container_instances
    putting, deleting = kind._put_attribute, kind._delete_attribute

    def update(self: Any, cluster_str: str, names: list[str], status: str) -> Any:
        cloud.fault("UpdateContainerInstancesState", names=names, status=status)
        _at_most(MOST_STATES, names)
        found = updating(self, cluster_str, names, status)
        members = self.container_instances[self._get_cluster(cluster_str).name].values()
        if status == "DRAINING":
            for each in found[0]:
                cloud.drained.append(each.container_instance_arn)
                _leave_all(self, each.container_instance_arn, cloud)
        cloud.peak = max(cloud.peak, sum(each.status == "DRAINING" for each in members))
        return found

    def describe(self: Any, cluster_str: str, names: list[str]) -> Any:
        cloud.fault("DescribeContainerInstances", names=names)
        _at_most(PAGE, names)
        return describing(self, cluster_str, names)

    def put(self: Any, cluster: str, name: str, value: str, *target: Any) -> None:
        cloud.fault("PutAttributes", name=name, value=value, target=target)
        if value is None or not VALUE.fullmatch(value) or value != value.strip():
            raise InvalidParameterException(f"{value!r} is no value of an attribute.")
        putting(self, cluster, name, value, *target)

    def delete(
        self: Any, cluster: str, name: str, value: str | None, target: str, kind: str | None
    ) -> None:
        cloud.fault("DeleteAttributes", name=name, target=target)
        members = self.container_instances[cluster]
        there = members.get(target.rpartition("/")[2])
        if there is None:
            raise ECSException("TargetNotFoundException", f"Could not find {target}")
        deleting(self, cluster, name, value or there.attributes.get(name), target, kind)

    patch.setattr(kind, "update_container_instances_state", update)
    patch.setattr(kind, "describe_container_instances", describe)
    patch.setattr(kind, "_put_attribute", put)
    patch.setattr(kind, "_delete_attribute", delete)


def _leave_all(backend: Any, arn: str, cloud: Aws) -> None:
    for tasks in backend.tasks.values():
        for task in tasks.values():
            ours = task.container_instance_arn == arn and task.started_by.startswith("ecs-svc/")
            if ours and task.desired_status == "RUNNING":
                cloud.leave(task)


def _patch_lists(patch: pytest.MonkeyPatch) -> None:
    def instances(self: Any) -> ActionResult:
        cluster, status = self._get_param("cluster", "default"), self._get_param("status")
        self.ecs_backend._get_cluster(cluster)
        arns = self.ecs_backend.list_container_instances(cluster, status=status)
        return ActionResult(_page(self, "containerInstanceArns", arns))

    def tasks(self: Any) -> ActionResult:
        found = self.ecs_backend.list_tasks(
            self._get_param("cluster", "default"),
            self._get_param("containerInstance"),
            self._get_param("family"),
            self._get_param("startedBy"),
            self._get_param("serviceName"),
            self._get_param("desiredStatus", "RUNNING"),
        )
        return ActionResult(_page(self, "taskArns", [each.task_arn for each in found]))

    patch.setattr(EC2ContainerServiceResponse, "list_container_instances", instances)
    patch.setattr(EC2ContainerServiceResponse, "list_tasks", tasks)


def _page(response: Any, name: str, arns: list[str]) -> dict[str, Any]:
    start = int(response._get_param("nextToken") or 0)
    end = start + PAGE
    more = {"nextToken": str(end)} if len(arns) > end else {}
    return {name: arns[start:end], **more}


def _patch_commands(patch: pytest.MonkeyPatch, cloud: Aws) -> None:
    sending, looking = SimpleSystemManagerBackend.send_command, Command.get_invocation

    def send(self: Any, **words: Any) -> Any:
        names, document = words["instance_ids"], self._documents.get(words["document_name"])
        cloud.fault("SendCommand", names=names, document=words["document_name"])
        if document is None:
            raise SSMException("InvalidDocument", "The document does not exist.")
        if len(names) > MOST_MACHINES:
            raise SSMException("ValidationException", "InstanceIds is too long.")
        if not set(names) <= set(cloud.machines):
            raise SSMException("InvalidInstanceId", "Instances not in a valid state for account")
        command: Any = sending(self, **words)
        steps = document.get_default_version().content_json["mainSteps"]
        command.lines = [line for step in steps for line in step["inputs"]["runCommand"]]
        for each in command.invocations:
            each.update(Status="Pending", StatusDetails="Pending", ResponseCode=-1)
            _advance(each, command.lines, cloud)
        return command

    def look(self: Any, instance_id: str, plugin_name: str | None) -> Any:
        cloud.fault("GetCommandInvocation", name=instance_id, document=self.document_name)
        found = looking(self, instance_id, plugin_name)
        _advance(found, self.lines, cloud)
        return found

    patch.setattr(Command, "_get_instance_ids_from_targets", lambda _self: [])
    patch.setattr(Command, "get_invocation", look)
    patch.setattr(SimpleSystemManagerBackend, "send_command", send)


def _advance(invocation: dict[str, Any], lines: list[str], cloud: Aws) -> None:
    """Run a command that has not run, if its machine is up."""
    machine = cloud.machines[invocation["InstanceId"]]
    if invocation["Status"] != "Pending" or machine.is_down():
        return
    invocation.update(Status="InProgress", StatusDetails="InProgress")
    if machine.takes_its_time:
        Thread(target=_finish, args=(invocation, machine, lines), daemon=True).start()
    else:
        _finish(invocation, machine, lines)


def _finish(invocation: dict[str, Any], machine: Reachable, lines: list[str]) -> None:
    code, out, err = machine.run(lines)
    invocation.update(
        ResponseCode=code,
        StandardOutputContent=out[:24000],
        StandardErrorContent=err[:8000],
    )
    # Last, because somebody may look in between.
    status = "Failed" if code else "Success"
    invocation.update(StatusDetails=status, Status=status)


def _at_most(number: int, names: list[str]) -> None:
    if len(names) > number:
        raise InvalidParameterException(f"more than {number} names")


def in_bash(lines: list[str], path: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run shell lines with a folder of programs first on the path."""
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env={"PATH": f"{path}:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
