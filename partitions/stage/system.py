"""The second life of the initramfs, started for one set: open its root and hand over."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path
from typing import NoReturn

from partitions.layout import with_active
from partitions.stage import syscalls
from partitions.stage.disks import find_disk, set_nodes
from partitions.stage.errors import StageError
from partitions.stage.modules import load_modules
from partitions.stage.starting import mount_any, open_root
from partitions.stage.words import Words

WATCHDOG = Path("/dev/watchdog")

_ROOT = Path("/sysroot")
_SETTIMEOUT = 0xC0045706  # WDIOC_SETTIMEOUT of linux/watchdog.h


def hand_over(words: Words) -> NoReturn:
    """Open the root of the set that the command line names, and become its first process.

    Raises:
        PartitionError: a part of the set is not there or not right.
        OSError: the kernel refused a step.
    """
    if words.slot is None:
        raise StageError("the command line does not say which set this kernel was started for")
    if words.watchdog:
        start_watchdog(words.watchdog)
    found = find_disk(words.disk)
    partition_set = with_active(found.result.table, words.slot).active_set
    nodes = set_nodes(found.path, partition_set)
    mount_any(open_root("root", nodes, words, words.on_corruption), _ROOT)
    _become(words.init)


def start_watchdog(seconds: int) -> None:
    """Start a watchdog that nobody can stop by closing it; the system has to feed it from now on.

    A hardware watchdog is taken if its driver is loaded; otherwise the kernel's own, which resets
    a machine whose kernel still lives.

    Raises:
        OSError: there is neither.
    """
    if not WATCHDOG.exists():
        load_modules("watchdog", f"soft_margin={seconds} nowayout=1")
    descriptor = os.open(WATCHDOG, os.O_WRONLY | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, _SETTIMEOUT, struct.pack("i", seconds))
    # Closed without the letter that would stop it, when the system's init takes over.


def forget(folder: Path, device: int) -> None:
    """Remove everything below a folder that lies on one device; what is mounted there stays.

    The initramfs lives in memory, which nothing else gives back.
    """
    for entry in os.scandir(folder):
        if entry.stat(follow_symlinks=False).st_dev != device:
            continue
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                forget(Path(entry.path), device)
                Path(entry.path).rmdir()
            else:
                Path(entry.path).unlink()


def _become(init: str) -> NoReturn:
    """Make the mounted root the root of everything; nothing of this initramfs is left."""
    for name in ("proc", "sys", "dev"):
        syscalls.mount(f"/{name}", str(_ROOT / name), "", syscalls.MS_MOVE)
    os.chdir(_ROOT)
    # Only in an initramfs: a disk is never emptied by a mistake of whoever started this.
    if os.getpid() == 1 and os.major(Path("/").stat().st_dev) == 0:
        forget(Path("/"), Path("/").stat().st_dev)
    syscalls.mount(".", "/", "", syscalls.MS_MOVE)
    os.chroot(".")
    os.chdir("/")
    os.execv(init, [init])  # noqa: S606 - this is what an initramfs is for
