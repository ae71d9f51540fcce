"""What the kernel says, in the words of our error tree."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from partitions.errors import (
    DeviceBusy,
    DeviceDenied,
    DeviceError,
    DeviceMissing,
    DeviceReadOnly,
)

# errno -> (error, what it means and what to do next)
_MEANINGS: dict[int, tuple[type[DeviceError], str]] = {
    errno.ENOENT: (DeviceMissing, "it does not exist, and it is never created"),
    errno.ENOTDIR: (DeviceMissing, "it does not exist, and it is never created"),
    errno.ENXIO: (DeviceMissing, "there is no device behind the node; was it unplugged?"),
    errno.ENODEV: (DeviceMissing, "there is no device behind the node; was it unplugged?"),
    errno.ENOMEDIUM: (DeviceMissing, "the drive is empty"),
    errno.EBUSY: (DeviceBusy, "it is mounted or held by another program; unmount it or wait"),
    errno.ETXTBSY: (DeviceBusy, "it is in use as swap or as a program"),
    errno.EACCES: (DeviceDenied, "no permission; run as root or as the owner"),
    errno.EPERM: (DeviceDenied, "no permission; run as root, and see `lsattr`"),
    errno.EROFS: (DeviceReadOnly, "it is read-only, or its file system is mounted so"),
    errno.EBADF: (DeviceReadOnly, "it is not open for this; was it closed?"),
    errno.ENOSPC: (DeviceError, "no space left where it is stored; free some and run again"),
    errno.EDQUOT: (DeviceError, "the disk quota is used up; free some space and run again"),
    errno.EIO: (DeviceError, "the device failed; see the kernel log (dmesg)"),
}


def device_error(error: OSError, path: Path, verb: str) -> DeviceError:
    """Turn a system error into ours.

    Args:
        error: what the kernel said.
        path: the node or file it happened to.
        verb: what was tried, in the infinitive, fitting before the path: "open", "write to".

    Returns:
        The error to raise; the class says who has to act, the message what to do next.
    """
    kind, meaning = _MEANINGS.get(error.errno or 0, (DeviceError, error.strerror or str(error)))
    return kind(f"cannot {verb} {path}: {meaning}")


@contextlib.contextmanager
def reporting(path: Path, verb: str) -> Iterator[None]:
    """Turn every system error of the block into ours; see ``device_error``."""
    try:
        yield
    except OSError as error:
        raise device_error(error, path, verb) from error
