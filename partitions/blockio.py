"""What the disk side asks of a block device, and where the bytes of a partition lie.

Values and protocols only. ``partitions.device`` has the one implementation that opens real
devices and image files; the tests have one in memory that records every write and flush.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class Access(Enum):
    """How a device is opened."""

    READ = "read"
    WRITE = "write"
    """Alone: refused while the device is mounted or another writer has it."""
    WRITE_SHARED = "write shared"
    """Beside mounted partitions: the partition table of the disk that the system runs from."""


class _Window(NamedTuple):
    path: Path
    offset: int
    size: int | None


class Extent(_Window):
    """Where the bytes of a disk or of one partition are.

    A partition of a real disk is its own node (offset 0, size of the node); a partition of a disk
    image is a window of the image file.

    Attributes:
        path: the device node or image file.
        offset: first byte of the window in ``path``.
        size: length of the window in bytes; None means up to the end of ``path``.
    """

    __slots__ = ()

    def __new__(cls, path: Path, offset: int = 0, size: int | None = None) -> Self:
        """Check that it goes forward."""
        if offset < 0 or (size is not None and size < 0):
            raise ValueError(f"{path}: an extent cannot start or end before its beginning")
        return super().__new__(cls, path, offset, size)

    def __str__(self) -> str:
        if self.offset == 0:
            # A device of its own, or a whole file: how much of it is used tells nobody anything.
            return str(self.path)
        length = "" if self.size is None else f"+{self.size}"
        return f"{self.path}@{self.offset}{length}"


class BlockIO(Protocol):
    """An open device, image file, or window of one.

    Offsets and lengths are bytes, counted from the start of the extent. Every failure is a
    ``partitions.errors.DeviceError``; an access outside the extent is ``DeviceTooSmall`` and
    touches nothing.
    """

    @property
    def path(self) -> Path:
        """The node or file, for messages."""
        ...

    @property
    def size(self) -> int:
        """Bytes in the extent, fixed when it was opened."""
        ...

    @property
    def sector_size(self) -> int | None:
        """Logical sector size of a block device; None for an image file, which has none."""
        ...

    def pread(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``."""
        ...

    def pwrite(self, offset: int, data: Buffer) -> None:
        """Write all of ``data`` at ``offset``; durable only after ``flush``."""
        ...

    def flush(self) -> None:
        """Return when everything written before is on stable storage."""
        ...

    def reread(self, offset: int, length: int) -> bytes:
        """Read like ``pread``, but from the medium and not from the page cache."""
        ...

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


DeviceOpener: TypeAlias = Callable[[Extent, Access], BlockIO]
"""The seam through which everything opens devices: ``partitions.device.open_device`` or a fake."""
