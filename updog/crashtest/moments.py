"""From a write log to the moments of a power cut. PURE.

Between two flushes nothing is promised: of the sectors written since, any may have reached the
medium and any may not, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from updog.crashtest.writelog import Event, Flush, Write, write_at


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of the log that ends at a flush, or at the end of the operation.

    Attributes:
        position: how many events of the log have been issued when it ends.
        durable: indices of the writes that are on the medium whatever happens.
        pending: indices of the writes in doubt, in the order of issue.
        flushing: those of `pending` that the flush at its end makes durable; empty at the end of
            the log.
    """

    position: int
    durable: tuple[int, ...]
    pending: tuple[int, ...]
    flushing: frozenset[int]


def moments(log: tuple[Event, ...]) -> Iterator[Moment]:
    """Cut a log at each flush that makes something durable, and at its end.

    Every power cut is covered: one in the middle of a stretch leaves some of the stretch's writes,
    which is one of the subsets explored at its end.
    """
    durable: set[int] = set()
    pending: list[int] = []
    for position, event in enumerate(log):
        if isinstance(event, Write):
            pending.append(position)
        elif isinstance(event, Flush):
            flushed = frozenset(i for i in pending if write_at(log, i).channel == event.channel)
            if flushed:
                yield Moment(position, tuple(sorted(durable)), tuple(pending), flushed)
                durable |= flushed
                pending = [i for i in pending if i not in flushed]
    yield Moment(len(log), tuple(sorted(durable)), tuple(pending), frozenset())


def mask_of(bits: Iterable[int]) -> int:
    """The number with these bits set."""
    octets = bytearray()
    for bit in bits:
        if bit >> 3 >= len(octets):
            octets.extend(bytes((bit >> 3) + 1 - len(octets)))
        octets[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(octets, "little")
