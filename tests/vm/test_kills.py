"""QEMU is killed at twenty moments of an update; every disk that is left has a whole set to boot.

Four of them are really booted, and the next run completes: each takes half a minute of a processor.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.vm.drive import LoggingDrive, drive_over
from tests.vm.frozen import BUS, freeze, woken
from tests.vm.guest import Computer
from tests.vm.machine import Disk
from tests.vm.nbd import served
from tests.vm.powercuts import SECTOR, Bounds, Bytes, State, Stretch, states, stretches
from tests.vm.test_power_cuts_in_guest import known
from tests.vm.wholeness import Wholeness
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

CUTS = 20
BOOTED = 4
PATIENCE = 300.0


@dataclass(frozen=True)
class Ready:
    """A machine that is about to update itself.

    Attributes:
        computer: the machine.
        frozen: what it holds in memory.
        disk: what its disk holds.
        events: how many writes and flushes the whole update takes.
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
        yield Ready(computer, frozen, disk, _whole_update(computer, frozen, disk))
    shutil.rmtree(home)


def _whole_update(computer: Computer, frozen: Path, disk: Path) -> int:
    with drive_over(disk) as drive, served(drive) as address:
        with woken(computer, frozen, address) as guest:
            guest.run("updog", "update", limit=PATIENCE).checked()
        return len(drive.log)


def _save(drive: LoggingDrive, target: Path) -> None:
    """Write what a drive holds to a sparse file."""
    with target.open("wb") as file:
        file.truncate(drive.size)
        for offset in range(0, drive.size, 1 << 20):
            piece = drive.read(offset, 1 << 20)
            if piece.count(0) != len(piece):
                file.seek(offset)
                file.write(piece)


def _cut(ready: Ready, position: int, seed: int, target: Path | None, world: World) -> str:
    """Kill a machine when its drive has seen so much, and look at what may be left of its disk.

    Args:
        ready: the machine.
        position: in the log of the drive.
        seed: of what the drive's cache loses.
        target: one of those disks is written to this file, if there is any.
        world: knows the images.

    Returns:
        The version that this one boots.
    """
    with drive_over(ready.disk) as drive, served(drive) as address:
        with woken(ready.computer, ready.frozen, address) as guest:
            guest._ask(("updog", "update"), PATIENCE, None)
            assert drive.await_events(position, PATIENCE)
            guest.machine.kill()
        log = list(drive.log)
    disk: Bytes = np.memmap(ready.disk, np.uint8, "c").reshape(-1, SECTOR)
    bounds, chance = Bounds(complete=16, cuts=4, alone=2, samples=9), np.random.default_rng(seed)
    *_, last = stretches(log, disk)
    names = ("first", "good")
    wholeness = Wholeness(ready.disk, disk, [known(world.release(name)) for name in names])
    wholeness.look(last)
    return _judged(wholeness, last, list(states(last, bounds, chance)), target)


def _judged(wholeness: Wholeness, stretch: Stretch, left: list[State], target: Path | None) -> str:
    verdicts = [wholeness.judge(stretch, state) for state in left]
    assert all(each.good for each in verdicts), (stretch.position, verdicts)
    # Not the first nor the last: those are nothing and everything that was not flushed.
    chosen = len(left) // 2
    if target is not None:
        stretch.contents(left[chosen], np.arange(len(stretch.disk))).tofile(target)
    return str(verdicts[chosen].versions[0])


def test_a_machine_that_is_killed_while_it_updates_boots_and_finishes(
    ready: Ready, world: World, tmp_path: Path
) -> None:
    chance = Random(8)
    part = ready.events / CUTS
    positions = [max(1, int(part * (number + chance.random()))) for number in range(CUTS)]
    really = set(chance.sample(range(CUTS), BOOTED - 1)) | {CUTS - 1}
    left = tmp_path / "left.img"
    for number, position in enumerate(positions):
        version = _cut(ready, position, number, left if number in really else None, world)
        if number in really:
            _boots_and_finishes(ready.computer, left, version)


def _boots_and_finishes(computer: Computer, left: Path, version: str) -> None:
    with computer.on(disk=Disk(left)) as guest:
        guest.up(version)
        guest.run("updog", "update").checked()
        status = guest.json("updog", "status", "--json")
        assert status["sets"][status["next"]]["version"] == NEW
