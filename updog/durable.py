"""Files that are either the old or the new content after a power cut, never something between."""

from __future__ import annotations

import os
from pathlib import Path
from threading import get_native_id

from updog.errors import PermissionDenied, StorageError


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` with `content` and return when that is on stable storage.

    The folder is made if it is missing. Temporary file, fsync, rename, fsync of the folder: the
    rename must not reach the disk before the bytes it names.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
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


def remove_durably(path: Path) -> None:
    """Remove `path` if it is there and return when that is on stable storage.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    try:
        path.unlink()
        _sync_folder(path.parent)
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
