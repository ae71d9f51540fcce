"""Memory that is made once, aligned for O_DIRECT, and used again for every piece of an image."""

from __future__ import annotations

import mmap

ALIGNMENT = 4096
"""A multiple of every logical block size, as O_DIRECT wants offsets, lengths and addresses."""
PIECE = 1 << 20
"""Bytes that move between two stages at once: they stay in the processor's cache on the way."""


def aligned(length: int = PIECE) -> memoryview:
    """Make page-aligned memory of that many bytes, rounded up to whole pages.

    Every page is touched here, so that memory use does not grow while an image moves.
    """
    size = round_up(max(length, 1))
    view = memoryview(mmap.mmap(-1, size))
    for page in range(0, size, ALIGNMENT):
        view[page] = 0
    return view


def round_up(length: int) -> int:
    """The next multiple of the alignment."""
    return -(-length // ALIGNMENT) * ALIGNMENT


class Comparer:
    """Compares two pieces of memory at memcmp's speed; holds one copy, so one for each thread.

    Only a bytearray compares with a view as plain memory; two views go element by element.
    """

    def __init__(self, length: int = PIECE) -> None:
        self._copy = bytearray(length)

    def same(self, one: memoryview, other: memoryview) -> bool:
        """Whether the two, of equal length, hold the same bytes."""
        if len(self._copy) != len(one):
            self._copy = bytearray(len(one))
        with memoryview(self._copy) as copy:
            copy[:] = one
        return self._copy == other
