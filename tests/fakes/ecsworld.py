"""A cluster with machines that have state, and the updater on it: in this process, or as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ecs.models import ecs_backends
from types_boto3_ecs import ECSClient

from tests.fakes.clock import FakeClock
from tests.fakes.ecs import ENVIRONMENT, Aws, in_bash
from updog.fleet.ecs.cloud import Cloud
from updog.fleet.ecs.guard import Identity
from updog.fleet.ecs.hold import Run
from updog.fleet.ecs.marks import CLAIM, Mark
from updog.fleet.ecs.options import Documents, Limits, Options
from updog.fleet.ecs.outcome import Result, Summary
from updog.fleet.ecs.round import Round
from updog.fleet.ecs.runcommand import RunCommand

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "packaging" / "ecs" / "updog-ecs.yaml"
REGION = ENVIRONMENT["AWS_DEFAULT_REGION"]
DOCUMENTS = Documents("updog-check", "updog-apply", "updog-reboot")
LONG = 60.0
"""Seconds that anything may take on a busy machine; nothing waits that long where all is well."""
A_MINUTE = timedelta(minutes=1)
"""Between two looks of an updater in this process: fewer looks, quicker tests."""
AMI = "ami-12c6146b"

# The update API's states, kept in files: what runs, what is offered, what is staged, the mood.
APICLIENT = r"""#!/bin/bash
cd "$MACHINE" || exit 1
echo "$*" >> commands
version=$(<version) offer=$(<offer) staged=$(<staged) state=$(<state) mood=$(<mood)
image() { printf '{"arch": "x86_64", "version": "%s", "variant": "aws-ecs-2"}' "$1"; }
case "$*" in
"update check")
  [[ $mood != mute ]] || { echo 'Status 423' >&2; exit 1; }
  if [[ $state == Idle || $state == Available ]]; then
    state=Idle; [[ -z $offer || $offer == "$version" ]] || state=Available
    echo $state > state
  fi
  chosen=null; [[ -z $offer || $offer == "$version" ]] || chosen=$(image "$offer")
  staging=null; [[ -z $staged ]] || staging="{\"image\": $(image "$staged")}"
  echo "{\"update_state\": \"$state\", \"available_updates\": [], \"chosen_update\": $chosen,
    \"active_partition\": {\"image\": $(image "$version"), \"next_to_boot\": true},
    \"staging_partition\": $staging, \"most_recent_command\": null}" ;;
"update apply")
  [[ $mood != unwritable ]] || { echo 'prepare ended with Failed: disk full' >&2; exit 1; }
  [[ $state == Available || $state == Staged ]] || { echo 'Status 409' >&2; exit 1; }
  echo "$offer" > staged
  [[ $mood == unchosen ]] && echo Staged > state || echo Ready > state ;;
reboot)
  case $mood in
  dead) echo 1000000 > down; exit 0 ;;
  lazy) exit 0 ;;
  falls-back) : ;;
  other) echo 9.9.9 > version ;;
  *) [[ $state != Ready ]] || echo "$staged" > version ;;
  esac
  cat downtime > down; : > staged; echo Idle > state ;;
*) exit 2 ;;
esac
"""


class _Loader(yaml.SafeLoader):
    """Reads a template; what only CloudFormation knows becomes its own text."""


_Loader.add_multi_constructor("!", lambda _loader, tag, node: f"!{tag} {node.value}")


def template() -> dict[str, Any]:
    """The CloudFormation template that we ship."""
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 - a safe one
    return found


@dataclass
class Machine:
    """One machine.

    Attributes:
        name: in EC2.
        arn: of its container instance.
        home: its state.
        world: where it is.
        takes_its_time: no: its commands end at once.
    """

    name: str
    arn: str
    home: Path
    world: EcsWorld
    takes_its_time: bool = False

    def is_down(self) -> bool:
        looks = int(self["down"] or 0)
        self["down"] = str(max(0, looks - 1))
        return looks > 0

    def run(self, lines: list[str]) -> tuple[int, str, str]:
        return in_bash(lines, self.world.programs, {"MACHINE": str(self.home)})

    def __getitem__(self, name: str) -> str:
        return self.home.joinpath(name).read_text().strip()

    def __setitem__(self, name: str, value: str) -> None:
        self.home.joinpath(name).write_text(f"{value}\n")

    @property
    def commands(self) -> list[str]:
        """What `apiclient` was told here."""
        path = self.home / "commands"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def tree(self) -> Any:
        """As ECS describes it."""
        answer = self.world.ecs.describe_container_instances(
            cluster=self.world.name, containerInstances=[self.arn]
        )
        return answer["containerInstances"][0]

    @property
    def status(self) -> str:
        return str(self.tree["status"])

    @property
    def attributes(self) -> dict[str, str]:
        return {each["name"]: each.get("value", "") for each in self.tree["attributes"]}

    @property
    def mark(self) -> Mark | None:
        return Mark.parse(self.attributes.get(CLAIM, ""))

    @property
    def model(self) -> Any:
        """moto's own object."""
        members = ecs_backends[DEFAULT_ACCOUNT_ID][REGION].container_instances[self.world.name]
        return members[self.arn.rpartition("/")[2]]

    def mark_with(self, name: str, value: str) -> None:
        """Write an attribute, as a person or another run would."""
        self.world.ecs.put_attributes(
            cluster=self.world.name,
            attributes=[{"name": name, "value": value, "targetId": self.arn}],
        )

    def set(self, status: str) -> None:
        """What a person does by hand."""
        self.world.ecs.update_container_instances_state(
            cluster=self.world.name,
            containerInstances=[self.arn],
            status=status,  # type: ignore[arg-type]
        )

    def start(self, *, service: bool = False, started_by: str = "") -> str:
        """Start a task here."""
        done = self.world.ecs.start_task(
            cluster=self.world.name,
            taskDefinition="work",
            containerInstances=[self.arn],
            startedBy="ecs-svc/1234" if service else started_by,
            group="service:web" if service else "family:work",
        )
        return done["tasks"][0]["taskArn"]


@dataclass
class EcsWorld:
    """A cluster.

    Attributes:
        cloud: AWS.
        home: where the state of its machines is.
        name: of the cluster.
        clock: what the updater in this process goes by.
        hooks: called whenever it waits.
    """

    cloud: Aws
    home: Path
    name: str
    clock: FakeClock = field(default_factory=FakeClock)
    hooks: list[Callable[[], None]] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    ecs: ECSClient = field(init=False)
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.ecs = self.cloud.client("ecs")
        self.ecs.create_cluster(clusterName=self.name)
        self.ecs.register_task_definition(
            family="work", containerDefinitions=[{"name": "work", "image": "work", "memory": 1}]
        )
        self.programs.mkdir()
        client = self.programs / "apiclient"
        client.write_text(APICLIENT)
        client.chmod(0o755)
        self._documents()

    @property
    def programs(self) -> Path:
        return self.home / "programs"

    def add(
        self,
        number: int = 1,
        *,
        version: str = "1.0.0",
        offer: str = "1.1.0",
        mood: str = "good",
        variant: bool = True,
        services: int = 1,
        managed: bool = True,
    ) -> list[Machine]:
        """Start machines, with tasks of a service on each."""
        started = self.cloud.client("ec2").run_instances(
            ImageId=AMI, MinCount=number, MaxCount=number
        )
        made = [self._join(str(each["InstanceId"])) for each in started["Instances"]]
        for machine in made:
            state = {"version": version, "offer": offer, "staged": "", "state": "Idle"}
            for name, value in {**state, "mood": mood, "down": "", "downtime": "2"}.items():
                machine[name] = value
            if variant:
                machine.mark_with("bottlerocket.variant", "aws-ecs-2")
            if managed:
                self.cloud.machines[machine.name] = machine
            for _ in range(services):
                machine.start(service=True)
        self.machines += made
        return made

    def one(self, **words: Any) -> Machine:
        """Start one machine."""
        return self.add(**words)[0]

    def run(self, name: str = "", **words: Any) -> Run:
        """What the instances of a run share; nothing sleeps in it."""
        cloud = self.cloud
        return Run(
            name or f"run-{next(self._numbers)}",
            Cloud(cloud.client("ecs"), cloud.client("ec2"), self.name),
            RunCommand(cloud.client("ssm")),
            self.clock,
            self.sleep,
            Options(DOCUMENTS, **words).limits,
        )

    def sleep(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        for hook in list(self.hooks):
            hook()

    def update(
        self,
        *,
        name: str = "",
        task: str = "",
        wait: Callable[[float], None] | None = None,
        **words: Any,
    ) -> Summary:
        """Run the updater in this process, in no time."""
        words.setdefault("limits", Limits(poll=A_MINUTE))
        run, options = self.run(name, **words), Options(DOCUMENTS, **words)
        identity = Identity(run.name, task)
        return Round(run, options, identity, wait or self.sleep).go()

    @contextmanager
    def process(
        self, *words: str, environment: dict[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """The updater as a process while the block runs; its pace is that of a test."""
        flags = ["--cluster", self.name, "--check-document", DOCUMENTS.check]
        flags += ["--apply-document", DOCUMENTS.apply, "--reboot-document", DOCUMENTS.reboot]
        pace = ["--poll-time", "0.05", "--settle-time", "0.1", "--log-level", "debug"]
        with subprocess.Popen(
            [sys.executable, "-m", "updog.fleet.ecs", *flags, *pace, *words],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def until(self, process: subprocess.Popen[str], happens: Callable[[], bool]) -> None:
        """Wait until something is so, while a process runs."""
        deadline = time.monotonic() + LONG
        while not happens():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _join(self, name: str) -> Machine:
        backend = ecs_backends[DEFAULT_ACCOUNT_ID][REGION]
        arn = backend.register_container_instance(self.name, name).container_instance_arn
        home = self.home / name
        home.mkdir()
        return Machine(name, arn, home, self)

    def _documents(self) -> None:
        """Make the documents that the template has."""
        ssm, resources = self.cloud.client("ssm"), template()["Resources"]
        known = {each["Name"] for each in ssm.list_documents()["DocumentIdentifiers"]}
        for name, resource in zip(
            (DOCUMENTS.check, DOCUMENTS.apply, DOCUMENTS.reboot),
            ("CheckDocument", "ApplyDocument", "RebootDocument"),
            strict=True,
        ):
            if name not in known:
                ssm.create_document(
                    Name=name,
                    Content=json.dumps(resources[resource]["Properties"]["Content"]),
                    DocumentType="Command",
                    DocumentFormat="JSON",
                )


def result_of(summary: Summary, machine: Machine) -> Result:
    """What came of a machine."""
    return next(each for each in summary.results if each.instance == machine.arn)
