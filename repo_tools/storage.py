"""Files that are either wholly there or not there at all, whatever moment the power goes.

Every file of a repository comes into being in one way: written under a temporary name in its own
folder, flushed to the disk, renamed, and the folder flushed. A reader, a web server included, sees
the old bytes or the new ones. Temporary names start with a dot; nothing serves or reads them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from repo_tools.errors import DraftError, PublisherBusy
from updog.durable import Sync, sync_folder

CHUNK = 1 << 20
PUBLIC = 0o644
PRIVATE = 0o600
_TEMPORARY = ".tmp-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path, *, mode: int = PUBLIC, sync: Sync = os.fsync) -> Iterator[BinaryIO]:
    """Give a file to write; it takes the place of ``path`` when the block ends without an error.

    Args:
        path: final place; its folder must exist.
        mode: permission bits of the finished file, whatever the umask.
        sync: how a file or folder gets to stable storage.

    Raises:
        OSError: the folder cannot be written, or the disk is full. ``path`` is then unchanged.
    """
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    temporary = Path(name)
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            sync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent, sync)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give ``path`` to what the system reports about a full disk, since that names no file.

    Raises:
        OSError: the same.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _FULL:
            error.filename = str(path)
        raise


def write(path: Path, data: bytes, *, mode: int = PUBLIC) -> None:
    """Put ``data`` at ``path`` in one step; see `replacing`."""
    with replacing(path, mode=mode) as file:
        file.write(data)


def copy(source: Path, destination: Path, *, expected: str) -> None:
    """Copy a file in one step, provided that its bytes are the expected ones.

    Args:
        source: the file.
        destination: where it goes.
        expected: hexadecimal SHA-256 of the bytes.

    Raises:
        DraftError: ``source`` holds other bytes; ``destination`` is then unchanged.
    """
    digest = sha256()
    with source.open("rb") as reader, replacing(destination) as writer:
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        if digest.hexdigest() != expected:
            raise DraftError(
                f"{source} was changed after it had been added.",
                hint="Remove the update from the draft and add it again from its images.",
            )


def link(source: Path, destination: Path) -> None:
    """Give a file a second name in the same folder, in one step; the bytes exist once.

    Files here are replaced and never changed, so neither name can alter what the other one shows.
    """
    if source == destination:
        return
    temporary = destination.with_name(f"{_TEMPORARY}link-{destination.name}")
    temporary.unlink(missing_ok=True)
    temporary.hardlink_to(source)
    temporary.replace(destination)
    # Renaming one name of a file onto another one of it does nothing at all.
    temporary.unlink(missing_ok=True)
    sync_folder(destination.parent, os.fsync)


def make_folder(path: Path, *, mode: int = 0o755, sync: Sync = os.fsync) -> None:
    """Create a folder and its parents where they are missing, each flushed into its parent.

    Args:
        path: the folder.
        mode: permission bits of ``path`` when it is created here.
        sync: how a folder gets to stable storage.
    """
    if path.is_dir():
        return
    make_folder(path.parent, sync=sync)
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    sync_folder(path.parent, sync)


def sweep(folder: Path) -> None:
    """Remove what killed runs left behind. Only for the holder of the repository's lock."""
    for left_behind in folder.glob(f"{_TEMPORARY}*"):
        left_behind.unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path`` for the length of the block.

    The kernel drops the lock when the process ends, however it ends, so there are no stale locks.

    Raises:
        PublisherBusy: another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PUBLIC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise PublisherBusy(
            f"Another updog-repo is at work in {path.parent}.",
            hint="Wait until it has finished, then run the command again.",
        ) from error
    try:
        yield
    finally:
        os.close(handle)
