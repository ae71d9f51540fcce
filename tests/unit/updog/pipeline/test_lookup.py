from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from updog.blockmap import BLOCK, HASH_LENGTH, BlockMap, Codec, Whole
from updog.pipeline.frontier import Frontier
from updog.pipeline.lookup import AT_ONCE, Run, copy_runs

BLOCKS = 12 * AT_ONCE


@dataclass
class Counted:
    """A column that counts what is read of it."""

    content: memoryview
    read: int = 0

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, place: slice, /) -> memoryview:
        found = self.content[place]
        self.read += len(found)
        return found


def column(seed: int) -> memoryview:
    return memoryview(Random(seed).randbytes(BLOCKS * HASH_LENGTH))


def shuffled(content: memoryview) -> memoryview:
    """The same values, none of them beside its neighbour."""
    order = [at * HASH_LENGTH for at in Random(3).sample(range(BLOCKS), BLOCKS)]
    return memoryview(b"".join(content[at : at + HASH_LENGTH] for at in order))


def wanting(hashes: memoryview) -> BlockMap:
    length = BLOCKS * BLOCK
    whole = Whole(length, bytes(32), bytes(32), length, bytes(32))
    sizes = [BLOCK] * BLOCKS
    return BlockMap(whole, Codec.NONE, 0, sizes, [1] * BLOCKS, memoryview(b""), hashes)


def found(wanted: memoryview, active: Counted | memoryview) -> list[Run]:
    return list(copy_runs(wanting(wanted), Frontier(BLOCKS), active))


def test_an_unrelated_partition_is_gone_through_twice_however_large_the_image_is() -> None:
    active = Counted(column(2))
    assert not found(column(1), active)
    # Once for the long stretches, once for the short pieces.
    assert active.read <= 2 * len(active)


def test_every_block_is_found_where_none_has_its_neighbours() -> None:
    active = column(1)
    runs = found(shuffled(active), active)
    assert sum(run.count for run in runs) == BLOCKS


def test_short_pieces_are_given_in_the_order_of_the_image() -> None:
    active = column(1)
    wanted = shuffled(active)
    places = [run.target for run in found(wanted, active)]
    # The long stretches come first; then everything from the beginning again.
    turns = sum(after < before for before, after in pairwise(places))
    assert turns <= 1
