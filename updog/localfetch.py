"""Repositories in a directory of this machine: ``file://`` addresses."""

from __future__ import annotations

import errno
import os
import stat
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from updog.body import CHUNK, OneBody, read_capped
from updog.errors import CutShort, NotThere, UnreachableError

if TYPE_CHECKING:
    from updog.pipeline.source import RangeSource

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


class LocalFetcher:
    """Gets files by ``file://`` address; parameters behind a ``?`` mean nothing here."""

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file (see `updog.body.Fetcher`)."""
        return read_capped(self.open(url), url, max_bytes)

    def open(self, url: str, *, offset: int = 0) -> OneBody:
        """Begin to read a file from `offset` (see `updog.body.Fetcher`)."""
        path = _path(url)
        try:
            file = _opened(path)
            file.seek(offset)
        except (OSError, ValueError) as error:
            raise _refused(path, error) from error
        length = os.fstat(file.fileno()).st_size
        return OneBody(_chunks(file, path), offset, file.close, length)

    def ranges(self, url: str, name: str, spend: Callable[[int], object]) -> RangeSource:
        """Return a file in ranges (see `updog.body.RangeFetcher`).

        Raises:
            NotThere: there is no such file.
            UnreachableError: it cannot be read.
        """
        from updog.pipeline.readranges import ReadRanges  # noqa: PLC0415 - start-up: images only

        path = _path(url)
        try:
            file = _opened(path)
        except (OSError, ValueError) as error:
            raise _refused(path, error) from error
        return ReadRanges(_Reader(file), name, spend)


class _Reader:
    """Reads a file at any place; the file is closed when nobody needs this any more."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()
        weakref.finalize(self, file.close)

    def __call__(self, offset: int, most: int) -> bytes:
        return os.pread(self._descriptor, most, offset)


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise UnreachableError(
            f"{url} names the host {parts.netloc!r}",
            hint="A local repository is written file:///path, with three slashes.",
        )
    return Path(unquote(parts.path))


def _opened(path: Path) -> BinaryIO:
    # Not blocking: a pipe on a foreign stick would hold us until somebody writes into it.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError("it is no regular file")
    return file


def _chunks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    try:
        while chunk := file.read(CHUNK):
            yield chunk
    except OSError as error:
        raise CutShort(f"{path} could not be read to its end: {error.strerror}") from error
    finally:
        file.close()


def _refused(path: Path, error: OSError | ValueError) -> UnreachableError:
    if isinstance(error, OSError) and error.errno in _ABSENT:
        return NotThere(
            f"{path} does not exist",
            hint="Check the addresses in the configuration, and that the medium is mounted.",
        )
    why = error.strerror if isinstance(error, OSError) else str(error)
    return UnreachableError(f"{path} cannot be read: {why}")
