"""What a partition holds, in the hashes of a block map."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

from updog.blockmap import BLOCK, HASH_LENGTH, ZERO_HASH, ZERO_WORD, BlockMap, block_hash
from updog.pipeline.buffers import aligned
from updog.pipeline.cancel import Cancel
from updog.pipeline.columns import Slices
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.scratch import Scratch
from updog.pipeline.stages import Channel, Crew

REGION = 256
"""Blocks that are read at once, 1 MiB."""
SAMPLES = 4
"""Blocks of a region that are looked at before all of it is."""
DENSE = 8
"""Regions at the start that are looked at closely: that is where an interrupted run began."""
SPREAD = 128
"""Further regions, over the whole image, that a first look takes a block of."""
WORKERS = 2
_BLANK = memoryview(ZERO_HASH * REGION).cast("Q")


def hashes_of(data: memoryview) -> bytes:
    """The cut hashes of consecutive blocks."""
    return b"".join([block_hash(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK)])


def find_right(
    medium: Medium,
    blockmap: BlockMap,
    frontier: Frontier,
    counters: Counters,
    *,
    blanks: bool = False,
) -> None:
    """Mark the blocks that are right on the inactive partition already.

    A first look takes few blocks: another image's content, which is the ordinary case, costs next
    to nothing. Where that finds something, every region is sampled, and hashed if one of its
    samples is right. Whatever an interrupted run wrote is found but for its last few blocks.

    Args:
        medium: the inactive partition.
        blockmap: of the wanted image.
        frontier: where to mark them.
        counters: told what is right.
        blanks: look at every region that is to be zero as well. Whoever writes does that later.

    Raises:
        DeviceError: the device failed.
    """
    first = _RegionScanner(medium, blockmap, frontier, counters)
    regions = range(0, blockmap.blocks, REGION)
    thorough = any(first.looks_right(at, most) for at, most in _first_look(regions))
    if not thorough and not blanks:
        return
    waiting: Channel[int] = Channel(2 * WORKERS)
    with Crew(waiting, cancel=counters.cancel) as crew:
        for number in range(WORKERS):
            scanner = _RegionScanner(medium, blockmap, frontier, counters)
            crew.start(partial(scanner.run, waiting), f"scan-{number}")
        for region in regions:
            if thorough or first.is_blank(region):
                waiting.put(region)
        waiting.close()


def _first_look(regions: range) -> Iterator[tuple[int, int]]:
    """Regions at the start, and a block each of some others."""
    for first in regions[:DENSE]:
        yield first, SAMPLES
    for first in regions[DENSE :: max(1, len(regions) // SPREAD)]:
        yield first, 1


class _RegionScanner:
    def __init__(
        self, medium: Medium, blockmap: BlockMap, frontier: Frontier, counters: Counters
    ) -> None:
        self._medium = medium
        self._map = blockmap
        self._frontier = frontier
        self._counters = counters
        self._buffer = aligned(REGION * BLOCK)

    def looks_right(self, first: int, most: int = SAMPLES) -> bool:
        """Whether a sample of a region is right; zeros say nothing about what was written."""
        return any(self._is_right(block, cut) for block, cut in self._samples(first)[:most])

    def is_blank(self, first: int) -> bool:
        """Whether a region is zero wherever it is sampled: reading tells, and spares writes."""
        return not self._samples(first)

    def run(self, regions: Channel[int]) -> None:
        for first in regions:
            if self.is_blank(first) or self.looks_right(first):
                self._hash(first)

    def _samples(self, first: int) -> list[tuple[int, int]]:
        """Some blocks of a region that are not zero, with their hashes as numbers."""
        count = self._count(first)
        step = max(1, count // SAMPLES)
        cuts = self._expected(first, count)
        return [(first + at, cuts[at]) for at in range(0, count, step) if cuts[at] != ZERO_WORD]

    def _expected(self, first: int, count: int) -> memoryview:
        return self._map.hashes[first * HASH_LENGTH : (first + count) * HASH_LENGTH].cast("Q")

    def _count(self, first: int) -> int:
        return min(REGION, self._map.blocks - first)

    def _is_right(self, block: int, cut: int) -> bool:
        data = read_blocks(self._medium, self._map.whole.raw_length, block, 1, self._buffer)
        return int.from_bytes(hashes_of(data), sys.byteorder) == cut

    def _hash(self, first: int) -> None:
        count = self._count(first)
        data = read_blocks(self._medium, self._map.whole.raw_length, first, count, self._buffer)
        expected = self._expected(first, count)
        # Comparing is many times faster than hashing; only a bytearray does it as plain memory.
        if expected == _BLANK[:count] and bytearray(len(data)) == data:
            self._keep(first, count, len(data))
            return
        found = memoryview(hashes_of(data)).cast("Q")
        if found == expected:
            self._keep(first, count, len(data))
            return
        for at, (one, other) in enumerate(zip(found, expected, strict=True)):
            if one == other:
                self._keep(first + at, 1, min(BLOCK, len(data) - at * BLOCK))

    def _keep(self, first: int, count: int, length: int) -> None:
        self._frontier.mark(first, count)
        self._counters.add(kept=length)


def read_blocks(
    medium: Medium, length: int, first: int, count: int, buffer: memoryview
) -> memoryview:
    """Read blocks of an image of that length; the last one may be short."""
    offset = first * BLOCK
    return medium.read(offset, min(count * BLOCK, length - offset), buffer)


def scan_all(medium: Medium, length: int, cancel: Cancel | None = None) -> Slices:
    """The cut hashes of everything up to `length`, where no map of it was kept.

    Raises:
        DeviceError: the device failed.
        StorageError: there is no room for them.
    """
    blocks = length // BLOCK
    found = Scratch()
    regions: Channel[int] = Channel(2 * WORKERS)

    def work() -> None:
        buffer = aligned(REGION * BLOCK)
        for first in regions:
            count = min(REGION, blocks - first)
            data = medium.read(first * BLOCK, count * BLOCK, buffer)
            found.write(first * HASH_LENGTH, hashes_of(data))

    with Crew(regions, cancel=cancel) as crew:
        for number in range(WORKERS):
            crew.start(work, f"scan-{number}")
        for first in range(0, blocks, REGION):
            regions.put(first)
        regions.close()
    return found
