from __future__ import annotations

import tracemalloc

from updog.blockmap import BLOCK, BlockMap, Codec, Whole
from updog.pipeline.asking import requests_for
from updog.pipeline.columns import Packed
from updog.pipeline.frontier import Frontier

BLOCKS = 100_000


def of_single_bytes() -> BlockMap:
    """A map whose spans are a block each, and a byte in the published file."""
    length = BLOCKS * BLOCK
    return BlockMap(
        Whole(length, bytes(32), bytes(32), BLOCKS, bytes(32)),
        Codec.ZSTD,
        0,
        Packed("I", memoryview(b"\1\0\0\0" * BLOCKS)),
        Packed("H", memoryview(b"\1\0" * BLOCKS)),
        memoryview(bytes(8 * BLOCKS)),
        memoryview(bytes(8 * BLOCKS)),
    )


def test_a_request_for_any_number_of_spans_holds_none_of_them() -> None:
    blockmap, frontier = of_single_bytes(), Frontier(BLOCKS)
    tracemalloc.start()
    try:
        requests = list(requests_for(blockmap, frontier, together=False))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [request.stop for request in requests] == [BLOCKS]
    assert peak < 1 << 20
