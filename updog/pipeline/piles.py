"""Pairs of numbers, put into piles, so that many of them can be gone through a part at a time.

Whoever compares two long columns has to hold a part of one beside the other, and to go through all
of the other for each part. With both in piles by the same rule, a pile of one can only meet the
same pile of the other: each is read once. What does not fit in memory is set aside in a file.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from updog.pipeline.scratch import Scratch

HELD = 1 << 12
"""Pairs that are in memory at the most, and some thousands more."""
_WORD: Final = "Q"
_WIDTH = 2 * array(_WORD).itemsize


class Piles:
    """Pairs of numbers below 2⁶⁴, piled up by the first of each.

    Args:
        count: how many piles.
        width: how many numbers beside each other go into the same pile; the next ones go into the
            next pile, after the last pile comes the first.
    """

    def __init__(self, count: int, width: int = 1) -> None:
        self._width = width
        self._held = [array(_WORD) for _ in range(count)]
        self._pairs = 0
        self._kept = Scratch()
        # Where each pile ends in the file, one row for each time that all were set aside.
        self._ends: list[array[int]] = []

    def __len__(self) -> int:
        """How many piles there are."""
        return len(self._held)

    def add(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put some thousands of pairs where they belong.

        Raises:
            StorageError: there is no room for them.
        """
        held, count, width = self._held, len(self._held), self._width
        before = self._pairs
        for self._pairs, (key, value) in enumerate(pairs, before + 1):
            held[key // width % count].extend((key, value))
        if self._pairs >= HELD:
            self._set_aside()

    def pile(self, number: int) -> Iterator[tuple[int, int]]:
        """The pairs of one pile, in the order in which they came."""
        for ends in self._ends:
            numbers = self._kept[ends[number] : ends[number + 1]].cast(_WORD)
            yield from zip(numbers[::2], numbers[1::2], strict=True)
        held = self._held[number]
        yield from zip(held[::2], held[1::2], strict=True)

    def close(self) -> None:
        """Let go of all."""
        self._kept.close()

    def _set_aside(self) -> None:
        ends = array(_WORD, (len(self._kept),))
        content = array(_WORD)
        for pile in self._held:
            content.extend(pile)
            ends.append(ends[0] + len(content) * content.itemsize)
            del pile[:]
        self._kept.append(memoryview(content).cast("B"))
        self._ends.append(ends)
        self._pairs = 0
