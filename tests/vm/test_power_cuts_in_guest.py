"""The drive of a real machine while it updates itself: no power cut leaves nothing to boot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fixtures.os_images import Release
from tests.vm.drive import drive_over
from tests.vm.machine import Disk
from tests.vm.nbd import served
from tests.vm.powercuts import Bounds
from tests.vm.replaying import replay
from tests.vm.wholeness import Known
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

LEAST = 2000


def known(release: Release) -> Known:
    return Known(release.version, release.boot, release.root, release.hash)


def test_whatever_a_power_cut_leaves_of_an_update_boots_a_whole_set(
    world: World, tmp_path: Path
) -> None:
    with offered(world, "good") as url:
        computer = world.computer(tmp_path / "machine", url)
        with drive_over(computer.disk) as drive, served(drive) as address:
            with computer.on(disk=Disk(address)) as guest:
                guest.up(OLD)
                begin = len(drive.log)
                guest.run("updog", "update").checked()
                guest.run("updog", "update-revert").checked()
                guest.run("updog", "update-apply").checked()
            log = drive.log
    assert begin
    both = [known(world.release("first")), known(world.release("good"))]
    found = replay(computer.disk, log, both, Bounds(512, cuts=32, alone=16, samples=32))
    assert found.bad == []
    assert found.states >= LEAST, found
    assert set(found.boots) == {OLD, NEW}
    shutil.rmtree(tmp_path)
