from __future__ import annotations

from pathlib import Path

import pytest

from partitions import bootstage
from partitions.blockio import Access, Extent
from partitions.bootflags import BootFlags
from partitions.device import open_device
from partitions.disk import read_table
from partitions.findings import ReadResult
from partitions.layout import Slot
from partitions.stage.disks import Found
from partitions.stage.errors import StageError
from partitions.stage.switching import forget
from tests.fakes.gpt_disk import BOOT_B, boot_bits, disk_with, make_table

PROVEN = BootFlags(1, 0, successful=True)
Capture = pytest.CaptureFixture[str]


def make(path: Path, b: BootFlags, a: BootFlags = PROVEN) -> Path:
    path.write_bytes(disk_with(make_table({Slot.A: a, Slot.B: b})).data)
    return path


def read(path: Path) -> ReadResult:
    with open_device(Extent(path), Access.READ) as io:
        return read_table(io)


def test_it_is_nothing_but_the_first_process() -> None:
    with pytest.raises(SystemExit, match="first program of an initramfs"):
        bootstage.main()


def test_a_try_is_durable_before_the_set_is_touched(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", BootFlags(2, 2))
    choice = bootstage.spend(disk, frozenset())
    assert (choice.slot, choice.number, choice.spent_try) == (Slot.B, BOOT_B, True)
    assert boot_bits(read(disk).table)[Slot.B] == BootFlags(2, 1)
    assert read(disk).healthy


def test_a_proven_set_boots_from_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", BootFlags())
    before = disk.read_bytes()
    disk.chmod(0o444)
    assert bootstage.spend(disk, frozenset()).slot is Slot.A
    assert disk.read_bytes() == before


def test_a_failed_set_is_passed_over_without_a_write(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", BootFlags(2, 1))
    before = disk.read_bytes()
    assert bootstage.spend(disk, {BOOT_B}).slot is Slot.A
    assert disk.read_bytes() == before


def test_nothing_to_boot_is_said(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", BootFlags(2, 0), BootFlags())
    with pytest.raises(StageError, match="no set has a priority"):
        bootstage.spend(disk, frozenset())


def test_a_damaged_copy_is_repaired_and_told(tmp_path: Path, capsys: Capture) -> None:
    disk = make(tmp_path / "disk", BootFlags())
    data = bytearray(disk.read_bytes())
    data[512:520] = bytes(8)
    disk.write_bytes(data)
    bootstage.put_right(Found(disk, read(disk)))
    assert read(disk).healthy
    told = capsys.readouterr().err
    assert "bootstage:" in told
    assert "primary partition table" in told
    assert "the partition table is repaired" in told


def test_a_repair_that_fails_does_not_end_the_boot(tmp_path: Path, capsys: Capture) -> None:
    disk = make(tmp_path / "disk", BootFlags())
    data = bytearray(disk.read_bytes())
    data[512:520] = bytes(8)
    disk.write_bytes(data)
    found = Found(disk, read(disk))
    gone = Found(tmp_path / "gone", found.result)
    bootstage.put_right(gone)
    assert "the partition table stays as it is" in capsys.readouterr().err


def test_an_initramfs_is_emptied_and_what_links_lead_to_is_not(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "usr/lib").mkdir(parents=True)
    outside.mkdir()
    for path in (inside / "init", inside / "usr/lib/os.pyc", outside / "kept"):
        path.touch()
    (inside / "lib").symlink_to(outside)
    forget(inside, inside.stat().st_dev)
    assert list(inside.iterdir()) == []
    assert (outside / "kept").exists()


def test_what_lies_on_another_device_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    forget(tmp_path, tmp_path.stat().st_dev + 1)
    assert (tmp_path / "file").exists()
