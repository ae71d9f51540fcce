"""Bytes set aside in a file without a name: a verified map, or the hashes of a partition.

They are needed for as long as an installation lasts, and they grow with the image; so they are no
part of the process's memory. Nobody else can open the file, so what was compared with its signed
digest while it was written stays what it was. A power loss or a kill leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from updog.blockmap import MAX_RAW, limit_for
from updog.errors import StorageError, TargetMismatch
from updog.pipeline.facts import Signed
from updog.stream import Tally, algorithms_in, cap

_PLACES = ("/var/tmp", "/tmp")  # noqa: S108 - the file has no name that someone could guess
_PIECE = 1 << 18


class Scratch:
    """See the module; `updog.pipeline.columns.Slices` for reading.

    It is closed when nothing refers to it any more, or by `close`.

    Args:
        places: folders to try; a disk's is better than memory's. The last resort is memory.
    """

    def __init__(self, places: Iterable[str | Path] = _PLACES) -> None:
        self._fd = -1
        self._fd = _open(places)
        self._length = 0
        self._in_memory = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many bytes it holds."""
        return self._length

    def __getitem__(self, place: slice, /) -> memoryview:
        """Read a slice.

        Raises:
            StorageError: it cannot be read.
        """
        first, stop, _ = place.indices(self._length)
        found = memoryview(bytearray(max(0, stop - first)))
        done = 0
        with _reporting():
            while done < len(found):
                count = os.preadv(self._fd, [found[done:]], first + done)
                if not count:
                    raise StorageError("A temporary file became shorter while it was in use.")
                done += count
        return found.toreadonly()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes somewhere; several threads may.

        Raises:
            StorageError: there is no room.
        """
        view = memoryview(data)
        with self._lock, _reporting():
            try:
                _put(self._fd, view, offset)
            except OSError as error:
                if error.errno != errno.ENOSPC or self._in_memory:
                    raise
                self._move()
                _put(self._fd, view, offset)
            self._length = max(self._length, offset + len(view))

    def _move(self) -> None:
        """Go on in memory: a full disk shall cost no update, least of all one that has begun."""
        memory = os.memfd_create("updog", os.MFD_CLOEXEC)
        for at in range(0, self._length, _PIECE):
            _put(memory, memoryview(os.pread(self._fd, _PIECE, at)), at)
        full, self._fd, self._in_memory = self._fd, memory, True
        os.close(full)

    def append(self, data: bytes | memoryview) -> None:
        """Put bytes at the end.

        Raises:
            StorageError: there is no room.
        """
        self.write(self._length, data)

    def close(self) -> None:
        """Let go of the bytes; a second call does nothing."""
        if self._fd >= 0:
            descriptor, self._fd = self._fd, -1
            os.close(descriptor)

    def __del__(self) -> None:
        """Close."""
        self.close()


def _put(descriptor: int, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], offset + done)


def _open(places: Iterable[str | Path]) -> int:
    # O_EXCL: the file can never be given a name either.
    flags = os.O_TMPFILE | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    for place in places:
        with contextlib.suppress(OSError):
            return os.open(place, flags, 0o600)
    with _reporting():
        return os.memfd_create("updog", os.MFD_CLOEXEC)


@contextlib.contextmanager
def _reporting() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"A temporary file in {' or '.join(_PLACES)} failed: {error.strerror}.",
            hint="Make room in /var/tmp and try again.",
        ) from error


def check_map_length(signed: Signed, raw_length: int | None) -> None:
    """Refuse a map that is too large for its image, before a byte of it is fetched.

    Raises:
        TargetMismatch: it is.
    """
    limit = limit_for(MAX_RAW if raw_length is None else raw_length)
    if signed.packed_length > limit:
        raise TargetMismatch(
            f"{signed.name} has {signed.packed_length} bytes; no more than {limit} make sense.",
            hint="The image can still be fetched whole.",
        )


def receive_signed(signed: Signed, receive: Callable[[], Iterable[bytes]]) -> Scratch:
    """Receive a target, compare it with what was signed, and set it aside.

    Raises:
        TargetMismatch: it is not what was signed.
        UpdogError: the transfer failed.
        StorageError: there is no room for it.
    """
    arrived = Tally(algorithms_in(signed.hashes, signed.name))
    kept = Scratch()
    for chunk in arrived.through(cap(receive(), signed.packed_length, signed.name)):
        kept.append(chunk)
    arrived.check(signed.name, signed.packed_length, signed.hashes)
    return kept
