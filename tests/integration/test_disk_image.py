"""A disk image with its first release: order of writes, refusals, and what a failure leaves."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
import zstandard
from lz4 import frame

from partitions import plan
from partitions.blockio import Access, BlockIO, Buffer, Extent
from partitions.bootcontrol import BootStatus, GptBootControl
from partitions.bootflags import BootFlags
from partitions.device import Device, open_device
from partitions.errors import DeviceBusy, DeviceError
from partitions.image import read_back
from partitions.layout import Slot
from partitions.sysfs import from_image
from repo_tools import diskimage
from repo_tools.cli import main
from repo_tools.diskimage import FirstImages
from repo_tools.errors import ImageError

MIB = 1 << 20
PROVEN = BootFlags(1, 0, successful=True)


@pytest.fixture
def images(tmp_path: Path) -> FirstImages:
    """Three raw images; the root has a hole of zeros in the middle."""
    contents = {
        "boot": os.urandom(MIB),
        "root": os.urandom(MIB) + bytes(2 * MIB) + os.urandom(4096),
        "hash": os.urandom(5000),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return FirstImages(tmp_path / "boot", tmp_path / "root", tmp_path / "hash")


@dataclass
class Recorder:
    """Opens as ``open_device`` does and notes every write and flush, by what was opened."""

    disk: Path
    log: list[str] = field(default_factory=list)
    fail_at: int | None = None

    def __call__(self, extent: Extent, access: Access) -> BlockIO:
        return _Recorded(open_device(extent, access), extent, self)

    def note(self, what: str) -> None:
        if self.fail_at is not None and len(self.log) >= self.fail_at:
            raise DeviceError("the device failed")
        self.log.append(what)


class _Recorded:
    def __init__(self, device: Device, extent: Extent, recorder: Recorder) -> None:
        self._device, self._recorder = device, recorder
        self._name = "table" if extent.size is None else f"at {extent.offset // MIB}"

    path = property(lambda self: self._device.path)
    size = property(lambda self: self._device.size)
    sector_size = property(lambda self: self._device.sector_size)

    def pread(self, offset: int, length: int) -> bytes:
        return self._device.pread(offset, length)

    def reread(self, offset: int, length: int) -> bytes:
        return self._device.reread(offset, length)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self._recorder.note(f"write {self._name}")
        self._device.pwrite(offset, data)

    def flush(self) -> None:
        self._recorder.note(f"flush {self._name}")
        self._device.flush()

    def close(self) -> None:
        self._device.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def status(disk: Path) -> BootStatus:
    return GptBootControl(from_image(disk, Slot.A)).status()


def test_set_a_holds_the_images_and_is_proven(tmp_path: Path, images: FirstImages) -> None:
    disk = tmp_path / "disk.img"
    diskimage.create(disk, images)
    found = status(disk)
    assert found.healthy
    assert (found.flags(Slot.A), found.flags(Slot.B)) == (PROVEN, BootFlags())
    place = GptBootControl(from_image(disk, Slot.A)).active_set()
    for extent, source in (
        (place.boot, images.boot),
        (place.root, images.root),
        (place.hash, images.hash),
    ):
        with open_device(extent, Access.READ) as there:
            assert there.pread(0, source.stat().st_size) == source.read_bytes()


def test_boot_bits_are_written_last_and_after_every_image_is_flushed(
    tmp_path: Path, images: FirstImages
) -> None:
    disk = tmp_path / "disk.img"
    recorder = Recorder(disk)
    diskimage.create(disk, images, opener=recorder)
    first = next(at for at, what in enumerate(recorder.log) if what.endswith("table"))
    before, after = recorder.log[:first], recorder.log[first:]
    for name in {what.removeprefix("write ") for what in before if what.startswith("write")}:
        # Root, boot and hash: its last entry in the log is the flush.
        assert [what for what in before if what.endswith(name)][-1] == f"flush {name}"
    assert sum(what.startswith("flush") for what in before) == 3
    assert all(what.endswith("table") for what in after)
    assert after[-1] == "flush table"


def test_a_set_that_is_still_being_written_would_not_boot(
    tmp_path: Path, images: FirstImages
) -> None:
    disk = tmp_path / "disk.img"
    seen: list[BootFlags] = []

    def looking(extent: Extent, access: Access) -> BlockIO:
        if access is Access.WRITE:
            seen.append(status(disk).flags(Slot.A))
        return open_device(extent, access)

    diskimage.create(disk, images, opener=looking)
    assert seen == [BootFlags()] * 3


def test_no_file_is_left_whatever_step_fails(tmp_path: Path, images: FirstImages) -> None:
    whole = Recorder(tmp_path / "disk.img")
    diskimage.create(whole.disk, images, opener=whole)
    for step in range(len(whole.log)):
        disk = tmp_path / f"{step}.img"
        with pytest.raises(DeviceError, match="the device failed"):
            diskimage.create(disk, images, opener=Recorder(disk, fail_at=step))
        assert not disk.exists()


def test_a_file_that_was_there_is_neither_changed_nor_removed(
    tmp_path: Path, images: FirstImages
) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(b"precious")
    with pytest.raises(DeviceBusy, match="exists already"):
        diskimage.create(disk, images)
    assert disk.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("LZ4", frame.compress),
        ("Zstandard", zstandard.ZstdCompressor().compress),
        ("gzip", gzip.compress),
        ("xz", lzma.compress),
    ],
)
@pytest.mark.parametrize("which", ["boot", "root", "hash"])
def test_a_compressed_image_is_refused_by_name(
    tmp_path: Path, images: FirstImages, which: str, name: str, pack: Callable[[bytes], bytes]
) -> None:
    image: Path = getattr(images, which)
    image.write_bytes(pack(bytes(4096)))
    with pytest.raises(ImageError, match=rf"{which} is compressed \({name}\)"):
        diskimage.create(tmp_path / "disk.img", images)
    assert not (tmp_path / "disk.img").exists()


def test_missing_empty_and_folder_images_are_refused_before_a_file_is_made(
    tmp_path: Path, images: FirstImages
) -> None:
    (tmp_path / "empty").touch()
    for bad, word in (
        (tmp_path, "plain file"),
        (tmp_path / "no", "not there"),
        (tmp_path / "empty", "empty"),
    ):
        with pytest.raises(ImageError, match=word):
            diskimage.create(tmp_path / "disk.img", FirstImages(images.boot, images.root, bad))
        assert not (tmp_path / "disk.img").exists()


def test_the_fitting_layout_has_upstreams_partitions_with_room_to_grow(
    tmp_path: Path, images: FirstImages
) -> None:
    disk = tmp_path / "disk.img"
    diskimage.create(disk, images)
    found = read_back(disk)
    assert [each.label for each in found] == [each.label for each in plan.plan()]
    assert found[3].size >= images.root.stat().st_size * 5 // 4


def test_the_bottlerocket_layout_is_upstreams_own(tmp_path: Path, images: FirstImages) -> None:
    disk = tmp_path / "disk.img"
    words = ["-b", images.boot, "-r", images.root, "--hash", images.hash]
    layout = ["--layout", "bottlerocket", "--os-image-gib", "1"]
    assert main(["disk-image", str(disk), *map(str, words), *layout]) == 0
    planned = plan.plan(1)
    assert [(each.start, each.size) for each in read_back(disk)] == [
        (each.start_mib * MIB, each.size_mib * MIB) for each in planned
    ]
    assert disk.stat().st_size == plan.disk_size(planned) == 1024 * MIB
    assert status(disk).flags(Slot.A) == PROVEN


def test_an_image_too_large_for_upstreams_partition_is_refused_before_a_file_is_made(
    tmp_path: Path, images: FirstImages
) -> None:
    os.truncate(images.hash, 6 * MIB)
    with pytest.raises(ImageError, match="its partition 5 MiB"):
        diskimage.create(tmp_path / "disk.img", images, os_image_gib=1)
    assert not (tmp_path / "disk.img").exists()
