"""Which bytes to ask a server for, in few requests. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappush, heappushpop


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
        wanted: ascending, not overlapping; any number, memory is bounded by `limit`.
        limit: the most ranges to come out, at least 1.
        gap: ranges this close are joined anyway: naming one costs about as many bytes.
    """
    ranges = _joined(wanted, gap)
    first = held = next(ranges, None)
    if first is None or held is None:
        return ()
    # The widest gaps so far, which stay open: nothing else of the ranges is held.
    widest: list[tuple[int, int, int]] = []
    for item in ranges:
        gap_here = (item.offset - held.end, held.end, item.offset)
        if len(widest) < limit - 1:
            heappush(widest, gap_here)
        elif widest:
            heappushpop(widest, gap_here)
        held = item
    gaps = sorted((end, begin) for _, end, begin in widest)
    begins = [first.offset, *(begin for _, begin in gaps)]
    ends = [*(end for end, _ in gaps), held.end]
    return tuple(Range(begin, end - begin) for begin, end in zip(begins, ends, strict=True))


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


def spelled(item: Range) -> str:
    """One range as HTTP writes it: both ends inclusive."""
    return f"{item.offset}-{item.end - 1}"


def header_for(wanted: Iterable[Range]) -> str:
    """The value of a ``Range`` header."""
    return "bytes=" + ",".join(map(spelled, wanted))
