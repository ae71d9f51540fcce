"""A machine updates itself, and goes back: firmware, kernels, dm-verity, network and all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vm.disks import BOOT_A, BOOT_B, PRIVATE, attributes
from tests.vm.guest import Guest
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

POOL = "/var/lib/bottlerocket/datastore/current/live/settings/ntp/pool"


def pool(guest: Guest) -> str:
    return str(json.loads(guest.python(f"print(open({POOL!r}).read())")))


def test_there_and_back_again_with_the_settings_migrated(world: World, tmp_path: Path) -> None:
    with offered(world, "good") as url:
        computer = world.computer(tmp_path / "machine", url)
        with computer.on() as guest:
            guest.up(OLD)
            assert pool(guest) == "old.example.com"
            guest.restart_by("updog", "update", "--reboot")
            guest.machine.expect("bootstage: set B .* this boot spends its last try")
            guest.up(NEW)
            _is_confirmed(guest)
            assert pool(guest) == "new.example.com"
            _runs_from_verity(guest)
            guest.restart_by("updog", "rollback", "--reboot")
            guest.up(OLD)
            assert pool(guest) == "old.example.com"
            guest.switch_off()
    assert attributes(computer.disk, BOOT_A) == "0102000000000000"
    assert attributes(computer.disk, BOOT_B) == "0101000000000000"
    assert attributes(computer.disk, PRIVATE) == "0200000000000000"


def _is_confirmed(guest: Guest) -> None:
    status = guest.json("updog", "status", "--json")
    assert (status["active"], status["next"], status["confirmed"]) == ("B", "B", True)
    assert status["sets"]["B"]["version"] == NEW
    assert status["healthy"]
    assert "VERSION_ID=1.1.0" in guest.python("print(open('/usr/lib/os-release').read())")


def _runs_from_verity(guest: Guest) -> None:
    number = guest.python("import os; d = os.stat('/').st_dev; print(os.major(d), os.minor(d))")
    major, minor = number.split()
    slaves = guest.python(f"import os; print(os.listdir('/sys/dev/block/{major}:{minor}/slaves'))")
    assert "nvme0n1p9" in slaves
    assert "nvme0n1p10" in slaves
