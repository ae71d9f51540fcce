"""QEMU is killed at twenty moments of an update; the machine boots, and the next run completes.

The moments are tests of their own, so that several workers can share them. A drive may lose what it
was not asked to flush: one of the disks that are possible then is booted, some more are judged.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest

from fixtures.os_images import Release
from fixtures.vmos.packages import locked
from partitions.bootcontrol import GptBootControl
from partitions.slot import Slot
from partitions.sysfs import from_image
from tests.vm.disks import complaints
from tests.vm.drive import Event, LoggingDrive, drive_over
from tests.vm.frozen import BUS, freeze, woken
from tests.vm.guest import Computer
from tests.vm.machine import Disk
from tests.vm.nbd import served
from tests.vm.powercuts import SECTOR, Bounds, Bytes, states, stretches
from tests.vm.test_power_cuts_in_guest import known
from tests.vm.wholeness import Wholeness
from tests.vm.world import OLD, World, offered

pytestmark = pytest.mark.vm

CUTS = 20
BOUNDS = Bounds(complete=16, cuts=4, alone=2, samples=9)
OFFERED = ("first", "good")
PATIENCE = 300.0


@dataclass(frozen=True)
class Ready:
    """A machine that is about to update itself.

    Attributes:
        computer: the machine.
        frozen: what it holds in memory.
        disk: what its disk holds.
        events: about how many writes and flushes the whole update takes; no two are quite alike.
    """

    computer: Computer
    frozen: Path
    disk: Path
    events: int


@pytest.fixture(scope="module")
def ready(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    home = tmp_path_factory.mktemp("kills")
    frozen, disk = home / "frozen", home / "ready.img"
    with offered(world, "good") as url:
        computer = world.computer(home, url)
        with drive_over(computer.disk) as drive, served(drive) as address:
            with computer.on(disk=Disk(address, bus=BUS)) as guest:
                guest.up(OLD)
                freeze(guest, frozen)
            _save(drive, disk)
        computer.disk.unlink()
        yield Ready(computer, frozen, disk, _events(world, computer, frozen, disk))
    shutil.rmtree(home)


def _events(world: World, computer: Computer, frozen: Path, disk: Path) -> int:
    """Count what an update does to the drive, once for all workers."""
    counted = world.home / "kills.events"
    with locked(world.home / "kills.lock"):
        if not counted.exists():
            with drive_over(disk) as drive, served(drive) as address:
                with woken(computer, frozen, address) as guest:
                    guest.run("updog", "update", limit=PATIENCE).checked()
                counted.write_text(str(len(drive.log)))
        return int(counted.read_text())


def _save(drive: LoggingDrive, target: Path) -> None:
    """Write what a drive holds to a sparse file."""
    with target.open("wb") as file:
        file.truncate(drive.size)
        for offset in range(0, drive.size, 1 << 20):
            piece = drive.read(offset, 1 << 20)
            if piece.count(0) != len(piece):
                file.seek(offset)
                file.write(piece)


def _killed(ready: Ready, position: int) -> list[Event]:
    """Kill a machine when its drive has seen so much of an update; returns what that was."""
    with drive_over(ready.disk) as drive, served(drive) as address:
        with woken(ready.computer, ready.frozen, address) as guest:
            update = guest.begin("updog", "update", limit=PATIENCE)
            # An update that took fewer events than the one counted is cut at its very end.
            while not drive.await_events(position, limit=1.0) and not guest.ended(update):
                assert guest.machine.running
            guest.machine.kill()
        return list(drive.log)


def _left(ready: Ready, log: list[Event], seed: int, world: World, target: Path) -> str:
    """Write to a file what the cut could have left of the disk.

    Returns:
        The version that it boots.
    """
    disk: Bytes = np.memmap(ready.disk, np.uint8, "c").reshape(-1, SECTOR)
    *_, last = stretches(log, disk)
    wholeness = Wholeness(ready.disk, disk, [known(world.release(name)) for name in OFFERED])
    wholeness.look(last)
    possible = list(states(last, BOUNDS, np.random.default_rng(seed)))
    verdicts = [wholeness.judge(last, state) for state in possible]
    assert all(each.good for each in verdicts), (last.position, verdicts)
    # Not the first nor the last: those are nothing and everything that was not flushed.
    chosen = len(possible) // 2
    disk[last.sectors] = last.contents(possible[chosen], last.sectors)
    disk.tofile(target)
    return str(verdicts[chosen].versions[0])


@pytest.mark.parametrize("number", range(CUTS))
def test_a_machine_that_is_killed_while_it_updates_boots_and_finishes(
    number: int, ready: Ready, world: World, tmp_path: Path
) -> None:
    moment = (number + Random(number).random()) / CUTS
    log = _killed(ready, max(1, int(moment * ready.events)))
    disk = tmp_path / "left.img"
    version = _left(ready, log, number, world, disk)
    with ready.computer.on(disk=Disk(disk)) as guest:
        guest.up(version)
        guest.run("updog", "update", limit=PATIENCE).checked()
    _boots_next(disk, world.release("good"))
    shutil.rmtree(tmp_path)


def _boots_next(disk: Path, release: Release) -> None:
    """A set with this release, byte for byte, is what boots next."""
    assert complaints(disk) == ""
    slot = GptBootControl(from_image(disk, Slot.A)).status().next
    assert slot is Slot.B
    extents = GptBootControl(from_image(disk, slot)).active_set()
    with disk.open("rb") as file:
        for image, extent in zip(
            (release.boot, release.root, release.hash), extents[1:], strict=True
        ):
            file.seek(extent.offset)
            assert file.read(image.stat().st_size) == image.read_bytes(), image.name
