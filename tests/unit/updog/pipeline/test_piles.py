from __future__ import annotations

import tracemalloc
from contextlib import closing

from updog.pipeline.piles import HELD, Piles


def gathered(piles: Piles) -> list[list[tuple[int, int]]]:
    return [list(piles.pile(number)) for number in range(len(piles))]


def test_pairs_lie_in_the_pile_of_their_first_number() -> None:
    with closing(Piles(3)) as piles:
        piles.add([(4, 10), (9, 11), (1, 12)])
        assert gathered(piles) == [[(9, 11)], [(4, 10), (1, 12)], []]


def test_numbers_beside_each_other_can_share_a_pile() -> None:
    with closing(Piles(2, width=10)) as piles:
        piles.add([(0, 1), (9, 2), (10, 3), (25, 4)])
        assert gathered(piles) == [[(0, 1), (9, 2), (25, 4)], [(10, 3)]]


def test_what_was_set_aside_comes_before_what_is_held_and_nothing_is_lost() -> None:
    pairs = [(number, 2**64 - 1 - number) for number in range(3 * HELD + 5)]
    with closing(Piles(7)) as piles:
        for at in range(0, len(pairs), 1000):
            piles.add(pairs[at : at + 1000])
        assert gathered(piles) == [pairs[number::7] for number in range(7)]


def test_memory_does_not_grow_with_the_pairs() -> None:
    tracemalloc.start()
    try:
        with closing(Piles(20)) as piles:
            for first in range(0, 10 * HELD, 1000):
                piles.add((number, number) for number in range(first, first + 1000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
