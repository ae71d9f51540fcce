"""Devices that lie in memory and write down what is done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from partitions.blockio import Access, BlockIO, Buffer, Extent
from partitions.errors import DeviceMissing, DeviceReadOnly, DeviceTooSmall
from updog.crashtest.overlay import Overlay
from updog.crashtest.writelog import Channel, Event, Flush, Note, Write


@dataclass(frozen=True, slots=True)
class RecordedDisk:
    """One disk under all its nodes: the opener to hand to the real code, and what that did.

    Attributes:
        path: the file that the real code believes to write.
        bytes: the disk as a reader sees it now, durable or not.
        record: is told each event.
    """

    path: Path
    bytes: Overlay
    record: Callable[[Event], None]

    def open(self, extent: Extent, access: Access) -> BlockIO:
        """Open the disk or a window of it; a `partitions.blockio.DeviceOpener`.

        Raises:
            DeviceMissing: another file than that of the disk.
            DeviceTooSmall: the window does not lie inside the disk.
        """
        if extent.path != self.path:
            raise DeviceMissing(f"{extent.path} is not the disk under test, {self.path}")
        size = self.bytes.size - extent.offset if extent.size is None else extent.size
        if size < 0 or extent.offset + size > self.bytes.size:
            raise DeviceTooSmall(f"{extent} reaches behind the end of {self.path}")
        return RecordingIO(self, Channel(extent.offset, size), access)

    def note(self, text: str) -> None:
        """Write down what is done from here on."""
        self.record(Note(text))


def quiet_disk(path: Path, contents: Overlay) -> RecordedDisk:
    """A disk in memory of which nothing is written down."""
    return RecordedDisk(path, contents, lambda _event: None)


class RecordingIO:
    """A window of a `RecordedDisk`. See ``partitions.blockio.BlockIO``."""

    __slots__ = ("_access", "_channel", "_disk")

    def __init__(self, disk: RecordedDisk, channel: Channel, access: Access) -> None:
        self._disk = disk
        self._channel = channel
        self._access = access

    @property
    def path(self) -> Path:
        """The file that the real code believes to write."""
        return self._disk.path

    @property
    def size(self) -> int:
        """Bytes in the window."""
        return self._channel.size

    @property
    def sector_size(self) -> int | None:
        """None, as for any image file."""
        return None

    def pread(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``."""
        return self._disk.bytes.read(self._inside(offset, length), length)

    def pwrite(self, offset: int, data: Buffer) -> None:
        """Write all of ``data`` at ``offset``, and write it down."""
        if self._access is Access.READ:
            raise DeviceReadOnly(f"{self.path} was opened for reading only")
        kept = bytes(data)
        start = self._inside(offset, len(kept))
        self._disk.bytes.write(start, kept)
        self._disk.record(Write(self._channel, start, kept))

    def flush(self) -> None:
        """Write down that everything written through this window is durable."""
        self._disk.record(Flush(self._channel))

    def reread(self, offset: int, length: int) -> bytes:
        """Read like ``pread``.

        A real device may have to flush for this; nothing here may lean on that, so it is not
        written down as a flush.
        """
        return self.pread(offset, length)

    def close(self) -> None:
        """Nothing is held. Closing makes nothing durable."""

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

    def _inside(self, offset: int, length: int) -> int:
        """The place on the disk of an access inside the window."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise DeviceTooSmall(
                f"{length} bytes at {offset} of {self.path}: the window has {self.size}"
            )
        return self._channel.offset + offset
