"""A bundle or a directory as something to read files from, by name and from any offset.

Nothing is unpacked and nothing is ever written: the medium may be read-only. Only plain files are
read; a pipe or a device in a directory would block for ever or never end.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from updog.body import CHUNK, OneBody
from updog.errors import CutShort, DataError, NotThere, PermissionDenied, UnreachableError
from updog.offline.tarindex import read_index
from updog.pipeline.readranges import ReadAt

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


class Source(Protocol):
    """Files by name."""

    @property
    def path(self) -> Path:
        """What the operator named."""

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name."""

    def open(self, name: str, offset: int = 0) -> OneBody:
        """Begin to read a file from `offset`.

        Raises:
            NotThere: there is none of that name.
            UnreachableError: it cannot be read.
        """

    def reader(self, name: str) -> ReadAt:
        """Return what reads a file at any place, for as long as that is kept.

        Raises:
            NotThere: there is none of that name.
            UnreachableError: it cannot be read.
        """


def open_source(path: Path) -> Source:
    """Open a bundle or a directory.

    Raises:
        NotThere: there is nothing at that path.
        DataError: it is neither a directory nor a bundle, or a bundle that is damaged or hostile.
        UnreachableError, PermissionDenied: it cannot be read.
    """
    descriptor = _opened(path, str(path))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return Bundle(path, descriptor)
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        return Directory(path)
    raise DataError(f"{path} is neither a directory nor a bundle.")


class Bundle:
    """A bundle, which stays open and is read in place.

    Args:
        path: for messages.
        descriptor: the open file; taken over.

    Raises:
        DataError: it is not a bundle, or a damaged or hostile one.
        UnreachableError: it cannot be read.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.close = weakref.finalize(self, os.close, descriptor)
        try:
            length = os.fstat(descriptor).st_size
            self._members = read_index(self._pread, length)
        except DataError as error:
            self.close()
            hint = "Bundles are made by 'updog bundle export FILE' (docs/offline.md)."
            raise DataError(f"{path} is no bundle: {error}.", hint=hint) from error
        except OSError as error:
            self.close()
            raise UnreachableError(f"{path} cannot be read: {error.strerror}.") from error

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return name in self._members

    def open(self, name: str, offset: int = 0) -> OneBody:
        """Begin to read a file from `offset` (see `Source`)."""
        member = self._members.get(name)
        if member is None:
            raise NotThere(f"{self.path} holds no {name}")
        end = member.offset + member.size
        start = min(member.offset + offset, end)
        return OneBody(self._chunks(start, end), offset, total=member.size)

    def reader(self, name: str) -> ReadAt:
        """Return what reads a file at any place (see `Source`)."""
        member = self._members.get(name)
        if member is None:
            raise NotThere(f"{self.path} holds no {name}")

        def read(offset: int, most: int) -> bytes:
            return self._pread(member.offset + offset, min(most, max(0, member.size - offset)))

        return read

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        # A bound method keeps the bundle, and with it the descriptor, while the body lives.
        return _chunks(self._descriptor, start, end, str(self.path), keep=self)

    def _pread(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)


class Directory:
    """A directory with the layout of a repository.

    Args:
        path: the directory; links in it are followed, because published ones have some.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return self.path.joinpath(name).is_file()

    def open(self, name: str, offset: int = 0) -> OneBody:
        """Begin to read a file from `offset` (see `Source`)."""
        file = _PlainFile(self.path / name)
        chunks = _chunks(file.descriptor, offset, file.size, file.name, keep=file)
        return OneBody(chunks, offset, file.close, file.size)

    def reader(self, name: str) -> ReadAt:
        """Return what reads a file at any place (see `Source`)."""
        return _PlainFile(self.path / name).read


class _PlainFile:
    """An open file, which is closed when nobody needs it any more."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.descriptor = _opened(path, self.name)
        self.close = weakref.finalize(self, os.close, self.descriptor)
        facts = os.fstat(self.descriptor)
        self.size = facts.st_size
        if not stat.S_ISREG(facts.st_mode):
            self.close()
            raise NotThere(f"{self.name} is not a file")

    def read(self, offset: int, most: int) -> bytes:
        """At most that many bytes from an offset."""
        return os.pread(self.descriptor, most, offset)


def _chunks(descriptor: int, start: int, end: int, what: str, *, keep: object) -> Iterator[bytes]:
    while start < end:
        try:
            chunk = os.pread(descriptor, min(CHUNK, end - start), start)
        except OSError as error:
            raise CutShort(f"{what} could not be read to its end: {error.strerror}") from error
        if not chunk:
            raise CutShort(f"{what} became shorter while it was read")
        start += len(chunk)
        yield chunk
    del keep


def _opened(path: Path, what: str) -> int:
    try:
        # Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError as error:
        raise PermissionDenied(f"{what} may not be read.", hint="Run as root.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _ABSENT:
            hint = "Check the path after --from, and that the medium is mounted and whole."
            raise NotThere(f"{what} does not exist", hint=hint) from error
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreachableError(f"{what} cannot be read: {why}") from error
