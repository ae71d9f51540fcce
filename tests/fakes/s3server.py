"""A real S3 server as a process of its own (moto), and buckets whose objects anybody may read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import boto3
import pytest
from types_boto3_s3 import S3Client

from tests.fakes.nginx import free_port

START_LIMIT = 60.0
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "publisher",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@dataclass
class S3Server:
    """The server, and how to speak to it as its owner."""

    endpoint: str
    client: S3Client
    _numbers: Iterator[int] = field(default_factory=count)

    def bucket(self) -> str:
        """Make a bucket whose objects anybody may read."""
        name = f"updates-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        reading = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [reading]}
        self.client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        return name

    def keys(self, bucket: str) -> set[str]:
        """The names of all objects."""
        listed = self.client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {each["Key"] for each in listed}


@contextmanager
def s3_server(home: Path) -> Iterator[S3Server]:
    """Run the server, with credentials for it in the environment, while the block runs."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        pytest.MonkeyPatch.context() as patch,
        home.joinpath("moto.log").open("wb") as log,
        subprocess.Popen(command, cwd=home, stdout=log, stderr=log) as process,
    ):
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        try:
            _await(f"{endpoint}/moto-api/", process)
            yield S3Server(endpoint, boto3.client("s3", endpoint_url=endpoint))
        finally:
            process.terminate()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        assert process.poll() is None, "moto's server has ended"
        assert time.monotonic() < deadline, "moto's server did not start"
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - loopback
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
        else:
            return
