"""The same on real block devices: loop devices with 512- and 4096-byte sectors.

Needs root and a kernel with loop devices. Where the kernel reads no partition tables itself,
``partx`` tells it the partitions.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.bootcontrol import GptBootControl
from partitions.bootflags import BootFlags
from partitions.device import open_device
from partitions.errors import (
    DeviceBusy,
    DeviceError,
    DeviceMissing,
    DeviceReadOnly,
    DeviceTooSmall,
    DiscoveryError,
    GptError,
)
from partitions.image import create_image, format_disk, seeded_guids
from partitions.layout import Slot
from partitions.plan import MIB, plan_for
from partitions.signpost import main
from partitions.sysfs import from_disk, locate
from tests.integration.table_tools import cgpt_flags, run, sgdisk_attributes

pytestmark = pytest.mark.root

PLAN = plan_for(root_mib=4, hash_mib=1, boot_mib=1)
ROOT_A = 4


@contextmanager
def loop(image: Path, sector_size: int, *options: str) -> Iterator[Path]:
    """Attach an image as a disk with partition nodes; always detached again."""
    shown = run(
        "losetup", "--find", "--show", "-P", "--sector-size", str(sector_size), *options, image
    )
    device = Path(shown.strip())
    try:
        wait_for_partitions(device)
        yield device
    finally:
        subprocess.run(["partx", "--delete", device], capture_output=True, check=False)
        run("losetup", "--detach", device)


def wait_for_partitions(device: Path) -> None:
    first = Path(f"{device}p1")
    if not first.exists():
        subprocess.run(["partx", "--add", device], capture_output=True, check=False)
    for _ in range(100):  # udev, where it runs, makes the nodes in its own time
        if first.exists():
            return
        time.sleep(0.02)
    pytest.fail(f"{first} did not appear")


@pytest.fixture(params=[512, 4096])
def sector_size(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@pytest.fixture
def image(tmp_path: Path, sector_size: int) -> Path:
    path = tmp_path / "disk.img"
    create_image(path, PLAN, new_guid=seeded_guids("block"), sector_size=sector_size)
    return path


@pytest.fixture
def disk(image: Path, sector_size: int) -> Iterator[Path]:
    with loop(image, sector_size) as device:
        yield device


def node(disk: Path, number: int) -> Path:
    return Path(f"{disk}p{number}")


@contextmanager
def mounted(partition: Path, folder: Path) -> Iterator[Path]:
    run("mkfs.ext4", "-q", "-F", partition)
    folder.mkdir()
    run("mount", partition, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def control(disk: Path) -> GptBootControl:
    return GptBootControl(from_disk(disk, Slot.A))


# Opening.


def test_size_and_sector_size(disk: Path, image: Path, sector_size: int) -> None:
    with open_device(Extent(disk), Access.READ) as device:
        assert (device.size, device.sector_size) == (image.stat().st_size, sector_size)
    with open_device(Extent(node(disk, ROOT_A)), Access.READ) as device:
        assert (device.size, device.sector_size) == (4 * MIB, sector_size)


def test_a_partition_is_written_by_one_only(disk: Path) -> None:
    with (
        open_device(Extent(node(disk, ROOT_A)), Access.WRITE),
        pytest.raises(DeviceBusy, match="mounted or held by another program"),
    ):
        open_device(Extent(node(disk, ROOT_A)), Access.WRITE)


def test_partitions_are_written_side_by_side(disk: Path) -> None:
    with (
        open_device(Extent(node(disk, 3)), Access.WRITE) as one,
        open_device(Extent(node(disk, 4)), Access.WRITE) as two,
    ):
        one.pwrite(0, b"one")
        two.pwrite(0, b"two")
        assert (one.reread(0, 3), two.reread(0, 3)) == (b"one", b"two")


def test_a_partition_cannot_be_left(disk: Path) -> None:
    with open_device(Extent(node(disk, ROOT_A)), Access.WRITE) as device:
        with pytest.raises(DeviceTooSmall):
            device.pwrite(device.size - 1, b"xy")
        device.pwrite(device.size - 2, b"xy")
        assert device.reread(device.size - 2, 2) == b"xy"


def test_reread_sees_the_medium_and_not_the_cache(disk: Path, image: Path) -> None:
    with open_device(Extent(disk), Access.READ) as device:
        offset = PLAN[3].start_mib * MIB
        assert device.pread(offset, 5) == bytes(5)
        with open_device(Extent(image), Access.WRITE) as medium:
            medium.pwrite(offset, b"decay")
            medium.flush()
        assert device.pread(offset, 5) == bytes(5)
        assert device.reread(offset, 5) == b"decay"


def test_a_mounted_partition_is_busy_for_writing_only(disk: Path, tmp_path: Path) -> None:
    with mounted(node(disk, ROOT_A), tmp_path / "mnt"):
        with pytest.raises(DeviceBusy, match="mounted or held by another program"):
            open_device(Extent(node(disk, ROOT_A)), Access.WRITE)
        open_device(Extent(node(disk, ROOT_A)), Access.READ).close()


def test_a_plain_file_where_a_node_should_be_is_refused(disk: Path) -> None:
    impostor = Path(f"{disk}p99")
    impostor.write_bytes(bytes(4096))
    try:
        for access in Access:
            with pytest.raises(DeviceMissing, match="plain file where a device node should be"):
                open_device(Extent(impostor), access)
        assert impostor.read_bytes() == bytes(4096)
    finally:
        impostor.unlink()


def test_a_link_in_dev_to_a_plain_file_is_refused(disk: Path, image: Path) -> None:
    link = Path(f"{disk}p98")
    link.symlink_to(image)
    try:
        with pytest.raises(DeviceMissing, match="plain file where a device node should be"):
            open_device(Extent(link), Access.WRITE)
    finally:
        link.unlink()


def test_a_node_without_a_device_is_missing(tmp_path: Path) -> None:
    ghost = tmp_path / "ghost"
    os.mknod(ghost, 0o600 | 0o060000, os.makedev(61, 1))  # kept for experiments
    with pytest.raises(DeviceMissing, match="no device behind the node"):
        open_device(Extent(ghost), Access.READ)


# Boot bits.


def test_normal_life_on_a_block_device(disk: Path) -> None:
    machine = control(disk)
    machine.clear_inactive()
    machine.mark_inactive_valid(1)
    assert sgdisk_attributes(disk, 8) == 0x0010_0000_0000_0000
    machine.activate()
    assert sgdisk_attributes(disk, 8) == 0x0012_0000_0000_0000
    assert cgpt_flags(disk, 8) == BootFlags(2, 1)
    on_b = GptBootControl(from_disk(disk, Slot.B))
    on_b.mark_successful()
    assert sgdisk_attributes(disk, 12) == 0x0200_0000_0000_0000
    on_b.rollback()
    assert cgpt_flags(disk, 3) == BootFlags(2, 0, successful=True)
    assert "No problems found" in run("sgdisk", "--verify", disk)


def test_sets_are_their_nodes(disk: Path) -> None:
    found = control(disk).inactive_set()
    extents = [found.boot, found.root, found.hash]
    assert [one.path for one in extents] == [node(disk, n) for n in (8, 9, 10)]
    for one in extents:
        with open_device(Extent(one.path), Access.READ) as whole:
            assert (one.offset, one.size) == (0, whole.size)


def test_a_node_is_the_partition_that_the_table_describes(disk: Path) -> None:
    with open_device(control(disk).inactive_set().root, Access.WRITE) as device:
        device.pwrite(0, b"root of set B")
        device.flush()
    with open_device(Extent(disk), Access.READ) as device:
        assert device.reread(PLAN[8].start_mib * MIB, 13) == b"root of set B"


def test_bits_change_while_partitions_are_mounted(disk: Path, tmp_path: Path) -> None:
    with mounted(node(disk, ROOT_A), tmp_path / "mnt") as folder:
        control(disk).mark_inactive_valid(1)
        control(disk).activate()
        (folder / "alive").touch()
    assert cgpt_flags(disk, 8) == BootFlags(2, 1)


def test_the_whole_disk_alone_is_refused_while_a_partition_is_mounted(
    disk: Path, tmp_path: Path
) -> None:
    with mounted(node(disk, ROOT_A), tmp_path / "mnt"), pytest.raises(DeviceBusy):
        open_device(Extent(disk), Access.WRITE)


def test_the_kernel_keeps_its_partitions_when_bits_change(disk: Path) -> None:
    before = node(disk, ROOT_A).stat()
    control(disk).mark_inactive_valid(1)
    assert node(disk, ROOT_A).stat().st_ino == before.st_ino
    assert node(disk, ROOT_A).stat().st_rdev == before.st_rdev


def test_a_damaged_backup_is_repaired(disk: Path) -> None:
    with open_device(Extent(disk), Access.WRITE) as device:
        assert device.sector_size is not None
        device.pwrite(device.size - device.sector_size, bytes(device.sector_size))
        device.flush()
    assert not control(disk).status().healthy
    control(disk).rewrite_table()
    assert control(disk).status().healthy
    assert "No problems found" in run("sgdisk", "--verify", disk)


# Discovery through the real sysfs.


def test_a_mounted_partition_leads_to_its_disk(disk: Path, tmp_path: Path) -> None:
    with mounted(node(disk, ROOT_A), tmp_path / "mnt") as folder:
        located = locate(stat_root=lambda _root: folder.stat().st_dev)
        assert (located.disk, located.active_partition) == (disk, ROOT_A)
        assert dict(located.nodes) == {n: node(disk, n) for n in range(1, 14)}
        assert GptBootControl(located).status().active is Slot.A


def test_a_device_that_is_not_the_running_disk_needs_its_set(disk: Path) -> None:
    with pytest.raises(DiscoveryError, match=r"--active|which set"):
        from_disk(disk)


def test_a_partition_node_is_no_disk(disk: Path) -> None:
    with pytest.raises(DiscoveryError, match="name the whole disk"):
        from_disk(node(disk, ROOT_A), Slot.A)


def test_a_disk_is_formatted_in_place(disk: Path) -> None:
    format_disk(disk, plan_for(3, 1, 2), new_guid=seeded_guids("again"))
    assert control(disk).status().healthy
    assert int(run("blockdev", "--getsize64", node(disk, 4))) == 3 * MIB


# What happens for: read-only disk, busy device, wrong sector size.


def test_read_only_disk_can_be_looked_at(
    image: Path, sector_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with loop(image, sector_size, "--read-only") as device:
        assert main(["status", "--disk", str(device), "--active", "A"]) == 0
        assert "Active:  Set A" in capsys.readouterr().out


def test_read_only_disk_refuses_changes(
    image: Path, sector_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = image.read_bytes()
    with loop(image, sector_size, "--read-only") as device:
        assert main(["mark-successful-boot", "--disk", str(device), "--active", "A"]) == 1
        assert "read-only" in capsys.readouterr().err
        for access in (Access.WRITE, Access.WRITE_SHARED):
            with pytest.raises(DeviceReadOnly):
                open_device(Extent(device), access)
    assert image.read_bytes() == before


def test_image_on_a_read_only_file_system_refuses_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mnt"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", folder)
    try:
        create_image(folder / "disk.img", PLAN)
        run("mount", "-o", "remount,ro", folder)
        assert main(["mark-successful-boot", "--disk", str(folder / "disk.img")]) == 1
        assert "read-only" in capsys.readouterr().err
    finally:
        run("umount", folder)


def test_busy_disk_is_refused(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program holds the lock that udev and the partitioning tools respect."""
    with disk.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert main(["mark-successful-boot", "--disk", str(disk), "--active", "A"]) == 1
        assert "in use by another program" in capsys.readouterr().err
        assert main(["status", "--disk", str(disk), "--active", "A"]) == 0


def test_wrong_sector_size_is_refused_and_named(
    image: Path, sector_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table made for the other sector size; partitions would lie somewhere else."""
    other = {512: 4096, 4096: 512}[sector_size]
    before = image.read_bytes()
    shown = run("losetup", "--find", "--show", "--sector-size", str(other), image)
    device = Path(shown.strip())
    try:
        for verb in ("status", "mark-successful-boot", "repair"):
            assert main([verb, "--disk", str(device), "--active", "A"]) == 1
            assert f"sectors of {sector_size} bytes" in capsys.readouterr().err
        with pytest.raises(GptError):
            control(device).clear_inactive()
    finally:
        run("losetup", "--detach", device)
    assert image.read_bytes() == before


def test_a_lost_write_is_reported_by_this_flush_and_every_later_one(tmp_path: Path) -> None:
    """The page cache takes the write, the medium does not."""
    folder = tmp_path / "mnt"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", folder)
    try:
        image = folder / "disk.img"
        with image.open("wb") as file:
            file.truncate(8 * MIB)
        shown = run("losetup", "--find", "--show", image)
        try:
            with open_device(Extent(Path(shown.strip())), Access.WRITE) as device:
                device.pwrite(0, os.urandom(4 * MIB))
                with pytest.raises(DeviceError, match="cannot flush"):
                    device.flush()
                with pytest.raises(DeviceError, match=r"an earlier flush of .* failed"):
                    device.flush()
                with pytest.raises(DeviceError, match=r"an earlier flush of .* failed"):
                    device.reread(0, 4096)
        finally:
            run("losetup", "--detach", shown.strip())
    finally:
        run("umount", folder)


def test_full_host_disk_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    """A sparse image on a file system that is full: the first write that needs room fails."""
    folder = tmp_path / "mnt"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", folder)
    try:
        image = folder / "disk.img"
        with image.open("wb") as file:
            file.truncate(8 * MIB)
        with (
            open_device(Extent(image), Access.WRITE) as device,
            pytest.raises(DeviceError, match="no space left"),
        ):
            device.pwrite(0, os.urandom(4 * MIB))
    finally:
        run("umount", folder)
