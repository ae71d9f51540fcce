"""A drive with a volatile cache, which remembers every write and every flush.

What power cuts could have left of it is worked out afterwards, by `tests.vm.powercuts`.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes that the drive took.

    Attributes:
        fua: whether the client was told that they are on the medium.
    """

    offset: int
    data: bytes = field(repr=False)
    fua: bool = False


@dataclass(frozen=True, slots=True)
class Flushed:
    """Everything taken before is on the medium."""


Event: TypeAlias = Written | Flushed


class LoggingDrive:
    """A drive in memory; see `tests.vm.nbd.Drive`.

    Attributes:
        log: what was done to it, in order. It only grows.
    """

    def __init__(self, contents: bytearray | mmap.mmap) -> None:
        self.log: list[Event] = []
        self._contents = contents
        self._news = threading.Condition()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._contents)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes as written last, durable or not."""
        return bytes(self._contents[offset : offset + length])

    def write(self, offset: int, data: bytes, *, fua: bool = False) -> None:
        """Take bytes."""
        self._contents[offset : offset + len(data)] = data
        self._remember(Written(offset, data, fua))

    def flush(self) -> None:
        """Note that everything taken so far is on the medium."""
        self._remember(Flushed())

    def await_events(self, count: int, limit: float) -> bool:
        """Wait until so many things were done to it; False if they were not in time."""
        with self._news:
            return self._news.wait_for(lambda: len(self.log) >= count, limit)

    def _remember(self, event: Event) -> None:
        with self._news:
            self.log.append(event)
            self._news.notify_all()


@contextmanager
def drive_over(image: Path) -> Iterator[LoggingDrive]:
    """A drive that holds what an image file holds; the file itself is never changed."""
    with (
        image.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as contents,
    ):
        yield LoggingDrive(contents)
