"""Blocks that need no network: zeros, and those that the active partition holds anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from updog.blockmap import BLOCK, HASH_LENGTH, ZERO_HASH, BlockMap
from updog.pipeline.buffers import aligned
from updog.pipeline.columns import words
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.looks import Looks
from updog.pipeline.lookup import Run, missing_runs
from updog.pipeline.scan import REGION, hashes_of
from updog.pipeline.stages import Channel, Crew
from updog.pipeline.writer import PieceWriter

WORKERS = 2
_ZEROS = re.compile(b"(?:" + re.escape(ZERO_HASH) + b")+")


def write_zeros(medium: Medium, blockmap: BlockMap, frontier: Frontier, counters: Counters) -> None:
    """Write the blocks that are all zero.

    Raises:
        DeviceError: the device failed.
    """
    zeros = aligned(REGION * BLOCK)
    writer = PieceWriter(medium, frontier, counters, Looks())
    for first, count in zero_runs(blockmap, frontier):
        for at in range(first, first + count, REGION):
            frontier.check()
            size = min(REGION, first + count - at)
            writer.put(at * BLOCK, zeros[: size * BLOCK])
            counters.add(zeroed=size * BLOCK)


def zero_runs(blockmap: BlockMap, frontier: Frontier) -> Iterator[tuple[int, int]]:
    """First block and count of each run of missing blocks that are all zero."""
    for first, count in missing_runs(frontier, blockmap.blocks):
        for start, portion in words(blockmap.hashes, first, count):
            for at, length in _zeros(portion.tobytes()):
                yield start + at, length


def _zeros(hashes: bytes) -> Iterator[tuple[int, int]]:
    """Index and count of each run of the hash of zero.

    Searching is many times faster than looking at each. What is found between two hashes is none,
    and hides none: the hash of zero does not begin as it ends.
    """
    at = hashes.find(ZERO_HASH)
    while at >= 0:
        end = at + 1
        if at % HASH_LENGTH == 0 and (run := _ZEROS.match(hashes, at)):
            end = run.end()
            yield at // HASH_LENGTH, (end - at) // HASH_LENGTH
        at = hashes.find(ZERO_HASH, end)


class Copier:
    """Copies runs from the active partition.

    The first block of a run has to have its hash: so hashes of something else altogether are found
    out before much is written. The other blocks of such a run are then looked at one by one; of a
    run that begins well they are left to whoever reads the whole image back.

    Args:
        active: where to read.
        medium: where to write.
        blockmap: of the wanted image.
        frontier: told what is right.
        counters: told what was copied.
    """

    def __init__(
        self,
        active: Medium,
        medium: Medium,
        blockmap: BlockMap,
        frontier: Frontier,
        counters: Counters,
    ) -> None:
        self._active = active
        self._medium = medium
        self._map = blockmap
        self._frontier = frontier
        self._counters = counters

    def copy(self, runs: Iterator[Run]) -> None:
        """Copy on some threads at once.

        Raises:
            DeviceError: a device failed.
        """
        waiting: Channel[Run] = Channel(4 * WORKERS)
        with Crew(waiting, cancel=self._counters.cancel) as crew:
            for number in range(WORKERS):
                crew.start(lambda: self._work(waiting), f"copy-{number}")
            for run in runs:
                waiting.put(run)
            waiting.close()

    def _work(self, runs: Channel[Run]) -> None:
        buffer = aligned(REGION * BLOCK)
        for run in runs:
            self._frontier.check()
            if (run.source + run.count) * BLOCK <= self._active.size:
                self._one(run, buffer)

    def _one(self, run: Run, buffer: memoryview) -> None:
        data = self._active.read(run.source * BLOCK, run.count * BLOCK, buffer)
        expected = self._map.hashes[
            run.target * HASH_LENGTH : (run.target + run.count) * HASH_LENGTH
        ]
        if hashes_of(data[:BLOCK]) == expected[:HASH_LENGTH]:
            self._write(run.target, data)
            return
        found = hashes_of(data)
        for at in range(1, run.count):
            place = slice(at * HASH_LENGTH, (at + 1) * HASH_LENGTH)
            if found[place] == expected[place]:
                self._write(run.target + at, data[at * BLOCK : (at + 1) * BLOCK])

    def _write(self, first: int, data: memoryview) -> None:
        self._medium.write(first * BLOCK, data)
        self._frontier.mark(first, len(data) // BLOCK)
        self._counters.add(copied=len(data), written=len(data))
