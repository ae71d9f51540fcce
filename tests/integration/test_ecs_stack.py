"""The shipped CloudFormation template, deployed on moto, and the updater called as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.fakes.ecs import Aws, aws
from tests.fakes.ecsworld import LONG, ROOT, TEMPLATE, EcsWorld

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


def deploy(cluster: str, **parameters: str) -> dict[str, str]:
    """Make a stack and return what it puts out."""
    said = {"ClusterName": cluster, "UpdaterImage": "updog-ecs", "Subnets": "subnet-1,subnet-2"}
    client = boto3.client("cloudformation")
    client.create_stack(
        StackName=cluster,
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in {**said, "LogGroupName": f"/{cluster}", **parameters}.items()
        ],
    )
    (stack,) = client.describe_stacks(StackName=cluster)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def command_of(cloud: Aws, definition: str) -> list[str]:
    """What the container of a task definition is called with."""
    answer: Any = cloud.client("ecs").describe_task_definition(taskDefinition=definition)
    words = answer["taskDefinition"]["containerDefinitions"][0]["command"]
    # CloudFormation leaves out what is AWS::NoValue; moto writes None.
    return [str(word) for word in words if word not in {None, "None"}]


def test_the_task_of_the_stack_updates_the_cluster(cloud: Aws, tmp_path: Path) -> None:
    cloud.fresh()
    cloud.stops_after = 0.2
    cluster = EcsWorld(cloud, tmp_path, "stack")
    machine = cluster.one()
    definition = deploy("stack")["TaskDefinitionArn"]
    pace = ["--poll-time", "0.05", "--settle-time", "0.1"]
    done = subprocess.run(
        [sys.executable, "-m", "updog.fleet.ecs", *command_of(cloud, definition), *pace],
        cwd=ROOT,
        env={**os.environ, "TASK_DEFINITION_ARN": definition},
        capture_output=True,
        text=True,
        timeout=2 * LONG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["updated"] == 1
    assert (machine["version"], machine.status) == ("1.1.0", "ACTIVE")


def test_two_tasks_of_the_family_leave_the_work_to_one(cloud: Aws, tmp_path: Path) -> None:
    cloud.fresh()
    cluster = EcsWorld(cloud, tmp_path, "two-tasks")
    machine = cluster.one()
    for _ in range(2):
        cluster.one(offer="").start(started_by="events-rule/updater")
    family = cluster.ecs.describe_task_definition(taskDefinition="work")["taskDefinition"]
    environment = {"TASK_DEFINITION_ARN": family["taskDefinitionArn"]}
    with cluster.process(environment=environment) as process:
        out, err = process.communicate(timeout=LONG)
    assert (process.returncode, json.loads(out)["yielded"]) == (0, True), err
    assert machine.commands == []


def test_the_service_of_a_stack_stays(cloud: Aws) -> None:
    cloud.client("ecs").create_cluster(clusterName="stays")
    words = command_of(cloud, deploy("stays", Mode="service", Pause="3 hours")["TaskDefinitionArn"])
    assert words[-2:] == ["--every", "3 hours"]
