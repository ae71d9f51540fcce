"""What surrounds the pipeline when one image is written."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.device import open_device
from tests.fakes.memory_disk import MemoryDisk
from updog.beside import Beside, opened_beside
from updog.digests import BLAKE3, Digest
from updog.pipeline.direct import CachedMedium, open_medium
from updog.pipeline.facts import Moved, Way
from updog.writing import Receipt, clear_tail, moved_line

SIZE = 3 << 20


@pytest.mark.parametrize("start", [0, 1, 4095, 4096, 4097, 1 << 20, SIZE - 4096, SIZE - 1, SIZE])
def test_everything_behind_an_image_is_cleared_and_nothing_before(start: int) -> None:
    disk = MemoryDisk(bytearray(b"\xaa" * SIZE))
    clear_tail(disk, CachedMedium(disk), start)
    assert bytes(disk.data) == b"\xaa" * start + bytes(SIZE - start)


class PastTheCache:
    """A medium that takes aligned memory only, as O_DIRECT does."""

    past_cache = True

    def __init__(self, disk: MemoryDisk) -> None:
        self.size = disk.size
        self._disk = disk

    def write(self, offset: int, data: memoryview) -> None:
        assert ctypes.addressof(ctypes.c_char.from_buffer(data)) % 4096 == 0
        self._disk.pwrite(offset, data)

    def read(self, offset: int, length: int, buffer: memoryview) -> memoryview:
        assert ctypes.addressof(ctypes.c_char.from_buffer(buffer)) % 4096 == 0
        buffer[:length] = self._disk.pread(offset, length)
        return buffer[:length]

    def flush(self) -> None:
        self._disk.flush()


def test_what_is_cleared_is_cleared_from_aligned_memory() -> None:
    disk = MemoryDisk(bytearray(b"\xaa" * SIZE))
    clear_tail(disk, PastTheCache(disk), 70_000)
    assert bytes(disk.data[70_000:]) == bytes(SIZE - 70_000)


def test_memory_that_is_not_aligned_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "partition"
    path.write_bytes(bytes(64 << 10))
    data = memoryview(bytearray(b"x" * 8192 + b"y"))[1:]
    extent = Extent(path)
    with (
        open_device(extent, Access.WRITE) as device,
        open_medium(device, extent, Access.WRITE) as medium,
    ):
        medium.write(4096, data)
        medium.flush()
    assert path.read_bytes()[4096 : 4096 + 8192] == bytes(data)


def test_what_is_clear_already_is_not_written() -> None:
    disk = MemoryDisk.of_size(SIZE)
    clear_tail(disk, CachedMedium(disk), 4097)
    assert disk.writes == []


def test_the_block_that_an_image_ends_in_is_written_behind_its_end_only() -> None:
    disk = MemoryDisk(bytearray(b"\xaa" * SIZE))
    clear_tail(disk, CachedMedium(disk), 5000)
    assert disk.writes[0].offset == 5000


def test_a_partition_of_the_same_image_file_is_read_under_the_lock_that_is_held(
    tmp_path: Path,
) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"A" * 8192 + b"B" * 8192)
    other = Beside(Extent(path, 0, 8192))
    with (
        open_device(Extent(path, 8192, 8192), Access.WRITE) as held,
        opened_beside(other, held, open_device) as base,
    ):
        assert base is not None
        with open_medium(held, Extent(path, 8192, 8192), Access.WRITE) as medium:
            assert medium.size == base.medium.size == 8192


def test_a_running_partition_that_cannot_be_read_is_done_without(tmp_path: Path) -> None:
    held = MemoryDisk.of_size(8192)
    gone = Beside(Extent(tmp_path / "gone"))
    with opened_beside(gone, held, open_device) as base:
        assert base is None


def test_the_sums_of_an_update_are_told_in_megabytes() -> None:
    one = Moved(received=1_500_000, kept=2_000_000, copied=500_000, written=900_000)
    digest = Digest(BLAKE3, "")
    receipts = [Receipt("x", "y", 1, digest, digest, Way.FULL, one)] * 2
    assert moved_line(receipts) == "3.0 MB fetched, 5.0 MB reused, 1.8 MB written"
