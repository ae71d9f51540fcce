"""A proven set whose root cannot be opened gives way to the other one, without a reset."""

from __future__ import annotations

from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.bootcontrol import GptBootControl
from partitions.bootflags import BootFlags
from partitions.device import open_device
from partitions.disk import read_table, write_table
from partitions.layout import Slot
from partitions.sysfs import from_image
from tests.vm.disks import BOOT_B, attributes
from tests.vm.world import OLD, World

pytestmark = pytest.mark.vm

NOWHERE = "http://127.0.0.1:1"


def put_into_b(world: World, disk: Path, name: str) -> None:
    """Install a release in set B as if it had proven to boot."""
    release = world.release(name)
    place = GptBootControl(from_image(disk, Slot.A)).inactive_set()
    images = (release.boot, release.root, release.hash)
    with disk.open("r+b") as file:
        for image, extent in zip(images, place[1:], strict=True):
            file.seek(extent.offset)
            file.write(image.read_bytes())
    with open_device(Extent(disk), Access.WRITE) as io:
        table = read_table(io).table
        word = BootFlags(2, 0, successful=True).apply_to(table.entry(BOOT_B).attributes)
        write_table(io, table.with_entry_attributes(BOOT_B, word))


def test_the_other_set_is_started_in_its_place(world: World, tmp_path: Path) -> None:
    computer = world.computer(tmp_path / "machine", NOWHERE)
    put_into_b(world, computer.disk, "root-damaged")
    with computer.on() as guest:
        guest.machine.expect("bootstage: set B .* it is marked successful")
        guest.machine.expect("bootstage: failed: ")
        guest.machine.expect("bootstage: .* the other set is started in its place")
        guest.up(OLD)
        guest.switch_off()
    # Set B stays the first choice until an update writes it anew.
    assert attributes(computer.disk, BOOT_B) == "0102000000000000"
