"""A partition as the pipeline uses it: written past the page cache, by several threads at once.

The `BlockIO` that is handed in stays the one that owns the device: it holds the lock, knows the
size and flushes. Where it is a real device or image file, a second descriptor with O_DIRECT carries
the bulk; otherwise, and for the last bytes that do not fill a block, everything goes through the
BlockIO.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from typing import Protocol

from partitions.blockio import Access, BlockIO, Extent
from partitions.device import Device
from partitions.deviceerrors import reporting
from partitions.errors import DeviceTooSmall
from updog.pipeline.buffers import ALIGNMENT, PIECE, aligned, round_up
from updog.pipeline.writeback import WriteBack

EARLY = 128 << 20
"""Bytes written by O_DIRECT after which they are flushed."""


class Medium(Protocol):
    """What the stages write to and read back from; safe to be shared between threads."""

    @property
    def size(self) -> int:
        """Bytes that fit."""

    @property
    def past_cache(self) -> bool:
        """Whether bytes can be read back while others are written, without a flush each time."""

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of `data`; `offset` is a multiple of 4096. Aligned memory spares a copy.

        Raises:
            DeviceError: the device failed, or the data does not fit.
        """

    def read(self, offset: int, length: int, buffer: memoryview) -> memoryview:
        """Read from the medium into aligned memory and return the part that was asked for.

        Args:
            offset: a multiple of 4096.
            length: bytes wanted.
            buffer: from `buffers.aligned`, of `length` rounded up.

        Raises:
            DeviceError: the device failed, or has no such bytes.
        """

    def flush(self) -> None:
        """Return when everything written is on stable storage."""


@contextlib.contextmanager
def open_medium(io: BlockIO, extent: Extent, access: Access) -> Iterator[Medium]:
    """Make the best medium for an open device: O_DIRECT where that works.

    Args:
        io: the device, opened under the rules of ``partitions.device``; stays open.
        extent: what `io` was opened from.
        access: how it was opened.
    """
    direct = _direct_descriptor(io, extent, access)
    cached = _second_descriptor(io, extent, access) if direct is None else None
    try:
        if direct is not None:
            yield DirectMedium(io, direct, extent.offset)
        elif cached is not None:
            yield CachedMedium(io, WriteBack(cached, extent.offset, io.flush))
        else:
            yield CachedMedium(io)
    finally:
        for descriptor in (direct, cached):
            if descriptor is not None:
                os.close(descriptor)


def _direct_descriptor(io: BlockIO, extent: Extent, access: Access) -> int | None:
    if extent.offset % ALIGNMENT:
        return None
    descriptor = _second_descriptor(io, extent, access, os.O_DIRECT)
    if descriptor is None or _usable(descriptor, extent.offset, io.size):
        return descriptor
    os.close(descriptor)
    return None


def _second_descriptor(io: BlockIO, extent: Extent, access: Access, mode: int = 0) -> int | None:
    if not isinstance(io, Device):
        return None
    # Without O_EXCL: `io` holds the device already, and this process may share it with itself.
    flags = os.O_CLOEXEC | mode | (os.O_RDONLY if access is Access.READ else os.O_RDWR)
    try:
        return os.open(extent.path, flags)
    except OSError:
        return None


def _usable(descriptor: int, offset: int, size: int) -> bool:
    """Some file systems take the flag and refuse the first access."""
    if size < ALIGNMENT:
        return False
    try:
        os.preadv(descriptor, [aligned(ALIGNMENT)], offset)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True


class DirectMedium:
    """See `Medium`: a descriptor with O_DIRECT beside the BlockIO that owns the device."""

    past_cache = True

    def __init__(self, io: BlockIO, descriptor: int, start: int) -> None:
        self.size = io.size
        self._io = io
        self._fd = descriptor
        self._start = start
        self._lock = threading.Lock()
        self._unflushed = 0

    def write(self, offset: int, data: memoryview) -> None:
        """See `Medium`.

        Once in a while one of the writers flushes: past the page cache there is still the device's
        own, and one long flush would stand at the end, with nothing beside it to do.
        """
        self._write(offset, data)
        with self._lock:
            self._unflushed += len(data)
            if self._unflushed < EARLY:
                return
            self._unflushed = 0
        with reporting(self._io.path, "write to"):
            os.fdatasync(self._fd)

    def _write(self, offset: int, data: memoryview) -> None:
        _check_bounds(self._io, offset, len(data))
        bulk = len(data) - len(data) % ALIGNMENT
        with reporting(self._io.path, "write to"):
            done = 0
            while done < bulk:
                done += self._put(data[done:bulk], self._start + offset + done)
        if bulk < len(data):
            with self._lock:
                self._io.pwrite(offset + bulk, data[bulk:])

    def _put(self, data: memoryview, position: int) -> int:
        """Write past the cache; memory that is not aligned is copied into some that is."""
        try:
            return os.pwrite(self._fd, data, position)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        part = data[:PIECE]
        bounce = aligned(len(part))
        bounce[: len(part)] = part
        return os.pwrite(self._fd, bounce[: len(part)], position)

    def read(self, offset: int, length: int, buffer: memoryview) -> memoryview:
        """See `Medium`."""
        _check_bounds(self._io, offset, length)
        place, end = self._start + offset, round_up(length)
        with reporting(self._io.path, "read from"):
            done = 0
            while done < length:
                # An image file may end in mid-block: fewer bytes come than the aligned wish.
                count = os.preadv(self._fd, [buffer[done:end]], place + done)
                if count == 0 or (done + count < length and count % ALIGNMENT):
                    raise DeviceTooSmall(f"{self._io.path} became shorter while it was open")
                done += count
        return buffer[:length]

    def flush(self) -> None:
        """See `Medium`."""
        with self._lock:
            self._io.flush()


class CachedMedium:
    """See `Medium`: everything through the BlockIO, one thread at a time.

    Args:
        io: the device.
        write_back: keeps the writes on their way; None where `io` is not backed by the kernel.
    """

    past_cache = False

    def __init__(self, io: BlockIO, write_back: WriteBack | None = None) -> None:
        self.size = io.size
        self._io = io
        self._write_back = write_back
        self._lock = threading.Lock()

    def write(self, offset: int, data: memoryview) -> None:
        """See `Medium`."""
        with self._lock:
            self._io.pwrite(offset, data)
            if self._write_back is not None:
                with reporting(self._io.path, "write to"):
                    self._write_back.wrote(offset, len(data))

    def read(self, offset: int, length: int, buffer: memoryview) -> memoryview:
        """See `Medium`."""
        with self._lock:
            buffer[:length] = self._io.reread(offset, length)
        return buffer[:length]

    def flush(self) -> None:
        """See `Medium`."""
        with self._lock:
            self._io.flush()
            if self._write_back is not None:
                self._write_back.forget()


def _check_bounds(io: BlockIO, offset: int, length: int) -> None:
    if offset < 0 or offset % ALIGNMENT or offset + length > io.size:
        raise DeviceTooSmall(
            f"{length} bytes at {offset} do not lie inside {io.path}, which has {io.size}; nothing"
            " was touched"
        )
