"""Which bytes to ask a server for, in few requests. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import pairwise


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Bytes of a file.

    Attributes:
        offset: the first one.
        length: how many; at least 1.
    """

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.length


def coalesce(wanted: Iterable[Range], *, limit: int, gap: int) -> tuple[Range, ...]:
    """Join ascending ranges until there are at most `limit`, wasting as few bytes as possible.

    Args:
        wanted: ascending, not overlapping.
        limit: the most ranges to come out, at least 1.
        gap: ranges this close are joined anyway: naming one costs about as many bytes.
    """
    near = tuple(_joined(wanted, gap))
    surplus = len(near) - limit
    if surplus <= 0:
        return near
    gaps = ((after.offset - before.end, at) for at, (before, after) in enumerate(_pairs(near)))
    closed = {at for _, at in nsmallest(surplus, gaps)}
    return tuple(_closed(near, closed))


def _pairs(ranges: Sequence[Range]) -> Iterator[tuple[Range, Range]]:
    return pairwise(ranges)


def _joined(wanted: Iterable[Range], gap: int) -> Iterator[Range]:
    held: Range | None = None
    for item in wanted:
        if held is not None and item.offset - held.end <= gap:
            held = Range(held.offset, item.end - held.offset)
            continue
        if held is not None:
            yield held
        held = item
    if held is not None:
        yield held


def _closed(ranges: Sequence[Range], closed: set[int]) -> Iterator[Range]:
    """Join each range with the next where the gap behind it is among `closed`."""
    start = 0
    for at, item in enumerate(ranges):
        if at not in closed:
            yield Range(ranges[start].offset, item.end - ranges[start].offset)
            start = at + 1


def spelled(item: Range) -> str:
    """One range as HTTP writes it: both ends inclusive."""
    return f"{item.offset}-{item.end - 1}"


def header_for(wanted: Iterable[Range]) -> str:
    """The value of a ``Range`` header."""
    return "bytes=" + ",".join(map(spelled, wanted))
