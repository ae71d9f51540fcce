"""Whether a partition set holds a complete image, for each subset of the writes in doubt. PURE.

A set is complete as it was before the operation, or as the operation leaves it, and nothing in
between. To answer that for a hundred thousand disks, nothing is hashed: each sector in doubt is
compared with both, once, and a subset is then a few operations on bit masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from updog.crashtest.doubt import Cell, Doubt, Reader
from updog.crashtest.moments import mask_of
from updog.crashtest.writelog import Event, Write, write_at

_STEP = 1 << 20


class Contents(Enum):
    """What a partition set holds."""

    BEFORE = "what it held before the operation"
    AFTER = "what the operation puts there"
    MIXED = "neither the image from before the operation nor the one after it"


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a disk, from `start` up to and without `end`."""

    start: int
    end: int

    def holds(self, offset: int) -> bool:
        """Whether a byte lies inside."""
        return self.start <= offset < self.end


@dataclass(frozen=True, slots=True)
class Likeness:
    """When a set is like one of the disks it is compared with.

    Attributes:
        possible: False if a sector that is not in doubt differs, or one in doubt in any case.
        landed: atoms that must have reached the medium.
        missing: atoms that must not.
        histories: sectors that change more than once.
        compared: which disk, as an index of `Cell.equal`.
    """

    possible: bool
    landed: int
    missing: int
    histories: tuple[Cell, ...]
    compared: int

    def holds(self, mask: int) -> bool:
        """Whether the set is like that disk, if the atoms of `mask` reached the medium."""
        return (
            self.possible
            and not mask & self.missing
            and mask & self.landed == self.landed
            and all(cell.equal[self.compared][cell.version(mask)] for cell in self.histories)
        )


@dataclass(frozen=True, slots=True)
class SetLikeness:
    """When a partition set is as before the operation, and when as after it.

    Attributes:
        before: when it is as before.
        after: when it is as one of the updates leaves it; the last of them is the operation's.
    """

    before: Likeness
    after: tuple[Likeness, ...]

    def contents(self, mask: int) -> Contents:
        """What the set holds, if the atoms of `mask` reached the medium."""
        if any(each.holds(mask) for each in self.after):
            return Contents.AFTER
        return Contents.BEFORE if self.before.holds(mask) else Contents.MIXED


def set_likeness(
    log: tuple[Event, ...],
    doubt: Doubt,
    spans: tuple[Span, ...],
    beneath: Reader,
    compared: tuple[Reader, ...],
) -> SetLikeness:
    """Work out for one moment when a set is complete.

    Args:
        log: the whole log.
        doubt: the moment; its cells have been compared with `compared`.
        spans: the partitions of the set.
        beneath: the disk with the durable writes on it.
        compared: the disk before the operation, and after it; in between those after earlier ones.
    """
    cells = [cell for cell in doubt.cells if any(span.holds(cell.start) for span in spans)]
    settled = list(_settled(log, doubt, spans))
    before, *after = (
        _likeness(cells, which, possible=_same(settled, beneath, each))
        for which, each in enumerate(compared)
    )
    return SetLikeness(before, tuple(after))


def _likeness(cells: list[Cell], which: int, *, possible: bool) -> Likeness:
    landed: list[int] = []
    missing: list[int] = []
    histories = []
    for cell in cells:
        equal = cell.equal[which]
        if not any(equal):
            possible = False
        elif len(cell.bits) > 1:
            histories.append(cell)
        elif cell.bits:
            (landed if equal[1] else missing).append(cell.bits[0])
    return Likeness(possible, mask_of(landed), mask_of(missing), tuple(histories), which)


def _settled(log: tuple[Event, ...], doubt: Doubt, spans: tuple[Span, ...]) -> Iterator[Span]:
    """What the operation writes in the set, and is not in doubt now."""
    pending = [write_at(log, index) for index in doubt.moment.pending]
    for event in log:
        if isinstance(event, Write) and any(span.holds(event.offset) for span in spans):
            yield from _without(Span(event.offset, event.end), pending)


def _without(span: Span, writes: Iterable[Write]) -> list[Span]:
    """The parts of a span that none of the writes touches."""
    parts = [span]
    for write in writes:
        parts = [piece for part in parts for piece in _cut(part, write)]
    return parts


def _cut(span: Span, write: Write) -> list[Span]:
    pieces = (
        Span(span.start, min(span.end, write.offset)),
        Span(max(span.start, write.end), span.end),
    )
    return [piece for piece in pieces if piece.start < piece.end]


def _same(spans: Iterable[Span], one: Reader, other: Reader) -> bool:
    return all(
        one(start, length) == other(start, length)
        for span in dict.fromkeys(spans)
        for start in range(span.start, span.end, _STEP)
        for length in [min(_STEP, span.end - start)]
    )
