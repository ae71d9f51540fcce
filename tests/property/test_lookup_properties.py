"""Whatever two images share is found, each block once, and nothing else."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.blockmap import BLOCK, HASH_LENGTH, ZERO_HASH, BlockMap, Codec, Whole
from updog.pipeline.frontier import Frontier
from updog.pipeline.lookup import LONGEST, copy_runs

pytestmark = pytest.mark.property

STRETCH = st.tuples(st.integers(0, 700), st.integers(1, 300))


def column(words: list[int]) -> memoryview:
    return memoryview(b"".join(word.to_bytes(HASH_LENGTH, "little") for word in words))


def map_of(words: list[int]) -> BlockMap:
    length = len(words) * BLOCK
    whole = Whole(length, bytes(32), bytes(32), length, bytes(32))
    sizes = [BLOCK] * len(words)
    digests = memoryview(bytes(HASH_LENGTH * len(words)))
    return BlockMap(whole, Codec.NONE, 0, sizes, [1] * len(words), digests, column(words))


def spread(stretches: list[tuple[int, int]]) -> list[int]:
    """Words of an image that is made of stretches of one that never was."""
    return [first + at + 1 for first, count in stretches for at in range(count)]


@settings(max_examples=150, deadline=None)
@given(st.lists(STRETCH, min_size=1, max_size=8), st.lists(STRETCH, max_size=8), st.integers(0))
def test_what_the_active_partition_has_is_found_once_and_nothing_else(
    new: list[tuple[int, int]], old: list[tuple[int, int]], seed: int
) -> None:
    wanted, active = spread(new), spread(old)
    frontier = Frontier(len(wanted))
    chance = Random(seed)
    for block in range(len(wanted)):
        if chance.random() < 0.2:
            frontier.mark(block, 1)
    found: list[int] = []
    for run in copy_runs(map_of(wanted), frontier, column(active)):
        assert 1 <= run.count <= LONGEST
        found += range(run.target, run.target + run.count)
        for at in range(run.count):
            assert wanted[run.target + at] == active[run.source + at]
    have = set(active)
    missing = [b for b, word in enumerate(wanted) if word in have and not frontier.is_right(b)]
    assert sorted(found) == missing


def test_blocks_of_zeros_lead_nowhere_by_themselves() -> None:
    zero = int.from_bytes(ZERO_HASH, "little")
    active = column([zero] * 64 + [7, 8, 9])
    runs = list(copy_runs(map_of([5, 7, 8, 9, 6]), Frontier(5), active))
    assert [(run.target, run.source, run.count) for run in runs] == [(1, 64, 3)]
