"""The few things that are done to a file system, each one call, so that a test can stop before any.

Nothing here is durable by itself. What must survive a power cut is followed by a ``sync``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from updog.durable import sync_folder


class Files(Protocol):
    """Changes to a file system; each raises OSError where that refuses."""

    def make_folder(self, path: Path, mode: int, owner: tuple[int, int] | None) -> None:
        """Make a folder, which must not exist, in one that does."""

    def write(self, path: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
        """Make a file, which must not exist."""

    def sync_file(self, path: Path) -> None:
        """Put the content of a file on stable storage."""

    def sync_folder(self, path: Path) -> None:
        """Put the names in a folder on stable storage."""

    def link(self, path: Path, leads_to: str) -> None:
        """Make a symbolic link, which must not exist."""

    def rename(self, old: Path, new: Path) -> None:
        """Give a file, link or folder another name, in place of what has it."""

    def unlink(self, path: Path) -> None:
        """Remove a file or link."""

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""


class RealFiles:
    """The file system itself (see `Files`). ``owner`` is user and group, or None for our own."""

    def make_folder(self, path: Path, mode: int, owner: tuple[int, int] | None) -> None:
        """Make a folder."""
        path.mkdir(mode=0o700)
        _dress(path, mode, owner)

    def write(self, path: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
        """Make a file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(content)
        _dress(path, mode, owner)

    def sync_file(self, path: Path) -> None:
        """Put the content of a file on stable storage."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Put the names in a folder on stable storage."""
        sync_folder(path)

    def link(self, path: Path, leads_to: str) -> None:
        """Make a symbolic link."""
        path.symlink_to(leads_to)

    def rename(self, old: Path, new: Path) -> None:
        """Give something another name."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Remove a file or link."""
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()


def _dress(path: Path, mode: int, owner: tuple[int, int] | None) -> None:
    # The owner first: a change of it can take bits of the mode away.
    if owner is not None and owner != (os.geteuid(), os.getegid()):
        os.chown(path, *owner, follow_symlinks=False)
    path.chmod(mode)
