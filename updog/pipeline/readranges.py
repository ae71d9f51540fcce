"""Ranges of a file that can be read at any place: on a stick, in a bundle, in a directory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from updog.body import CHUNK
from updog.errors import CutShort
from updog.pipeline.multipart import Piece
from updog.pipeline.ranges import Range

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""Gives at most that many bytes from an offset; fewer, or none, at the end of the file."""


class ReadRanges:
    """See `updog.pipeline.source.RangeSource`.

    Args:
        read: how to read; safe to be called by several threads.
        name: of the target, for messages.
        spend: told of each byte before it is passed on.
    """

    whole_only = False

    def __init__(
        self, read: ReadAt, name: str, spend: Callable[[int], object] = lambda _count: None
    ) -> None:
        self.requests = 0
        self._read = read
        self._name = name
        self._spend = spend
        self._lock = threading.Lock()

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        """See `RangeSource`."""
        with self._lock:
            self.requests += 1
        for item in wanted:
            at = item.offset
            while at < item.end:
                data = self._chunk(at, min(CHUNK, item.end - at))
                self._spend(len(data))
                yield Piece(at, memoryview(data))
                at += len(data)

    def _chunk(self, offset: int, length: int) -> bytes:
        try:
            data = self._read(offset, length)
        except OSError as error:
            raise CutShort(f"{self._name} cannot be read: {error.strerror}") from error
        if not data:
            raise CutShort(f"{self._name} ends before byte {offset}")
        return data
