"""Copies of whole stores, by content: only plain files and folders come along."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from updog.datastore.errors import StoreError
from updog.datastore.files import Files
from updog.datastore.reader import MAX_DEPTH, MAX_FILE, MAX_FILES


@dataclass(frozen=True, slots=True)
class Dress:
    """Whose the copy is, and who may read it.

    Attributes:
        owner: user and group; None for our own.
        folder_mode: permission bits of folders.
        file_mode: of files.
    """

    owner: tuple[int, int] | None
    folder_mode: int
    file_mode: int

    @classmethod
    def like(cls, folder: Path) -> Dress:
        """The owner and permissions of an existing store.

        Raises:
            OSError: the file system refused.
        """
        found = folder.stat()
        mode = stat.S_IMODE(found.st_mode) & 0o777
        return cls((found.st_uid, found.st_gid), mode, mode & 0o666)


def copy_store(source: Path, target: Path, dress: Dress, files: Files, *, durable: bool) -> None:
    """Copy a store.

    Args:
        source: what to copy.
        target: where to; must not exist.
        dress: whose the copy is.
        files: the file system.
        durable: return only when the copy, its name included, is on stable storage.

    Raises:
        StoreError: there is something that is neither a file nor a folder, or too much of it.
        OSError: the file system refused.
    """
    _Copy(dress, files, durable=durable).folder(source, target, 0)
    if durable:
        # The name last: whoever finds the folder after a power cut finds all that is in it.
        files.sync_folder(target.parent)


def remove_store(folder: Path, files: Files) -> None:
    """Remove a folder with all that is in it; links are removed, never followed.

    Raises:
        OSError: the file system refused.
    """
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_store(Path(entry.path), files)
        else:
            files.unlink(Path(entry.path))
    files.remove_folder(folder)


class _Copy:
    """One copy, with bounds on what a store may be."""

    def __init__(self, dress: Dress, files: Files, *, durable: bool) -> None:
        self._dress = dress
        self._files = files
        self._durable = durable
        self._left = MAX_FILES

    def folder(self, source: Path, target: Path, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise StoreError(f"{source} is nested deeper than {MAX_DEPTH} folders")
        self._files.make_folder(target, self._dress.folder_mode, self._dress.owner)
        with os.scandir(source) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                self.folder(Path(entry.path), target / entry.name, depth + 1)
            elif entry.is_file(follow_symlinks=False):
                self._file(Path(entry.path), target / entry.name)
            else:
                raise StoreError(f"{entry.path} is neither a file nor a folder")
        if self._durable:
            self._files.sync_folder(target)

    def _file(self, source: Path, target: Path) -> None:
        self._left -= 1
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE or self._left < 0:
            raise StoreError(f"{source}: a store has at most {MAX_FILES} files of {MAX_FILE} bytes")
        self._files.write(target, content, self._dress.file_mode, self._dress.owner)
        if self._durable:
            self._files.sync_file(target)
