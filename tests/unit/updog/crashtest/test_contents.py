from __future__ import annotations

from tests.unit.updog.crashtest.logs import DISK, OTHER, PART, flush, last_moment, old, sectors
from updog.crashtest.contents import Contents, SetLikeness, Span, set_likeness
from updog.crashtest.doubt import Fineness, find_doubt
from updog.crashtest.overlay import Overlay
from updog.crashtest.writelog import Event, write_at

SPANS = tuple(Span(part.offset, part.offset + part.size) for part in (PART, OTHER))


def likeness(*log: Event) -> SetLikeness:
    """That of the set of both partitions, at the end of a log on a disk full of ``o``."""
    moment = last_moment(*log)
    beneath, after = Overlay(DISK.size, old), Overlay(DISK.size, old)
    for index in (*moment.durable, *moment.pending):
        write = write_at(log, index)
        after.write(write.offset, write.data)
        if index in moment.durable:
            beneath.write(write.offset, write.data)
    compared = (old, after.read)
    doubt = find_doubt(log, moment, Fineness(512), beneath.read, compared)
    return set_likeness(log, doubt, SPANS, beneath.read, compared)


def test_a_set_without_a_landed_sector_is_as_before() -> None:
    assert likeness(sectors(0, 2)).contents(0b00) is Contents.BEFORE


def test_a_set_with_every_sector_landed_is_as_after() -> None:
    assert likeness(sectors(0, 2)).contents(0b11) is Contents.AFTER


def test_a_set_with_one_sector_missing_is_neither() -> None:
    assert likeness(sectors(0, 2)).contents(0b01) is Contents.MIXED


def test_two_partitions_of_different_age_are_neither() -> None:
    found = likeness(sectors(0, 1), sectors(0, 1, channel=OTHER))
    assert found.contents(0b10) is Contents.MIXED


def test_durable_sectors_count_as_well() -> None:
    found = likeness(sectors(0, 1), flush(), sectors(0, 1, channel=OTHER))
    assert found.contents(0b0) is Contents.MIXED
    assert found.contents(0b1) is Contents.AFTER


def test_a_sector_written_twice_is_as_after_only_with_both() -> None:
    found = likeness(sectors(0, 1, b"m"), sectors(0, 1, b"n"))
    assert [found.contents(mask) for mask in (0b00, 0b01, 0b11)] == [
        Contents.BEFORE,
        Contents.MIXED,
        Contents.AFTER,
    ]


def test_what_is_written_elsewhere_does_not_matter() -> None:
    found = likeness(sectors(0, 2), sectors(1, 1, channel=DISK))
    assert found.contents(0b011) is Contents.AFTER


def test_a_set_that_nobody_wrote_is_complete() -> None:
    assert likeness().contents(0) is Contents.AFTER


def test_a_durable_part_of_a_half_pending_write_is_compared() -> None:
    log = (sectors(0, 4), flush(), sectors(1, 1, b"x"))
    found = likeness(*log)
    assert found.contents(0b0) is Contents.MIXED
    assert found.contents(0b1) is Contents.AFTER
