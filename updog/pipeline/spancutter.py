"""Spans of a block map, cut out of bytes that arrive in ranges. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from updog.blockmap import Span
from updog.pipeline.multipart import Piece


class SpanCutter:
    """Collects wanted spans; every other byte is dropped.

    Args:
        wanted: ascending.
        memory: as large as the longest of them; may be used again for the next cutter.
    """

    def __init__(self, wanted: Iterable[Span], memory: memoryview) -> None:
        self._wanted = iter(wanted)
        self._next = next(self._wanted, None)
        self._memory = memory
        self._held = 0

    @property
    def ended(self) -> bool:
        """Whether every span has been given out."""
        return self._next is None

    def feed(self, piece: Piece) -> Iterator[tuple[Span, memoryview]]:
        """Take bytes with their place; they ascend, apart from gaps.

        A piece that leaves a gap inside a span loses that span's beginning: the span stays missing,
        and so do those after it, until the caller asks for them again.

        Returns:
            Spans as they are stored, each valid until the next one is asked for.
        """
        offset, data = piece.offset, memoryview(piece.data)
        while (span := self._next) is not None:
            reached = span.offset + self._held
            if offset > reached or offset + len(data) <= reached:
                return
            fresh = data[reached - offset : span.offset + span.length - offset]
            if len(fresh) == span.length:
                # Most spans come in one piece, and need not be moved.
                self._next = next(self._wanted, None)
                yield span, fresh
                continue
            self._memory[self._held : self._held + len(fresh)] = fresh
            self._held += len(fresh)
            if self._held < span.length:
                return
            self._held = 0
            self._next = next(self._wanted, None)
            yield span, self._memory[: span.length]
