"""What to ask a server for, so that it sends the spans of a block map that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from updog.blockmap import BlockMap, Place
from updog.pipeline.frontier import Frontier
from updog.pipeline.ranges import Range, coalesce

REQUESTS = 8
"""Requests for a sparse fetch; ten are the most, so two are left for what has to be asked again."""
RANGES_EACH = 330
"""Ranges of one request: servers commonly refuse header lines above 8 KiB."""
PLANNED = (REQUESTS + 1) * RANGES_EACH
"""Ranges that may be held before the first of them is asked for."""
GAP = 256
"""Ranges this close become one: the head of another part has about as many bytes."""
STRETCH = 8 << 20
"""Bytes of one request where nearly everything is fetched."""
LEAST = 256 << 10
"""Bytes below which another request costs more than it brings."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and where the spans begin that its answer holds.

    Attributes:
        ranges: what to ask for.
        place: its first span.
        stop: index of the span to end before.
    """

    ranges: tuple[Range, ...]
    place: Place
    stop: int


def requests_for(blockmap: BlockMap, frontier: Frontier, *, together: bool) -> Iterator[Request]:
    """How to ask for what is missing: in stretches where that is much, else in a few requests.

    Blocks of a request that was given out may become right before the next one is made.

    Args:
        blockmap: of the wanted image.
        frontier: what is right already.
        together: all in one request, for a server that answers any with the whole file.
    """
    total = sum(length for _, length in _missing(blockmap, frontier))
    share = total if together else min(STRETCH, max(LEAST, -(-total // REQUESTS)))
    spans = _missing(blockmap, frontier)
    for begin in spans:
        portion = _Portion(chain((begin,), spans), share)
        ranges = coalesce(portion, limit=RANGES_EACH, gap=GAP)
        yield Request(ranges, begin[0], portion.stop)


def _missing(blockmap: BlockMap, frontier: Frontier) -> Iterator[tuple[Place, int]]:
    """Place and packed length of the spans of which not every block is right."""
    number = first = low = high = 0
    offset = blockmap.start
    for count, length in zip(blockmap.counts, blockmap.packed, strict=True):
        if first >= high:
            # Found once for a whole run of them: where all is missing, this is all there is to do.
            low = frontier.missing(first)
            if low < 0:
                return
            high = frontier.right(low)
            high = blockmap.blocks if high < 0 else high
        if low < first + count:
            yield Place(number, first, offset), length
        number, first, offset = number + 1, first + count, offset + length


class _Portion:
    """The next spans of a row, until about `share` bytes of them were given out.

    None is held: a map may name hundreds of thousands that are a byte each.

    Attributes:
        stop: index of the span behind the last one given out.
    """

    def __init__(self, spans: Iterator[tuple[Place, int]], share: int) -> None:
        self.stop = 0
        self._spans = spans
        self._share = share

    def __iter__(self) -> Iterator[Range]:
        size = 0
        for place, length in self._spans:
            self.stop = place.number + 1
            size += length
            yield Range(place.offset, length)
            if size >= self._share:
                return
