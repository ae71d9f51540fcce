"""The writing stage: pieces of an image onto its partition, except those that are there."""

from __future__ import annotations

from updog.pipeline.buffers import PIECE, Comparer, aligned
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.looks import Looks


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
        self._present = aligned(PIECE)
        self._comparer = Comparer(PIECE)

    def put(self, offset: int, piece: memoryview) -> None:
        """Make at most `PIECE` bytes right on the medium.

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
        present = self._medium.read(offset, len(piece), self._present)
        same = self._comparer.same(piece, present)
        self._looks.saw(same=same)
        return same
