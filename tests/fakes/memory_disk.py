"""A block device in memory that writes down, in order, everything that is done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from partitions.blockio import Access, Buffer, Extent
from partitions.errors import DeviceMissing, DeviceReadOnly, DeviceTooSmall


@dataclass(frozen=True, slots=True)
class Write:
    """One write, as the device saw it."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    """One flush: all writes before it are durable."""


Event: TypeAlias = Write | Flush


@dataclass(slots=True)
class MemoryDisk:
    """Implements ``BlockIO``; ``log`` has every write and flush in order."""

    data: bytearray
    sector_size: int | None = None
    path: Path = Path("memory-disk")
    access: Access = Access.WRITE
    log: list[Event] = field(default_factory=list)
    before_write: Callable[[Write], None] | None = None
    """Called before each write takes effect; raise from it to play a device that fails."""
    reads: list[tuple[int, int]] = field(default_factory=list)
    closed: bool = False

    @classmethod
    def of_size(cls, size: int, **kwargs: object) -> Self:
        return cls(bytearray(size), **kwargs)  # type: ignore[arg-type]

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def writes(self) -> list[Write]:
        return [event for event in self.log if isinstance(event, Write)]

    @property
    def flushes(self) -> int:
        return sum(isinstance(event, Flush) for event in self.log)

    def pread(self, offset: int, length: int) -> bytes:
        self._inside(offset, length)
        self.reads.append((offset, length))
        return bytes(self.data[offset : offset + length])

    def pwrite(self, offset: int, data: Buffer) -> None:
        if self.access is Access.READ:
            raise DeviceReadOnly(f"{self.path}: opened for reading")
        self._inside(offset, len(data))
        write = Write(offset, bytes(data))
        if self.before_write is not None:
            self.before_write(write)
        self.log.append(write)
        self.data[offset : offset + len(data)] = data

    def flush(self) -> None:
        self.log.append(Flush())

    def reread(self, offset: int, length: int) -> bytes:
        return self.pread(offset, length)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.close()

    def _inside(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > len(self.data):
            raise DeviceTooSmall(
                f"{self.path}: {length} bytes at {offset} are not inside {len(self.data)} bytes"
            )


@dataclass(slots=True)
class Window:
    """A part of another device; its events land, with absolute offsets, in the log of the whole."""

    whole: MemoryDisk
    offset: int
    size: int
    sector_size: int | None = None

    @property
    def path(self) -> Path:
        return self.whole.path

    def pread(self, offset: int, length: int) -> bytes:
        return self.whole.pread(self.offset + self._inside(offset, length), length)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self.whole.pwrite(self.offset + self._inside(offset, len(data)), data)

    def flush(self) -> None:
        self.whole.flush()

    def reread(self, offset: int, length: int) -> bytes:
        return self.pread(offset, length)

    def close(self) -> None:
        """Windows share the whole; there is nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def _inside(self, offset: int, length: int) -> int:
        if offset < 0 or offset + length > self.size:
            raise DeviceTooSmall(
                f"{self.path}: {length} bytes at {offset} are not inside {self.size} bytes"
            )
        return offset


@dataclass(slots=True)
class MemoryDisks:
    """A ``DeviceOpener`` over disks in memory, by path: call it like ``open_device``."""

    disks: dict[Path, MemoryDisk]
    opened: list[tuple[Extent, Access]] = field(default_factory=list)

    def __call__(self, extent: Extent, access: Access) -> MemoryDisk | Window:
        disk = self.disks.get(extent.path)
        if disk is None:
            raise DeviceMissing(f"{extent.path}: no such device")
        self.opened.append((extent, access))
        if extent.offset == 0 and extent.size is None:
            return disk
        size = disk.size - extent.offset if extent.size is None else extent.size
        return Window(disk, extent.offset, size)
