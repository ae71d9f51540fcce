"""The only opener of block devices and image files.

Three rules hold for every open: nothing is ever created, the size is known before the first
write, and no access leaves the extent. What keeps two writers apart depends on what is opened:

* a partition node opened with ``Access.WRITE`` is taken with ``O_EXCL``, which the kernel refuses
  while it is mounted, part of a device-mapper table, or taken by another program;
* a whole disk opened with ``Access.WRITE_SHARED`` cannot be taken so, because its partitions are
  mounted while boot bits change; it is locked with ``flock``, which also keeps udev from probing
  the disk between our writes (docs/boot-flags.md, "What the kernel and udev see");
* an image file is locked with ``flock``: shared for readers, exclusive for writers.

No lock is waited for without end: after ``LOCK_PATIENCE`` seconds the answer is ``DeviceBusy``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from partitions.blockio import Access, Buffer, Extent
from partitions.deviceerrors import reporting
from partitions.errors import DeviceError, DeviceReadOnly, DeviceTooSmall
from partitions.opening import BLKSSZGET, LOCK_PATIENCE, device_number, open_descriptor

_ALIGNMENT = 4096  # a multiple of every logical block size, as O_DIRECT wants it


def open_device(extent: Extent, access: Access, *, patience: float = LOCK_PATIENCE) -> Device:
    """Open a partition, disk or image file, or a window of one.

    Args:
        extent: what to open; a window must lie inside the device.
        access: see ``Access``.
        patience: seconds to wait for another holder of the lock.

    Raises:
        DeviceMissing: no such node or file, or a plain file where a node should be.
        DeviceBusy: mounted, or held by another program.
        DeviceDenied: no permission.
        DeviceReadOnly: opened for writing, but the device or file system is read-only.
        DeviceTooSmall: the extent reaches behind the end of the device.
        DeviceError: anything else, a directory for example.
    """
    descriptor = open_descriptor(extent.path, access, patience)
    try:
        return Device(extent, descriptor, access)
    except BaseException:
        os.close(descriptor)
        raise


class Device:
    """An open device; made by ``open_device``. See ``partitions.blockio.BlockIO``.

    Not to be shared between threads: a re-read changes the mode of the descriptor for a moment.
    """

    __slots__ = ("_access", "_bounce", "_failed_sync", "_fd", "_start", "_unsynced", "path", "size")

    path: Path
    size: int

    def __init__(self, extent: Extent, descriptor: int, access: Access) -> None:
        self.path = extent.path
        self.size = _extent_size(extent, descriptor)
        self._fd = descriptor
        self._start = extent.offset
        self._access = access
        self._unsynced = False
        self._failed_sync = False
        self._bounce: mmap.mmap | None = None

    @property
    def sector_size(self) -> int | None:
        """Logical sector size of a block device in bytes; None for an image file."""
        with reporting(self.path, "ask"):
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                return None
        return device_number(self._fd, BLKSSZGET, self.path)

    def pread(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``."""
        self._check_bounds(offset, length, "read")
        buffer = bytearray(length)
        self._read_into(memoryview(buffer), self._start + offset)
        return bytes(buffer)

    def pwrite(self, offset: int, data: Buffer) -> None:
        """Write all of ``data`` at ``offset``; durable only after ``flush``."""
        view = memoryview(data).cast("B")
        self._check_bounds(offset, len(view), "write")
        if self._access is Access.READ:
            raise DeviceReadOnly(f"{self.path} was opened for reading only; nothing was written")
        position = self._start + offset
        self._unsynced = True
        with reporting(self.path, "write to"):
            while view:
                written = os.pwrite(self._fd, view, position)
                view = view[written:]
                position += written

    def flush(self) -> None:
        """Return when everything written before is on stable storage.

        Raises:
            DeviceError: the device failed. The kernel reports a lost write only once, so every
                later call fails as well, until the device is opened anew.
        """
        if self._failed_sync:
            raise DeviceError(
                f"an earlier flush of {self.path} failed; what was written since then may be lost."
                " Check the device (dmesg) and run the command again"
            )
        self._failed_sync = True
        with reporting(self.path, "flush"):
            os.fsync(self._fd)
        self._failed_sync = False
        self._unsynced = False

    def reread(self, offset: int, length: int) -> bytes:
        """Read like ``pread``, but from the medium and not from the page cache.

        Pending writes are flushed first. Then the cached pages are dropped and the bytes read
        with O_DIRECT; where the file system knows no O_DIRECT, dropping the pages has to do.
        """
        self._check_bounds(offset, length, "read")
        if self._unsynced:
            self.flush()
        first = self._start + offset
        begin = first - first % _ALIGNMENT
        end = -(-(first + length) // _ALIGNMENT) * _ALIGNMENT
        with contextlib.suppress(OSError):  # advice only
            os.posix_fadvise(self._fd, begin, end - begin, os.POSIX_FADV_DONTNEED)
        with memoryview(self._aligned(end - begin)) as whole:
            self._read_medium(whole[: end - begin], begin, first + length - begin)
            return bytes(whole[first - begin : first - begin + length])

    def window(self, extent: Extent) -> Device:
        """Open another extent of the same file or device for reading, under the lock held here.

        A second `open_device` would wait for that lock, which an image file has but one of.

        Raises:
            DeviceTooSmall: the extent reaches behind the end.
            DeviceError: anything else.
        """
        with reporting(self.path, "open"):
            # Through the descriptor, not the path: it cannot have become another file meanwhile.
            descriptor = os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return Device(extent, descriptor, Access.READ)
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        if self._fd >= 0:
            descriptor, self._fd = self._fd, -1
            with reporting(self.path, "close"):
                os.close(descriptor)  # drops the flock as well
        self._bounce = None

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

    def _check_bounds(self, offset: int, length: int, verb: str) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise DeviceTooSmall(
                f"cannot {verb} {length} bytes at {offset} of {self.path}: it has {self.size};"
                " nothing was touched"
            )

    def _read_into(self, target: memoryview, position: int, *, needed: int | None = None) -> None:
        """Fill ``target``, of which only ``needed`` bytes must exist on the device."""
        needed = len(target) if needed is None else needed
        done = 0
        with reporting(self.path, "read from"):
            while done < needed:
                count = os.preadv(self._fd, [target[done:]], position + done)
                if count == 0:
                    raise DeviceTooSmall(
                        f"{self.path} became shorter while it was open: no byte at"
                        f" {position + done}"
                    )
                done += count

    def _read_medium(self, target: memoryview, position: int, needed: int) -> None:
        try:
            with _direct(self._fd):
                self._read_into(target, position, needed=needed)
        except DeviceError as error:
            # Some file systems take the flag and refuse the read; the pages are dropped already.
            if not (isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EINVAL):
                raise
            self._read_into(target, position, needed=needed)

    def _aligned(self, length: int) -> mmap.mmap:
        """Return page-aligned memory of at least ``length`` bytes, kept for the next call."""
        if self._bounce is None or len(self._bounce) < length:
            self._bounce = mmap.mmap(-1, max(length, _ALIGNMENT))
        return self._bounce


def _extent_size(extent: Extent, descriptor: int) -> int:
    with reporting(extent.path, "measure"):
        whole = os.lseek(descriptor, 0, os.SEEK_END)
    size = whole - extent.offset if extent.size is None else extent.size
    if size < 0 or extent.offset + size > whole:
        raise DeviceTooSmall(
            f"{extent} reaches behind the end of {extent.path}, which has {whole} bytes;"
            " the image was cut, or it is not the disk that the partition table describes"
        )
    return size


@contextlib.contextmanager
def _direct(descriptor: int) -> Iterator[None]:
    """Switch the page cache off for reads, where the file system allows it."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
