from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from updog.blockmap import BLOCK, HASH_LENGTH, ZERO_HASH, BlockMap, Codec, Whole
from updog.pipeline.frontier import Frontier
from updog.pipeline.local import zero_runs

SHIFTED = (ZERO_HASH[3:] + bytes(3), bytes(5) + ZERO_HASH[:3], ZERO_HASH[4:] + ZERO_HASH[:4])
"""Hashes that have the one of zero between them, or nearly."""
WORDS = st.sampled_from([ZERO_HASH, bytes(8), b"\xff" * 8, *SHIFTED])


def test_the_hash_of_zero_does_not_begin_as_it_ends() -> None:
    parts = range(1, HASH_LENGTH)
    assert not any(ZERO_HASH.startswith(ZERO_HASH[-count:]) for count in parts)


@given(st.lists(WORDS, min_size=1, max_size=60), st.sets(st.integers(0, 59)))
def test_zero_runs_are_the_missing_blocks_whose_hash_is_that_of_zero(
    words: list[bytes], right: set[int]
) -> None:
    length = len(words) * BLOCK
    whole = Whole(length, bytes(32), bytes(32), length, bytes(32))
    sizes = [BLOCK] * len(words)
    digests = memoryview(bytes(HASH_LENGTH * len(words)))
    hashes = memoryview(b"".join(words))
    blockmap = BlockMap(whole, Codec.NONE, 0, sizes, [1] * len(words), digests, hashes)
    frontier = Frontier(len(words))
    for block in right:
        if block < len(words):
            frontier.mark(block, 1)
    found = [
        block
        for first, count in zero_runs(blockmap, frontier)
        for block in range(first, first + count)
    ]
    expected = [at for at, word in enumerate(words) if word == ZERO_HASH and at not in right]
    assert found == expected
