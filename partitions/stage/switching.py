"""From the initramfs to the system: its root becomes the root of everything."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NoReturn

from partitions.stage import syscalls
from partitions.stage.disks import SetNodes
from partitions.stage.starting import mount_any, open_root
from partitions.stage.words import Words

ROOT = Path("/sysroot")


def become(nodes: SetNodes, words: Words) -> NoReturn:
    """Open the root of a set and become the system's first process; nothing of the initramfs stays.

    Raises:
        PartitionError: a part of the set is not there or not right.
        OSError: the kernel refused a step.
    """
    mount_any(open_root(nodes, words), ROOT)
    for name in ("proc", "sys", "dev"):
        syscalls.mount(f"/{name}", str(ROOT / name), "", syscalls.MS_MOVE)
    os.chdir(ROOT)
    # Only in an initramfs: a disk is never emptied by a mistake of whoever started this.
    if os.getpid() == 1 and os.major(Path("/").stat().st_dev) == 0:
        forget(Path("/"), Path("/").stat().st_dev)
    syscalls.mount(".", "/", "", syscalls.MS_MOVE)
    os.chroot(".")
    os.chdir("/")
    os.execv(words.init, [words.init])  # noqa: S606 - this is what an initramfs is for


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
