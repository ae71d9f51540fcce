"""Where the published bytes of an image come from, in ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from updog.pipeline.multipart import Piece
from updog.pipeline.ranges import Range
from updog.pipeline.stages import Leavable, stoppable


class RangeSource(Protocol):
    """One published file; may be used by several threads at once."""

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""

    @property
    def whole_only(self) -> bool:
        """Whether the server has shown that it knows no ranges: ask once, for everything."""

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        """Give the bytes of ascending ranges, with their places.

        A server is free to send more than was asked for, up to the whole file, so other bytes may
        come too: the caller takes what it can use, from wherever it can use it.

        Raises:
            UnreachableError: no usable answer.
            CutShort: the transfer broke off, or the server was found to know no ranges; what was
                given out counts, and another round gives the rest.
        """


class Guarded:
    """A `RangeSource` that asks before each fetch whether it may go on.

    Args:
        inner: the source.
        guard: raises where it may not.
    """

    def __init__(self, inner: RangeSource, guard: Callable[[], None]) -> None:
        self._inner = inner
        self._guard = guard

    @property
    def requests(self) -> int:
        """See `RangeSource`."""
        return self._inner.requests

    def stop(self) -> None:
        """End the transfers under way, from another thread, where the source can."""
        for waiting in stoppable(self._inner):
            waiting.stop()

    def leave(self) -> None:
        """End everything, from another thread, where the source can; see `stages.Leavable`."""
        if isinstance(self._inner, Leavable):
            self._inner.leave()
        else:
            self.stop()

    @property
    def whole_only(self) -> bool:
        """See `RangeSource`."""
        return self._inner.whole_only

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        """See `RangeSource`."""
        self._guard()
        return self._inner.fetch(wanted)
