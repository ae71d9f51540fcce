"""A disk with one copy of its partition table damaged boots, and is whole afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.disks import BOOT_A, attributes, complaints, spoil_backup, spoil_primary
from tests.vm.world import OLD, World

pytestmark = pytest.mark.vm

NOWHERE = "http://127.0.0.1:1"


def test_it_boots_from_either_copy_and_repairs_the_other(world: World, tmp_path: Path) -> None:
    computer = world.computer(tmp_path / "machine", NOWHERE)
    for spoil, copy in ((spoil_primary, "primary"), (spoil_backup, "backup")):
        spoil(computer.disk)
        assert complaints(computer.disk)
        with computer.on() as guest:
            guest.machine.expect(f"bootstage: /dev/nvme0n1: {copy} partition table")
            guest.machine.expect("bootstage: .* the partition table is repaired")
            guest.up(OLD)
            assert guest.json("updog", "status", "--json")["healthy"]
            guest.switch_off()
        assert not complaints(computer.disk)
    assert attributes(computer.disk, BOOT_A) == "0101000000000000"
