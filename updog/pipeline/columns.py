"""Long columns of small values, read a window at a time from wherever they are kept. PURE.

The hashes of a large image are megabytes. Whoever goes through them needs some thousands at once;
so a column is anything that can be cut into slices, be it memory or a file, and memory does not
grow with the image.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

WINDOW = 1 << 16
"""Bytes that are read at once."""
_WORD = 8


class Slices(Protocol):
    """Bytes that can be read in slices; a memoryview is one."""

    def __len__(self) -> int:
        """How many bytes there are."""

    def __getitem__(self, place: slice, /) -> memoryview:
        """Read a slice, of step 1."""


class Numbers(Protocol):
    """Whole numbers in order; a list is one."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[int]:
        """Go through all of them."""

    def __getitem__(self, place: slice, /) -> Iterable[int]:
        """Consecutive ones, of step 1."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of other slices, not read before it is asked for.

    Attributes:
        whole: where it is a part of.
        start: offset of its first byte there.
        length: its bytes.
    """

    whole: Slices
    start: int
    length: int

    def __len__(self) -> int:
        """How many bytes it has."""
        return self.length

    def __getitem__(self, place: slice, /) -> memoryview:
        """Read a slice of it."""
        first, stop, _ = place.indices(self.length)
        return self.whole[self.start + first : self.start + max(first, stop)]


def part(whole: Slices, start: int, stop: int) -> Slices:
    """A part of other slices; of memory, as memory."""
    if isinstance(whole, memoryview):
        return whole[start:stop]
    return Part(whole, start, stop - start)


@dataclass(frozen=True, slots=True)
class Packed:
    """Little-endian numbers of equal size; see `Numbers`.

    Attributes:
        kind: as ``array`` spells it: ``I`` for 4 bytes, ``H`` for 2.
        content: their bytes.
    """

    kind: str
    content: Slices

    def __len__(self) -> int:
        """How many numbers there are."""
        return len(self.content) // array(self.kind).itemsize

    def __iter__(self) -> Iterator[int]:
        """Go through all of them."""
        for window in windows(self.content):
            yield from _numbers(self.kind, window)

    def __getitem__(self, place: slice, /) -> Packed:
        """Consecutive numbers, which are not read yet."""
        size = array(self.kind).itemsize
        first, stop, _ = place.indices(len(self))
        return Packed(self.kind, part(self.content, first * size, max(first, stop) * size))


def windows(content: Slices) -> Iterator[memoryview]:
    """Everything, a window at a time."""
    for at in range(0, len(content), WINDOW):
        yield content[at : at + WINDOW]


def words(content: Slices, first: int, count: int) -> Iterator[tuple[int, memoryview]]:
    """Values of 8 bytes as numbers, some thousands at a time.

    Args:
        content: the column.
        first: index of the first value.
        count: how many; fewer come where the column ends before.

    Returns:
        The index of the first value of each portion, and the portion.
    """
    stop = min(first + count, len(content) // _WORD)
    step = WINDOW // _WORD
    for at in range(first, stop, step):
        yield at, content[at * _WORD : min(at + step, stop) * _WORD].cast("Q")


def values(content: Slices, size: int, first: int = 0) -> Iterator[bytes]:
    """Values of that many bytes, from one of them on."""
    step = WINDOW // size * size
    for at in range(first * size, len(content), step):
        window = bytes(content[at : at + step])
        for place in range(0, len(window), size):
            yield window[place : place + size]


def _numbers(kind: str, content: memoryview) -> array[int]:
    column = array(kind)
    column.frombytes(content)
    if sys.byteorder == "big":
        column.byteswap()
    return column
