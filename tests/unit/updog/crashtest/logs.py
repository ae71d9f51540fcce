"""Short ways to write logs down."""

from __future__ import annotations

from updog.crashtest.doubt import Doubt, Fineness, find_doubt
from updog.crashtest.moments import Moment, moments
from updog.crashtest.writelog import Channel, Event, Flush, Write

SIZE = 1 << 16
DISK = Channel(0, SIZE)
PART = Channel(1 << 13, 1 << 13)
OTHER = Channel(1 << 14, 1 << 13)


def write(offset: int, data: bytes, channel: Channel = PART) -> Write:
    return Write(channel, offset, data)


def sectors(first: int, count: int, fill: bytes = b"n", channel: Channel = PART) -> Write:
    """A write of whole sectors of 512 bytes, counted from the start of the channel."""
    return Write(channel, channel.offset + first * 512, fill * (512 * count))


def flush(channel: Channel = PART) -> Flush:
    return Flush(channel)


def old(_offset: int, length: int) -> bytes:
    """A disk full of the same byte."""
    return b"o" * length


def last_moment(*events: Event) -> Moment:
    return list(moments(events))[-1]


def doubt_of(*events: Event, sector: int = 512, most_atoms: int = 1 << 15) -> Doubt:
    """What is in doubt at the end of a log, on a disk full of ``o``."""
    return find_doubt(events, last_moment(*events), Fineness(sector, most_atoms), old)
