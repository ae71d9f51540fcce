"""The writing stage: pieces of an image onto its partition, except those that are there."""

from __future__ import annotations

from updog.pipeline.buffers import Comparer, aligned
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.looks import Looks

_LOOK = 256 << 10
"""Bytes that are read and compared at once: a difference is found early."""


class PieceWriter:
    """Writes pieces for one thread.

    A piece that the partition holds already is not written: flash wears out by writes. Looking
    costs a read, so `Looks` decides where it is worth it.

    Args:
        medium: where to write.
        frontier: told what is right.
        counters: told what was written and kept.
        looks: shared by all writers of one image.
    """

    def __init__(
        self, medium: Medium, frontier: Frontier, counters: Counters, looks: Looks
    ) -> None:
        self._medium = medium
        self._frontier = frontier
        self._counters = counters
        self._looks = looks
        self._present = aligned(_LOOK)
        self._comparer = Comparer(_LOOK)

    def put(self, offset: int, piece: memoryview) -> None:
        """Make a piece right on the medium.

        Raises:
            DeviceError: the device failed.
        """
        if self._looks.wanted() and self._is_there(offset, piece):
            self._counters.add(kept=len(piece))
        else:
            self._medium.write(offset, piece)
            self._counters.add(written=len(piece))
        self._frontier.mark_bytes(offset, len(piece))

    def _is_there(self, offset: int, piece: memoryview) -> bool:
        same = all(
            self._same(offset + at, piece[at : at + _LOOK]) for at in range(0, len(piece), _LOOK)
        )
        self._looks.saw(same=same)
        return same

    def _same(self, offset: int, part: memoryview) -> bool:
        return self._comparer.same(part, self._medium.read(offset, len(part), self._present))
