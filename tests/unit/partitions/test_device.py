from __future__ import annotations

import errno
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.device import open_device
from partitions.deviceerrors import device_error
from partitions.errors import (
    DeviceBusy,
    DeviceDenied,
    DeviceError,
    DeviceMissing,
    DeviceReadOnly,
    DeviceTooSmall,
)

SIZE = 64 * 1024
AT_ONCE = 0.0


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(256)) * (SIZE // 256))
    return path


def test_a_missing_file_is_never_created(tmp_path: Path) -> None:
    for access in Access:
        with pytest.raises(DeviceMissing, match="never created"):
            open_device(Extent(tmp_path / "sdz3"), access)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_missing_too(image: Path) -> None:
    with pytest.raises(DeviceMissing):
        open_device(Extent(image / "below-a-file"), Access.READ)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="neither a block device nor an image file"):
        open_device(Extent(tmp_path), Access.READ)


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DeviceError, match="neither a block device nor an image file"):
        open_device(Extent(tmp_path / "pipe"), Access.READ)


def test_a_character_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="neither a block device nor an image file"):
        open_device(Extent(Path("/dev/null")), Access.WRITE)


def test_a_link_to_an_image_is_followed(image: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(image)
    with open_device(Extent(link), Access.READ) as device:
        assert device.size == SIZE


def test_size_is_that_of_the_file(image: Path) -> None:
    with open_device(Extent(image), Access.READ) as device:
        assert (device.size, device.sector_size, device.path) == (SIZE, None, image)


def test_a_window_without_size_reaches_to_the_end(image: Path) -> None:
    with open_device(Extent(image, offset=1000), Access.READ) as device:
        assert device.size == SIZE - 1000


@pytest.mark.parametrize(("offset", "size"), [(0, SIZE + 1), (SIZE, 1), (SIZE + 1, None)])
def test_a_window_behind_the_end_is_refused_when_opened(
    image: Path, offset: int, size: int | None
) -> None:
    with pytest.raises(DeviceTooSmall, match="behind the end"):
        open_device(Extent(image, offset, size), Access.READ)


def test_offsets_count_from_the_start_of_the_window(image: Path) -> None:
    with open_device(Extent(image, 4096 + 7, 100), Access.READ) as device:
        assert device.pread(1, 3) == bytes([8, 9, 10])
        assert device.reread(1, 3) == bytes([8, 9, 10])


def test_what_was_written_is_read(image: Path) -> None:
    with open_device(Extent(image, 1024, 1024), Access.WRITE) as device:
        device.pwrite(10, b"hello")
        device.flush()
        assert device.pread(8, 9) == b"\x08\x09hello\x0f\x10"
    assert image.read_bytes()[1034:1039] == b"hello"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_can_be_written(image: Path, kind: type) -> None:
    with open_device(Extent(image), Access.WRITE) as device:
        device.pwrite(0, kind(b"abc"))
    assert image.read_bytes()[:3] == b"abc"


@pytest.mark.parametrize(("offset", "length"), [(90, 11), (100, 1), (-1, 1), (1 << 70, 1)])
def test_a_window_cannot_be_left(image: Path, offset: int, length: int) -> None:
    before = image.read_bytes()
    with open_device(Extent(image, 4096, 100), Access.WRITE) as device:
        with pytest.raises(DeviceTooSmall):
            device.pwrite(offset, bytes(length))
        with pytest.raises(DeviceTooSmall):
            device.pread(offset, length)
        with pytest.raises(DeviceTooSmall):
            device.reread(offset, length)
    assert image.read_bytes() == before


def test_a_negative_length_is_refused(image: Path) -> None:
    with open_device(Extent(image), Access.READ) as device, pytest.raises(DeviceTooSmall):
        device.pread(5, -1)


def test_nothing_may_be_read_or_written_at_the_very_end(image: Path) -> None:
    with open_device(Extent(image), Access.WRITE) as device:
        device.pwrite(SIZE, b"")
        assert device.pread(SIZE, 0) == b""
        assert device.reread(SIZE, 0) == b""


def test_a_device_opened_for_reading_refuses_writes(image: Path) -> None:
    with (
        open_device(Extent(image), Access.READ) as device,
        pytest.raises(DeviceReadOnly, match="opened for reading only"),
    ):
        device.pwrite(0, b"x")


@pytest.mark.parametrize("length", [1, 511, 4095, 4096, 4097, SIZE])
@pytest.mark.parametrize("odd_end", [0, 1, 513])
def test_reread_gives_any_range_of_any_size_of_file(
    tmp_path: Path, length: int, odd_end: int
) -> None:
    content = os.urandom(SIZE + odd_end)
    path = tmp_path / "odd.img"
    path.write_bytes(content)
    with open_device(Extent(path), Access.READ) as device:
        for offset in (0, len(content) - length):
            assert device.reread(offset, length) == content[offset : offset + length]


def test_reread_sees_writes_that_were_not_flushed(image: Path) -> None:
    with open_device(Extent(image), Access.WRITE) as device:
        device.pwrite(5000, b"fresh")
        assert device.reread(5000, 5) == b"fresh"


def test_reread_in_memory_backed_files(tmp_path: Path) -> None:
    folder = Path("/dev/shm")  # noqa: S108 - a real file system without O_DIRECT on older kernels
    path = folder / f"updog-{os.getpid()}-{tmp_path.name}.img"
    path.write_bytes(b"abcdef")
    try:
        with open_device(Extent(path), Access.WRITE) as device:
            device.pwrite(1, b"B")
            assert device.reread(0, 6) == b"aBcdef"
    finally:
        path.unlink()


def test_offsets_beyond_four_gib(tmp_path: Path) -> None:
    path = tmp_path / "large.img"
    with path.open("wb") as file:
        file.truncate(5 << 30)
    with open_device(Extent(path, 4 << 30), Access.WRITE) as device:
        device.pwrite(12345, b"far")
        assert device.reread(12345, 3) == b"far"
        assert device.size == 1 << 30


def test_a_second_writer_is_refused(image: Path) -> None:
    with (
        open_device(Extent(image), Access.WRITE),
        pytest.raises(DeviceBusy, match="in use by another program"),
    ):
        open_device(Extent(image), Access.WRITE, patience=AT_ONCE)


@pytest.mark.parametrize("access", [Access.READ, Access.WRITE, Access.WRITE_SHARED])
def test_no_one_gets_in_beside_a_writer(image: Path, access: Access) -> None:
    with open_device(Extent(image), Access.WRITE_SHARED), pytest.raises(DeviceBusy):
        open_device(Extent(image), access, patience=AT_ONCE)


def test_readers_share(image: Path) -> None:
    with open_device(Extent(image), Access.READ), open_device(Extent(image), Access.READ) as device:
        assert device.pread(1, 1) == b"\x01"


def test_a_reader_keeps_writers_out(image: Path) -> None:
    with open_device(Extent(image), Access.READ), pytest.raises(DeviceBusy):
        open_device(Extent(image), Access.WRITE, patience=AT_ONCE)


def test_closing_gives_the_lock_back(image: Path) -> None:
    open_device(Extent(image), Access.WRITE).close()
    open_device(Extent(image), Access.WRITE, patience=AT_ONCE).close()


def test_a_refused_window_gives_the_lock_back(image: Path) -> None:
    with pytest.raises(DeviceTooSmall):
        open_device(Extent(image, SIZE, 1), Access.WRITE)
    open_device(Extent(image), Access.WRITE, patience=AT_ONCE).close()


def test_a_short_holder_is_waited_for(image: Path) -> None:
    holder = open_device(Extent(image), Access.WRITE)
    timer = threading.Timer(0.1, holder.close)
    timer.start()
    open_device(Extent(image), Access.READ, patience=30.0).close()
    timer.join()


def test_a_second_close_does_nothing(image: Path) -> None:
    device = open_device(Extent(image), Access.READ)
    device.close()
    device.close()


def test_a_closed_device_says_so(image: Path) -> None:
    device = open_device(Extent(image), Access.WRITE)
    device.close()
    with pytest.raises(DeviceError, match="was it closed"):
        device.pread(0, 1)
    with pytest.raises(DeviceError, match="was it closed"):
        _ = device.sector_size


def test_a_file_that_became_shorter_is_noticed(image: Path) -> None:
    with open_device(Extent(image), Access.READ) as device:
        os.truncate(image, 4096)
        with pytest.raises(DeviceTooSmall, match="became shorter while it was open"):
            device.pread(4000, 200)
        with pytest.raises(DeviceTooSmall, match="became shorter while it was open"):
            device.reread(4000, 200)


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_the_kernel_cuts_short_is_an_error(image: Path) -> None:
    with (
        open_device(Extent(image), Access.WRITE) as device,
        file_size_limit(8192),
        pytest.raises(DeviceError, match=r"cannot write to .*disk\.img"),
    ):
        device.pwrite(8000, bytes(1000))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, DeviceMissing),
        (errno.ENXIO, DeviceMissing),
        (errno.ENODEV, DeviceMissing),
        (errno.ENOMEDIUM, DeviceMissing),
        (errno.EBUSY, DeviceBusy),
        (errno.EACCES, DeviceDenied),
        (errno.EPERM, DeviceDenied),
        (errno.EROFS, DeviceReadOnly),
        (errno.EBADF, DeviceReadOnly),
        (errno.ENOSPC, DeviceError),
        (errno.EIO, DeviceError),
        (errno.EFBIG, DeviceError),
    ],
)
def test_every_system_error_becomes_one_of_ours(number: int, kind: type[DeviceError]) -> None:
    error = device_error(OSError(number, os.strerror(number)), Path("/dev/sda"), "write to")
    assert type(error) is kind
    assert str(error).startswith("cannot write to /dev/sda: ")


def test_an_error_without_a_number_keeps_its_words() -> None:
    assert "odd" in str(device_error(OSError("odd"), Path("x"), "read from"))


def test_a_window_of_an_open_file_needs_no_second_lock(image: Path) -> None:
    with open_device(Extent(image, 4096, 4096), Access.WRITE) as held:
        with pytest.raises(DeviceBusy):
            open_device(Extent(image, 0, 4096), Access.READ, patience=AT_ONCE)
        with held.window(Extent(image, 0, 4096)) as window:
            assert window.pread(0, 4) == bytes([0, 1, 2, 3])
            with pytest.raises(DeviceReadOnly):
                window.pwrite(0, b"x")


def test_a_window_of_an_open_file_cannot_reach_behind_its_end(image: Path) -> None:
    with (
        open_device(Extent(image), Access.READ) as held,
        pytest.raises(DeviceTooSmall),
    ):
        held.window(Extent(image, SIZE, 1))
