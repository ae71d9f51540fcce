"""The ECS updater as a process, and machines with our own service, disk, bootloader, repository."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.machine import Machine as Disk
from tests.fakes.ecs import Aws, aws, in_bash
from tests.fakes.ecsworld import LONG, ROOT, EcsWorld
from tests.integration.conftest import World
from updog.fleet.ecs.marks import FAILED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


class Booted:
    """A machine that runs `updog serve`, and restarts when its service says so.

    Args:
        disk: the machine.
        home: where its socket and its programs are.
    """

    takes_its_time = True

    def __init__(self, disk: Disk, home: Path) -> None:
        self.disk = disk
        self._socket = home / "api"
        self._programs = home / "programs"
        self._log = home / "service.log"
        self._service: subprocess.Popen[bytes] | None = None
        self._programs.mkdir()
        client = self._programs / "apiclient"
        program = f"{sys.executable} -m updog.apiclient.cli --socket {self._socket}"
        client.write_text(f'#!/bin/sh\ncd {ROOT} && exec {program} "$@"\n')
        client.chmod(0o755)

    @property
    def version(self) -> str:
        lines = self.disk.os_release.read_text().splitlines()
        return next(each for each in lines if each.startswith("VERSION_ID=")).partition("=")[2]

    def run(self, lines: list[str]) -> tuple[int, str, str]:
        return in_bash(lines, self._programs, {})

    def is_down(self) -> bool:
        """Whoever looks for it finds it down once, while it restarts."""
        asked = self.disk.home / "run" / "reboot-asked"
        if not asked.exists():
            return False
        asked.unlink()
        self.stop()
        assert self.disk.boots()[-1].came_up
        # What a unit does when the boot is good.
        self.disk.updog("mark-successful", check=True)
        self.start()
        return True

    def start(self) -> None:
        words = [sys.executable, "-m", "updog", "--config", str(self.disk.config), "serve"]
        with self._log.open("ab") as log:
            self._service = subprocess.Popen(
                [*words, "--socket", str(self._socket)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=dict(os.environ),
            )
        deadline = time.monotonic() + LONG
        while self.run(["apiclient get /updates/progress"])[0]:
            assert self._service.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> None:
        assert self._service is not None
        self._service.send_signal(signal.SIGTERM)
        self._service.wait(timeout=LONG)


@pytest.fixture
def booted(world: World, tmp_path: Path) -> Iterator[Booted]:
    machine = Booted(world.machine, tmp_path)
    machine.start()
    yield machine
    machine.stop()


def update(cluster: EcsWorld) -> Any:
    """Run the updater to its end, and return its summary."""
    with cluster.process("--check-time", "120") as process:
        out, err = process.communicate(timeout=4 * LONG)
    assert out, err
    return json.loads(out)


def test_a_real_machine_is_updated_and_a_release_that_does_not_boot_is_noticed(
    cloud: Aws, world: World, booted: Booted, tmp_path: Path
) -> None:
    cloud.fresh()
    home = tmp_path / "ecs"
    home.mkdir()
    cluster = EcsWorld(cloud, home, "real")
    instance = cluster.one()
    cloud.machines[instance.name] = booted

    (result,) = update(cluster)["instances"]
    assert (result["outcome"], result["before"], result["after"]) == ("updated", "1.0.0", "1.1.0")
    assert booted.version == "1.1.0"
    assert instance.status == "ACTIVE"

    world.publisher.release(world.releases.broken)
    (result,) = update(cluster)["instances"]
    assert (result["outcome"], result["after"], result["expected"]) == ("failed", "1.1.0", "1.2.0")
    assert "runs what it ran before" in result["why"]
    assert instance.status == "ACTIVE"
    assert instance.attributes[FAILED].startswith("1.2.0 1 ")
