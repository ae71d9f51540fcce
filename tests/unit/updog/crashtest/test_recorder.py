from __future__ import annotations

from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.errors import DeviceMissing, DeviceReadOnly, DeviceTooSmall
from tests.fakes.tiny_stand import PATH, overlay
from updog.crashtest.recorder import RecordedDisk
from updog.crashtest.writelog import Channel, Event, Flush, Note, Write, step_at, write_at

SIZE = 8192


@pytest.fixture
def log() -> list[Event]:
    return []


@pytest.fixture
def disk(log: list[Event]) -> RecordedDisk:
    return RecordedDisk(PATH, overlay(bytes(SIZE)), log.append)


def test_a_write_is_recorded_with_its_place_on_the_disk(
    disk: RecordedDisk, log: list[Event]
) -> None:
    with disk.open(Extent(PATH, 4096, 1024), Access.WRITE) as window:
        window.pwrite(10, bytearray(b"abc"))
    assert log == [Write(Channel(4096, 1024), 4106, b"abc")]


def test_a_flush_is_recorded_with_its_channel(disk: RecordedDisk, log: list[Event]) -> None:
    with disk.open(Extent(PATH), Access.WRITE_SHARED) as whole:
        whole.flush()
    assert log == [Flush(Channel(0, SIZE))]


def test_all_windows_show_one_disk(disk: RecordedDisk) -> None:
    disk.open(Extent(PATH, 4096, 1024), Access.WRITE).pwrite(0, b"abc")
    with disk.open(Extent(PATH), Access.READ) as whole:
        assert whole.pread(4095, 5) == b"\0abc\0"


def test_closing_and_reading_back_flush_nothing(disk: RecordedDisk, log: list[Event]) -> None:
    with disk.open(Extent(PATH), Access.WRITE) as whole:
        whole.pwrite(0, b"abc")
        assert whole.reread(0, 3) == b"abc"
    assert not [event for event in log if isinstance(event, Flush)]


def test_a_window_ends_where_its_extent_ends(disk: RecordedDisk, log: list[Event]) -> None:
    window = disk.open(Extent(PATH, 4096, 1024), Access.WRITE)
    with pytest.raises(DeviceTooSmall):
        window.pwrite(1020, b"12345")
    assert not log


def test_a_device_opened_for_reading_is_not_written(disk: RecordedDisk, log: list[Event]) -> None:
    with pytest.raises(DeviceReadOnly):
        disk.open(Extent(PATH), Access.READ).pwrite(0, b"abc")
    assert not log


def test_an_extent_outside_the_disk_is_refused(disk: RecordedDisk) -> None:
    with pytest.raises(DeviceTooSmall):
        disk.open(Extent(PATH, SIZE - 10, 11), Access.READ)


def test_another_file_is_refused(disk: RecordedDisk) -> None:
    with pytest.raises(DeviceMissing):
        disk.open(Extent(Path("/dev/null")), Access.READ)


def test_the_last_note_before_a_position_is_the_step(disk: RecordedDisk, log: list[Event]) -> None:
    disk.note("clear")
    disk.open(Extent(PATH), Access.WRITE).flush()
    disk.note("write")
    assert step_at(tuple(log), 0) == "begin"
    assert step_at(tuple(log), 2) == "clear"
    assert step_at(tuple(log), 3) == "write"


def test_what_is_not_a_write_is_not_taken_for_one() -> None:
    with pytest.raises(TypeError, match="not a write"):
        write_at((Note("clear"),), 0)
