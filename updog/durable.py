"""Files that are either the old or the new content after a power cut, never something between."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from updog.errors import PermissionDenied, StorageError

Sync: TypeAlias = Callable[[int], None]
"""Puts what was written to an open file or folder on stable storage, as `os.fsync` does."""


def write_durably(path: Path, content: bytes, sync: Sync = os.fsync) -> None:
    """Replace `path` with `content` and return when that is on stable storage; see `write_pieces`.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    write_pieces(path, (content,), sync)


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview], sync: Sync = os.fsync) -> None:
    """Replace `path` and return when the new content is on stable storage.

    The folder is made if it is missing. Temporary file, fsync, rename, fsync of the folder: the
    rename must not reach the disk before the bytes it names.

    Args:
        path: the file.
        pieces: all of the content, in order.
        sync: how a file or folder gets to stable storage.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        make_folder(path.parent, sync)
        with draft.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            sync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent, sync)
    except PermissionError as error:
        raise PermissionDenied(f"{path} may not be written.", hint="Run as root.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error


def keep_first(path: Path, content: bytes) -> bytes:
    """Write `path` unless it is there, and return what it then holds, on stable storage.

    Of several processes that do this at once, one writes and all get the same content.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    from threading import get_native_id  # noqa: PLC0415 - start-up: few files are kept so

    own = path.with_name(f".{path.name}.{get_native_id()}")
    write_durably(own, content)
    try:
        # A hard link appears whole or not at all, and never replaces anything.
        path.hardlink_to(own)
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        remove_durably(own)
    return path.read_bytes()


def remove_durably(path: Path, sync: Sync = os.fsync) -> None:
    """Remove `path` if it is there and return when that is on stable storage.

    Args:
        path: the file.
        sync: how a folder gets to stable storage.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    try:
        path.unlink()
        sync_folder(path.parent, sync)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise PermissionDenied(f"{path} may not be removed.", hint="Run as root.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be removed: {error.strerror}.") from error


def read_small(path: Path, limit: int) -> bytes | None:
    """Read a state file of at most `limit` bytes; None if there is none.

    Raises:
        StorageError: it is longer, or the file system refused.
        PermissionDenied: this user may not read it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise PermissionDenied(f"{path} may not be read.", hint="Run as root.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > limit:
        raise StorageError(f"{path} is longer than the {limit} bytes it may have.")
    return content


def make_folder(path: Path, sync: Sync = os.fsync) -> None:
    """Create a folder and its parents where they are missing, each flushed into its parent.

    A file in a folder whose own name was lost in a power cut is lost with it.

    Args:
        path: the folder.
        sync: how a folder gets to stable storage.

    Raises:
        OSError: the file system refused, or something else has the name.
    """
    if path.is_dir():
        return
    make_folder(path.parent, sync)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent, sync)


def sync_folder(folder: Path, sync: Sync = os.fsync) -> None:
    """Put the names in a folder on stable storage: only then does a rename survive a power cut.

    Raises:
        OSError: the file system refused.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
