from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from partitions.blockio import Access, Extent
from partitions.device import open_device
from partitions.errors import DeviceTooSmall
from tests.fakes.images import medium
from updog.pipeline.buffers import ALIGNMENT, PIECE, Comparer, aligned
from updog.pipeline.direct import CachedMedium, DirectMedium, open_medium
from updog.pipeline.writeback import BATCH


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(b"\xaa" * (10 * ALIGNMENT + 100))
    return path


def filled(length: int, byte: int) -> memoryview:
    view = aligned(length)[:length]
    view[:] = bytes([byte]) * length
    return view


def test_a_file_is_written_past_the_cache_where_the_file_system_can(disk: Path) -> None:
    with medium(disk) as target:
        assert isinstance(target, DirectMedium)


def test_what_does_not_fill_a_block_is_written_too(disk: Path) -> None:
    with medium(disk) as target:
        target.write(ALIGNMENT, filled(ALIGNMENT + 77, 1))
        target.flush()
        assert bytes(target.read(ALIGNMENT, ALIGNMENT + 77, aligned(2 * ALIGNMENT))) == (
            b"\x01" * (ALIGNMENT + 77)
        )
    content = disk.read_bytes()
    assert content[:ALIGNMENT] == b"\xaa" * ALIGNMENT
    assert content[2 * ALIGNMENT + 77] == 0xAA


def test_the_last_bytes_of_a_file_can_be_read_although_they_fill_no_block(disk: Path) -> None:
    with medium(disk) as target:
        assert bytes(target.read(10 * ALIGNMENT, 100, aligned())) == b"\xaa" * 100


@pytest.mark.parametrize(("offset", "length"), [(10 * ALIGNMENT, 101), (11 * ALIGNMENT, 1), (1, 1)])
def test_nothing_outside_is_touched(disk: Path, offset: int, length: int) -> None:
    with medium(disk) as target:
        with pytest.raises(DeviceTooSmall):
            target.write(offset, filled(length, 0))
        with pytest.raises(DeviceTooSmall):
            target.read(offset, length, aligned())


def test_a_window_of_an_image_file_stays_in_its_window(disk: Path) -> None:
    extent = Extent(disk, 2 * ALIGNMENT, 3 * ALIGNMENT)
    with open_device(extent, Access.WRITE) as io, open_medium(io, extent, Access.WRITE) as target:
        assert isinstance(target, DirectMedium)
        target.write(0, filled(3 * ALIGNMENT, 5))
        with pytest.raises(DeviceTooSmall):
            target.write(3 * ALIGNMENT, filled(1, 5))
    content = disk.read_bytes()
    assert content[2 * ALIGNMENT : 5 * ALIGNMENT] == b"\x05" * (3 * ALIGNMENT)
    assert content[5 * ALIGNMENT] == 0xAA


def test_a_window_that_begins_in_mid_block_goes_through_the_cache(disk: Path) -> None:
    extent = Extent(disk, 512, 2 * ALIGNMENT)
    with open_device(extent, Access.WRITE) as io, open_medium(io, extent, Access.WRITE) as target:
        assert isinstance(target, CachedMedium)
        target.write(0, filled(100, 7))
        assert bytes(target.read(0, 100, aligned())) == b"\x07" * 100
    assert disk.read_bytes()[512:612] == b"\x07" * 100


def test_through_the_cache_much_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "large"
    length = 3 * BATCH
    with path.open("wb") as file:
        file.truncate(length + 512)
    extent = Extent(path, 512)
    content = Random(1).randbytes(length)
    with open_device(extent, Access.WRITE) as io, open_medium(io, extent, Access.WRITE) as target:
        assert isinstance(target, CachedMedium)
        for at in range(0, length, PIECE):
            target.write(at, memoryview(content)[at : at + PIECE])
        target.flush()
        assert bytes(target.read(PIECE, PIECE, aligned())) == content[PIECE : 2 * PIECE]
    assert path.read_bytes()[512:] == content


def test_no_descriptor_is_left_open(disk: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for offset in (0, 512):
        extent = Extent(disk, offset)
        with open_device(extent, Access.WRITE) as io, open_medium(io, extent, Access.WRITE):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_device_smaller_than_a_block_goes_through_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "tiny"
    path.write_bytes(bytes(100))
    with medium(path) as target:
        assert isinstance(target, CachedMedium)


def test_memory_is_compared_byte_by_byte() -> None:
    comparer = Comparer(10)
    assert comparer.same(memoryview(b"abc"), memoryview(b"abc"))
    assert not comparer.same(memoryview(b"abc"), memoryview(b"abd"))
    assert comparer.same(memoryview(b"abcdefghijk"), memoryview(b"abcdefghijk"))
