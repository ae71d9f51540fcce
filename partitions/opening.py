"""Getting hold of a device node or image file: existing, of the right kind, and alone.

See ``partitions.device`` for the rules; this is how they are kept.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import time
from pathlib import Path

from partitions.blockio import Access
from partitions.deviceerrors import device_error, reporting
from partitions.errors import DeviceBusy, DeviceError, DeviceMissing, DeviceReadOnly

LOCK_PATIENCE = 1.0
"""Seconds until a held lock counts as busy; udev and `status` hold theirs for milliseconds."""

BLKROGET = 0x125E
BLKSSZGET = 0x1268

_LOCK_PAUSE = 0.05
_DEV = Path("/dev")
_SHM = Path("/dev/shm")  # noqa: S108 - memory-backed files, the one place in /dev for plain files


def open_descriptor(path: Path, access: Access, patience: float) -> int:
    """Open a device node or image file under the rules of ``partitions.device``.

    Args:
        path: the node or file; links are followed, but not to a plain file under /dev.
        access: see ``Access``.
        patience: seconds to wait for another holder of the lock.

    Returns:
        A file descriptor, locked where its kind calls for it. The caller closes it.

    Raises:
        DeviceError: see ``partitions.device.open_device``.
    """
    kind = _kind(path)
    descriptor = _open(path, kind, access)
    try:
        _refuse_read_only(descriptor, path, kind, access)
        if stat.S_ISREG(kind) or access is Access.WRITE_SHARED:
            _lock(descriptor, path, access, patience)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def device_number(descriptor: int, request: int, path: Path) -> int:
    """Ask the kernel for one integer about a block device (an ioctl of linux/fs.h)."""
    with reporting(path, "ask"):
        answer = fcntl.ioctl(descriptor, request, bytes(4))
    number: int = struct.unpack("i", answer)[0]
    return number


def _kind(path: Path) -> int:
    """Return the file mode of what ``path`` leads to, or refuse what is no device or image."""
    with reporting(path, "find"):
        mode = path.stat().st_mode
    if stat.S_ISREG(mode) and (_in_dev(path.absolute()) or _in_dev(path.resolve())):
        raise DeviceMissing(
            f"{path} is a plain file where a device node should be; a program wrote there before"
            " the node existed. Remove the file and let udev make the node"
        )
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise DeviceError(f"{path} is neither a block device nor an image file")
    return mode


def _in_dev(path: Path) -> bool:
    return path.is_relative_to(_DEV) and not path.is_relative_to(_SHM)


def _open(path: Path, kind: int, access: Access) -> int:
    # O_CREAT stands nowhere: a missing node must stay an error.
    flags = os.O_CLOEXEC | (os.O_RDONLY if access is Access.READ else os.O_RDWR)
    if access is Access.WRITE and stat.S_ISBLK(kind):
        flags |= os.O_EXCL
    try:
        return os.open(path, flags)
    except OSError as error:
        if access is not Access.READ and stat.S_ISBLK(kind) and _is_read_only(path):
            raise _read_only(path) from error
        raise device_error(error, path, "open") from error


def _refuse_read_only(descriptor: int, path: Path, kind: int, access: Access) -> None:
    # Newer kernels let a read-only block device be opened for writing and fail the first write.
    writing = access is not Access.READ and stat.S_ISBLK(kind)
    if writing and device_number(descriptor, BLKROGET, path):
        raise _read_only(path)


def _read_only(path: Path) -> DeviceReadOnly:
    return DeviceReadOnly(f"{path} is set read-only; see `blockdev --getro {path}`")


def _is_read_only(path: Path) -> bool:
    """Tell whether a device that refused to be opened for writing is set read-only."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return bool(device_number(descriptor, BLKROGET, path))
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, access: Access, patience: float) -> None:
    operation = fcntl.LOCK_SH if access is Access.READ else fcntl.LOCK_EX
    pauses = round(patience / _LOCK_PAUSE)
    for pause in range(pauses + 1):
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if pause == pauses:
                raise DeviceBusy(
                    f"{path} is in use by another program; try again when it has finished"
                ) from error
            time.sleep(_LOCK_PAUSE)
        except OSError as error:
            raise device_error(error, path, "lock") from error
        else:
            return
