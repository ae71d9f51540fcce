from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from partitions.stage.errors import StageError
from partitions.stage.thismachine import ThisMachine
from partitions.stage.watchdog import Watchdog


class Pipe:
    """What a watchdog is fed can be read back; ``slept`` is what went by, and what it had then."""

    def __init__(self) -> None:
        self.end, self.start = os.pipe()
        os.set_blocking(self.end, False)
        self.slept: list[tuple[float, int]] = []

    def fed(self) -> int:
        """How often it was fed since the last question."""
        try:
            return len(os.read(self.end, 1000))
        except BlockingIOError:
            return 0

    def sleep(self, seconds: float) -> None:
        self.slept.append((seconds, self.fed()))


def open_files() -> Iterator[Path]:
    for each in Path("/proc/self/fd").iterdir():
        if each.is_symlink():  # that of the folder itself is gone by now
            yield each


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.end)
    os.close(made.start)


def test_who_waits_on_purpose_feeds_the_watchdog_every_second(pipe: Pipe) -> None:
    ThisMachine(Watchdog(pipe.start), pipe.sleep).pause(3)
    assert pipe.slept == [(1, 1), (1, 1), (1, 1)]
    assert pipe.fed() == 1


def test_without_a_watchdog_a_pause_is_a_pause(pipe: Pipe) -> None:
    ThisMachine(sleep=pipe.sleep).pause(2)
    assert pipe.slept == [(1, 0), (1, 0)]


def test_no_pause_takes_no_time(pipe: Pipe) -> None:
    ThisMachine(Watchdog(pipe.start), pipe.sleep).pause(0)
    assert pipe.slept == []


def test_a_watchdog_that_takes_no_food_does_not_end_the_boot(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    Watchdog(descriptor).feed()
    os.close(descriptor)


def test_a_device_that_is_no_watchdog_is_refused_and_closed(tmp_path: Path) -> None:
    node = tmp_path / "watchdog"
    node.touch()
    with pytest.raises(OSError, match="ioctl"):
        Watchdog.start(30, node)
    assert str(node) not in [str(each.readlink()) for each in open_files()]
    assert node.read_bytes() == b""


def test_without_a_device_the_module_of_the_kernel_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no modules for 'watchdog'"):
        Watchdog.start(30, tmp_path / "watchdog")
