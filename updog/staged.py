"""What was last written to the inactive set, kept for people: the disk itself does not tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from updog.durable import read_small, remove_durably, write_durably

LIMIT = 64 << 10


class StagedUpdate(NamedTuple):
    """An update that `install.stage` finished.

    It is only a label: whether the set may boot is decided by its boot bits alone.
    """

    slot: str
    variant: str
    arch: str
    version: str


def remember(path: Path, staged: StagedUpdate) -> None:
    """Keep the label.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    write_durably(path, json.dumps(staged._asdict(), indent=2).encode() + b"\n")


def forget(path: Path) -> None:
    """Drop the label, before the set it names is overwritten.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    remove_durably(path)


def recall(path: Path) -> StagedUpdate | None:
    """The label, or None where there is none that can be read.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not read it.
    """
    content = read_small(path, LIMIT)
    try:
        said = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    names = StagedUpdate._fields
    if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in names):
        return None
    return StagedUpdate(*(said[name] for name in names))
