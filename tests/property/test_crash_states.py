"""The crash explorer against a second, slower reading of the same rules.

The slow model knows nothing of moments, masks and atoms. It walks a log event by event, and for
each sector keeps what it may hold if the power goes now: what is durable, and the result of each
write since, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.crashtest.contents import Contents, Span, set_likeness
from updog.crashtest.doubt import Doubt, Fineness, find_doubt
from updog.crashtest.explore import Bounds, count_all, subsets
from updog.crashtest.moments import moments
from updog.crashtest.overlay import Overlay
from updog.crashtest.writelog import Channel, Event, Flush, Write, write_at

pytestmark = pytest.mark.property

SECTOR = 512
DISK, ONE, TWO = Channel(0, 1024), Channel(1024, 1024), Channel(2048, 1024)
SIZE = 3072
OLD = b"o" * SIZE
EVERYTHING = Bounds(complete=1 << 30)
FAMILIES = Bounds(complete=1, pairs=4, writes=2, samples=3)

channels = st.sampled_from((DISK, ONE, TWO))


@st.composite
def writes(draw: st.DrawFn) -> Write:
    """A write inside one channel, aligned to nothing; often it rewrites what is there."""
    channel = draw(channels)
    start = draw(st.integers(0, channel.size - 1))
    length = draw(st.integers(1, channel.size - start))
    fill = draw(st.sampled_from((b"o", b"m", b"n")))
    return Write(channel, channel.offset + start, fill * length)


events = st.one_of(writes(), writes(), st.builds(Flush, channels))
logs = st.lists(events, max_size=7).map(tuple)


def slow_disks(log: tuple[Event, ...]) -> set[bytes]:
    """Every disk that a power cut at any time could leave."""
    versions = [[OLD[at : at + SECTOR]] for at in range(0, SIZE, SECTOR)]
    found = {OLD}
    for event in log:
        for number, held in enumerate(versions):
            start = number * SECTOR
            if isinstance(event, Write):
                low, high = max(start, event.offset), min(start + SECTOR, event.end)
                if low < high:
                    data = event.data[low - event.offset : high - event.offset]
                    last = held[-1]
                    held.append(last[: low - start] + data + last[high - start :])
            elif isinstance(event, Flush) and _inside(start, event.channel):
                del held[:-1]
        found |= {b"".join(parts) for parts in product(*versions)}
    return found


def _inside(start: int, channel: Channel) -> bool:
    return channel.offset <= start < channel.offset + channel.size


def scenes(log: tuple[Event, ...]) -> Iterator[tuple[Doubt, Overlay]]:
    """Each moment, with the disk of its durable writes."""
    after = disk_with(log, range(len(log)))
    for moment in moments(log):
        disk = disk_with(log, moment.durable)
        compared = (Overlay(SIZE, old).read, after.read)
        yield find_doubt(log, moment, Fineness(SECTOR), disk.read, compared), disk


def old(offset: int, length: int) -> bytes:
    return OLD[offset : offset + length]


def disk_with(log: tuple[Event, ...], indices: range | tuple[int, ...]) -> Overlay:
    disk = Overlay(SIZE, old)
    for index in indices:
        if isinstance(log[index], Write):
            write = write_at(log, index)
            disk.write(write.offset, write.data)
    return disk


def explored(log: tuple[Event, ...], bounds: Bounds) -> list[tuple[Doubt, int, bytes]]:
    drawn = iter(range(1, 1 << 30, 7919))
    return [
        (doubt, mask, disk.fork().apply(doubt.chosen(mask), log).read(0, SIZE))
        for doubt, disk in scenes(log)
        for mask in subsets(doubt, bounds, lambda bits: next(drawn) & (1 << bits) - 1)
    ]


@given(logs)
@settings(max_examples=150, deadline=None)
def test_complete_exploration_builds_exactly_the_disks_of_the_slow_model(
    log: tuple[Event, ...],
) -> None:
    assert {disk for _, _, disk in explored(log, EVERYTHING)} == slow_disks(log)


@given(logs)
@settings(max_examples=150, deadline=None)
def test_bounded_exploration_builds_only_disks_of_the_slow_model(log: tuple[Event, ...]) -> None:
    assert {disk for _, _, disk in explored(log, FAMILIES)} <= slow_disks(log)


@given(logs)
@settings(max_examples=100, deadline=None)
def test_no_moment_builds_a_choice_of_writes_twice(log: tuple[Event, ...]) -> None:
    for bounds in (EVERYTHING, FAMILIES):
        built = [(doubt.moment, mask) for doubt, mask, _ in explored(log, bounds)]
        assert len(built) == len(set(built))


@given(logs)
@settings(max_examples=100, deadline=None)
def test_the_last_moment_has_as_many_disks_as_its_sectors_allow(log: tuple[Event, ...]) -> None:
    *_, (doubt, _) = scenes(log)
    masks = list(subsets(doubt, EVERYTHING, lambda _bits: 0))
    assert len(masks) == count_all(doubt)


@given(logs)
@settings(max_examples=100, deadline=None)
def test_the_bit_masks_say_what_a_comparison_of_bytes_says(log: tuple[Event, ...]) -> None:
    spans = (Span(1024, 2048), Span(2048, 3072))
    after = disk_with(log, range(len(log)))
    for doubt, disk in scenes(log):
        compared = (Overlay(SIZE, old).read, after.read)
        likeness = set_likeness(log, doubt, spans, disk.read, compared)
        for mask in subsets(doubt, FAMILIES, lambda _bits: 0):
            held = disk.fork().apply(doubt.chosen(mask), log).read(1024, 2048)
            assert likeness.contents(mask) is by_bytes(held, after.read(1024, 2048))


def by_bytes(held: bytes, after: bytes) -> Contents:
    if held == after:
        return Contents.AFTER
    return Contents.BEFORE if held == OLD[1024:] else Contents.MIXED
