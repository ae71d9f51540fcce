"""Page-cache writes that leave for the medium at once, and the cache soon after.

Left alone, the kernel gathers dirty pages for half a minute or up to a share of all memory: then
one long flush stands at the end, and everything else that was cached has been driven out. So each
batch is handed to the device as soon as it is complete, and the one before it is waited for.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable
from typing import TypeAlias

BATCH = 8 << 20
"""Bytes that are handed over together; at most two batches are dirty at any time."""
_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4
_NOT_HERE = {errno.ENOSYS, errno.EINVAL, errno.ESPIPE, errno.EPERM}

SyncRange: TypeAlias = Callable[[int, int, int, int], int]


def _find() -> SyncRange | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (AttributeError, OSError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    found: SyncRange = function
    return found


_native = _find()


class WriteBack:
    """Keeps the writes of one file or device on their way; one thread at a time.

    Args:
        descriptor: of what is written, by whomever.
        start: added to every offset.
        flush: what to do once a batch where the kernel cannot be asked for less.
        native: the C library's ``sync_file_range``; None where it has none.
    """

    def __init__(
        self,
        descriptor: int,
        start: int,
        flush: Callable[[], object],
        native: SyncRange | None = _native,
    ) -> None:
        self._fd = descriptor
        self._start = start
        self._flush = flush
        self._native = native
        self._gathered = 0
        self._low, self._high = _NOTHING
        self._leaving = _NOTHING

    def wrote(self, offset: int, length: int) -> None:
        """Tell of a write.

        Raises:
            OSError: an earlier write did not reach the medium.
        """
        self._low = min(self._low, self._start + offset)
        self._high = max(self._high, self._start + offset + length)
        self._gathered += length
        if self._gathered >= BATCH:
            self._hand_over()

    def forget(self) -> None:
        """All of it was flushed otherwise."""
        self._gathered = 0
        self._low, self._high = _NOTHING
        self._leaving = _NOTHING

    def _hand_over(self) -> None:
        batch, before = (self._low, self._high), self._leaving
        self.forget()
        if not self._sync(batch, _WRITE):
            self._flush()
            return
        self._leaving = batch
        if before != _NOTHING:
            self._sync(before, _WAIT_BEFORE | _WRITE | _WAIT_AFTER)
            with contextlib.suppress(OSError):  # advice only
                os.posix_fadvise(self._fd, before[0], before[1] - before[0], os.POSIX_FADV_DONTNEED)

    def _sync(self, batch: tuple[int, int], flags: int) -> bool:
        """Hand a range over; False where this kernel or file system cannot."""
        if self._native is None:
            return False
        if self._native(self._fd, batch[0], batch[1] - batch[0], flags) == 0:
            return True
        number = ctypes.get_errno()
        if number in _NOT_HERE:
            self._native = None
            return False
        raise OSError(number, os.strerror(number))


_NOTHING = (1 << 62, 0)
