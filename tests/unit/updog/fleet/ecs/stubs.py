"""Clients of boto3 that answer what a test says, in order, and speak to nobody."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.stub import Stubber

from updog.fleet.ecs.asking import config
from updog.fleet.ecs.cloud import Cloud
from updog.fleet.ecs.runcommand import RunCommand

_KEYS: dict[str, Any] = {
    "aws_access_key_id": "a",
    "aws_secret_access_key": "b",
    "region_name": "eu-central-1",
}


def client(service: Any, *, tries: int = 1, endpoint: str | None = None) -> Any:
    how: Any = config("").merge(Config(retries={"mode": "standard", "total_max_attempts": tries}))
    return boto3.client(service, config=how, endpoint_url=endpoint, **_KEYS)


def stubbed_cloud() -> tuple[Cloud, Stubber, Stubber]:
    """A cluster, and the stubs of ECS and EC2."""
    ecs, ec2 = client("ecs"), client("ec2")
    ecs_stub, ec2_stub = Stubber(ecs), Stubber(ec2)
    ecs_stub.activate()
    ec2_stub.activate()
    return Cloud(ecs, ec2, "prod"), ecs_stub, ec2_stub


def stubbed_commands() -> tuple[RunCommand, Stubber]:
    """Systems Manager, and its stub."""
    ssm = client("ssm")
    stub = Stubber(ssm)
    stub.activate()
    return RunCommand(ssm), stub
