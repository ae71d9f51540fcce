"""Whether there is room on a file system for what a run will write, asked before it writes."""

from __future__ import annotations

import os
from pathlib import Path

from updog.errors import StorageError

SLACK = 1 << 20
"""Bytes that should stay free beside what is known to be written: metadata, notes, directories."""


def free_bytes(path: Path) -> int | None:
    """Bytes that this user may still write where `path` is, or will be; None where nobody tells."""
    existing = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
    try:
        facts = os.statvfs(existing)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize


def require(path: Path, needed: int, what: str) -> None:
    """Refuse to begin what cannot be finished for want of room.

    Args:
        path: the folder that is written to.
        needed: bytes.
        what: takes them, for the message.

    Raises:
        StorageError: there is less room than that.
    """
    free = free_bytes(path)
    if free is not None and free < needed:
        raise StorageError(
            f"{path} has {free} bytes free, and {what} take {needed}.",
            hint="Nothing was changed. Make room there and run the command again.",
        )
