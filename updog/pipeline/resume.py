"""What an interrupted run has fetched, found again although most around it is still missing.

Fetching and copying go on at the same time, so a kill can leave fetched blocks in regions of which
nothing else is right; looking at such a region here and there would miss them. But spans are
fetched in the order of the image. So where a region holds a fetched block, the first block of it
that had to be fetched is right as well; and where anything was fetched at all, so was the first
span of one of the requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from updog.blockmap import BLOCK, BlockMap, block_hash
from updog.pipeline.buffers import aligned
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.scan import REGION, read_blocks


def find_fetched(
    medium: Medium,
    blockmap: BlockMap,
    todo: Frontier,
    begins: Iterable[int],
    counters: Counters,
) -> Iterator[tuple[int, int]]:
    """Give first block and count of what need not be fetched again.

    Args:
        medium: the inactive partition.
        blockmap: of the wanted image.
        todo: what is missing there is to be fetched; what was given out may be marked meanwhile.
        begins: the first block of each request that would be sent.
        counters: told what is right already.

    Raises:
        DeviceError: the device failed.
    """
    buffer = aligned(REGION * BLOCK)
    length = blockmap.whole.raw_length

    def right(block: int) -> bool:
        found = read_blocks(medium, length, block, 1, buffer)
        return block_hash(found) == blockmap.hash_of(block)

    begun = {block // REGION for block in begins if right(block)}
    if not begun:
        return
    for start in range(0, blockmap.blocks, REGION):
        stop = min(start + REGION, blockmap.blocks)
        first = todo.missing(start, stop)
        if first < 0 or not (start // REGION in begun or right(first)):
            continue
        data = read_blocks(medium, length, first, stop - first, buffer)
        for block in range(first, stop):
            piece = data[(block - first) * BLOCK : (block - first + 1) * BLOCK]
            if not todo.is_right(block) and block_hash(piece) == blockmap.hash_of(block):
                counters.add(kept=len(piece))
                yield block, 1
