"""What a partition holds, in the hashes of a block map."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

from updog.blockmap import BLOCK, HASH_LENGTH, ZERO_HASH, BlockMap
from updog.pipeline.buffers import aligned
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.stages import Channel, Crew

REGION = 256
"""Blocks that are read at once, 1 MiB."""
SAMPLES = 4
"""Blocks of a region that are looked at before all of it is."""
WORKERS = 2


def hashes_of(data: memoryview) -> bytes:
    """The cut hashes of consecutive blocks."""
    return b"".join(
        [sha256(data[at : at + BLOCK]).digest()[:HASH_LENGTH] for at in range(0, len(data), BLOCK)]
    )


def find_right(medium: Medium, blockmap: BlockMap, frontier: Frontier, counters: Counters) -> None:
    """Mark the blocks that are right on the inactive partition already.

    A region is hashed only if one of its samples is right: another image's content there costs a
    few small reads. Whatever an interrupted run wrote is found but for its last few blocks.

    Raises:
        DeviceError: the device failed.
    """
    regions: Channel[int] = Channel(2 * WORKERS)
    with Crew(regions) as crew:
        for number in range(WORKERS):
            scanner = _RegionScanner(medium, blockmap, frontier, counters)
            crew.start(partial(scanner.run, regions), f"scan-{number}")
        for first in range(0, blockmap.blocks, REGION):
            regions.put(first)
        regions.close()


class _RegionScanner:
    def __init__(
        self, medium: Medium, blockmap: BlockMap, frontier: Frontier, counters: Counters
    ) -> None:
        self._medium = medium
        self._map = blockmap
        self._frontier = frontier
        self._counters = counters
        self._buffer = aligned(REGION * BLOCK)

    def run(self, regions: Channel[int]) -> None:
        for first in regions:
            count = min(REGION, self._map.blocks - first)
            if self._promising(first, count):
                self._hash(first, count)

    def _promising(self, first: int, count: int) -> bool:
        step = max(1, count // SAMPLES)
        samples = [
            n for n in range(first, first + count, step) if self._map.hash_of(n) != ZERO_HASH
        ]
        # Nothing but zeros where it was sampled: only reading tells, and it spares writes.
        return not samples or any(self._is_right(block) for block in samples)

    def _is_right(self, block: int) -> bool:
        data = read_blocks(self._medium, self._map.whole.raw_length, block, 1, self._buffer)
        return hashes_of(data) == self._map.hash_of(block)

    def _hash(self, first: int, count: int) -> None:
        data = read_blocks(self._medium, self._map.whole.raw_length, first, count, self._buffer)
        found = memoryview(hashes_of(data)).cast("Q")
        expected = self._map.hashes[first * HASH_LENGTH : (first + count) * HASH_LENGTH].cast("Q")
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


def scan_all(medium: Medium, length: int) -> bytes:
    """The cut hashes of everything up to `length`, where no map of it was kept.

    Raises:
        DeviceError: the device failed.
    """
    blocks = length // BLOCK
    found = bytearray(blocks * HASH_LENGTH)
    regions: Channel[int] = Channel(2 * WORKERS)

    def work() -> None:
        buffer = aligned(REGION * BLOCK)
        for first in regions:
            count = min(REGION, blocks - first)
            data = medium.read(first * BLOCK, count * BLOCK, buffer)
            found[first * HASH_LENGTH : (first + count) * HASH_LENGTH] = hashes_of(data)

    with Crew(regions) as crew:
        for number in range(WORKERS):
            crew.start(work, f"scan-{number}")
        for first in range(0, blocks, REGION):
            regions.put(first)
        regions.close()
    return bytes(found)
