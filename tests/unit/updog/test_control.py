from __future__ import annotations

from pathlib import Path

import pytest

from partitions.device import open_device
from partitions.errors import DeviceMissing
from partitions.layout import Slot
from tests.fakes.two_sets import two_sets
from updog.control import boot_control
from updog.settings import Backend, Boot


def test_an_image_file_can_be_the_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(two_sets().disk.data)
    assert boot_control(Boot(disk=disk, active=Slot.B), open_device).status().active is Slot.B


def test_without_active_the_set_that_boots_next_counts_as_the_running_one(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(two_sets().disk.data)
    assert boot_control(Boot(disk=disk), open_device).status().active is Slot.A


def test_a_missing_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        boot_control(Boot(disk=tmp_path / "none"), open_device)


def test_the_backend_is_the_configured_one(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(two_sets().disk.data)
    (tmp_path / "loader/entries").mkdir(parents=True)
    (tmp_path / "loader/entries/os-b-1.conf").touch()
    boot = Boot(disk=disk, backend=Backend.SYSTEMD_BOOT, esp=tmp_path, entries=("os-a", "os-b"))
    assert boot_control(boot, open_device).status().active is Slot.B
