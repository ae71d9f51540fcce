from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from updog.pipeline.writeback import BATCH, WriteBack

MIB = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    with opened(tmp_path / "file") as descriptor:
        yield descriptor


@pytest.fixture
def file_on_ext4(tmp_path: Path) -> Iterator[int]:
    """A file whose pages can leave the cache, wherever the tests are run: those of tmpfs cannot."""
    image, place = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as made:
        made.truncate(16 * BATCH)
    place.mkdir()
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        with opened(place / "file") as descriptor:
            yield descriptor
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def resident(descriptor: int) -> int:
    """Bytes of a file in the page cache."""
    size = os.fstat(descriptor).st_size
    pages = -(-size // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    libc = ctypes.CDLL(None, use_errno=True)
    with mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as view:
        start = ctypes.addressof(ctypes.c_char.from_buffer(view))
        assert libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), found) == 0
    return sum(one & 1 for one in found) * mmap.PAGESIZE


def write(descriptor: int, write_back: WriteBack, mibs: int) -> None:
    for at in range(0, mibs * MIB, MIB):
        os.pwrite(descriptor, os.urandom(MIB), at)
        write_back.wrote(at, MIB)


@pytest.mark.root
def test_the_cache_is_not_flooded(file_on_ext4: int) -> None:
    write(file_on_ext4, WriteBack(file_on_ext4, 0, lambda: None), 6 * BATCH // MIB)
    assert resident(file_on_ext4) <= 3 * BATCH


def test_nothing_is_flushed_where_the_kernel_can_be_asked_for_less(file: int) -> None:
    flushes: list[int] = []
    write(file, WriteBack(file, 0, lambda: flushes.append(1)), 6 * BATCH // MIB)
    assert not flushes


def test_without_the_call_each_batch_is_flushed(file: int) -> None:
    flushes: list[int] = []
    write(file, WriteBack(file, 0, lambda: flushes.append(1), None), 2 * BATCH // MIB)
    assert len(flushes) == 2


def test_a_kernel_that_refuses_is_asked_once(file: int) -> None:
    flushes: list[int] = []
    asked: list[int] = []

    def refuse(descriptor: int, *_more: int) -> int:
        asked.append(descriptor)
        ctypes.set_errno(errno.ENOSYS)
        return -1

    write(file, WriteBack(file, 0, lambda: flushes.append(1), refuse), 2 * BATCH // MIB)
    assert len(flushes) == 2
    assert len(asked) == 1


def test_a_lost_write_is_told_of(file: int) -> None:
    def fail(*_told: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    with pytest.raises(OSError, match="Input/output"):
        write(file, WriteBack(file, 0, lambda: None, fail), BATCH // MIB)


def test_offsets_count_from_the_start_of_the_window(file: int) -> None:
    asked: list[tuple[int, ...]] = []

    def note(*told: int) -> int:
        asked.append(told)
        return 0

    write_back = WriteBack(file, 512, lambda: None, note)
    write_back.wrote(4 * MIB, BATCH // 2)
    write_back.wrote(0, BATCH // 2)
    assert asked == [(file, 512, 4 * MIB + BATCH // 2, 2)]


def test_what_was_flushed_is_forgotten(file: int) -> None:
    asked: list[tuple[int, ...]] = []

    def note(*told: int) -> int:
        asked.append(told)
        return 0

    write_back = WriteBack(file, 0, lambda: None, note)
    write_back.wrote(0, BATCH - 1)
    write_back.forget()
    write_back.wrote(BATCH, BATCH - 1)
    assert asked == []
