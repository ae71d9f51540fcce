"""Whether there is room on a file system for what a run will write, asked before it writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from updog.errors import StorageError

SLACK = 1 << 20
"""Bytes that should stay free beside what is known to be written: metadata, notes, directories.

Less is worth a warning (`updog doctor`) and no reason to go without an update.
"""


class Need(NamedTuple):
    """What is about to be written to one folder.

    Attributes:
        folder: where; it may be missing still.
        needed: bytes.
        what: takes them, for the message.
    """

    folder: Path
    needed: int
    what: str


def free_bytes(path: Path) -> int | None:
    """Bytes that this user may still write where `path` is, or will be; None where nobody tells."""
    facts = _file_system(path)
    # One without a size, such as a tmpfs without a limit, has no free blocks either.
    return facts.f_bavail * facts.f_frsize if facts and facts.f_blocks else None


def absent(folder: Path, lengths: Mapping[str, int]) -> dict[str, int]:
    """Those of some files, by name, that are not in a folder yet with the length they must have."""
    return {name: length for name, length in lengths.items() if _length(folder / name) != length}


def peak(folder: Path, lengths: Mapping[str, int]) -> int:
    """The most that files take while they are written in turn, each beside the one it replaces.

    Args:
        folder: where.
        lengths: bytes of each file by its name, in the order of writing.
    """
    facts = _file_system(folder)
    block = max(1, facts.f_frsize) if facts else 1
    taken = most = 0
    for name, length in lengths.items():
        new, old = (-(-one // block) * block for one in (length, _length(folder / name) or 0))
        most = max(most, taken + new)
        taken += new - old
    return most


def require(needs: Iterable[Need]) -> None:
    """Refuse to begin what cannot be finished for want of room; each file system is asked once.

    Raises:
        StorageError: there is less room somewhere.
    """
    shared: dict[int, list[Need]] = {}
    for need in needs:
        device = _device(need.folder)
        if device is not None:
            shared.setdefault(device, []).append(need)
    for together in shared.values():
        _require(together)


def _require(needs: list[Need]) -> None:
    """The same for the folders of one file system."""
    free, needed = free_bytes(needs[0].folder), sum(need.needed for need in needs)
    if free is None or needed <= free:
        return
    folders = dict.fromkeys(str(need.folder) for need in needs if need.needed)
    raise StorageError(
        f"{' and '.join(folders)}: {free} bytes are free there, and"
        f" {' and '.join(need.what for need in needs if need.needed)} take {needed}.",
        hint="Nothing was installed. Make room there and run the command again.",
    )


def _file_system(path: Path) -> os.statvfs_result | None:
    try:
        return os.statvfs(_existing(path))
    except OSError:
        return None


def _device(path: Path) -> int | None:
    try:
        return _existing(path).stat().st_dev
    except OSError:
        return None


def _length(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _existing(path: Path) -> Path:
    return next((one for one in (path, *path.parents) if one.exists()), Path("/"))
