from __future__ import annotations

from tests.unit.updog.crashtest.logs import DISK, OTHER, doubt_of, flush, old, sectors
from updog.crashtest.doubt import Doubt, Fineness, find_doubt
from updog.crashtest.explore import Bounds, count_all, subsets
from updog.crashtest.moments import moments
from updog.crashtest.writelog import Event

TIGHT = Bounds(complete=4, pairs=0, writes=2, samples=0)


def no_bits(_number: int) -> int:
    return 0


def explored(doubt: Doubt, bounds: Bounds = TIGHT) -> list[int]:
    return list(subsets(doubt, bounds, no_bits))


def first_doubt(*events: Event) -> Doubt:
    return find_doubt(events, next(moments(events)), Fineness(512), old)


def test_few_sectors_are_explored_completely() -> None:
    masks = explored(doubt_of(sectors(0, 4)), Bounds())
    assert sorted(masks) == list(range(16))


def test_nothing_in_doubt_is_one_disk() -> None:
    assert explored(doubt_of()) == [0]


def test_a_history_has_one_disk_more_than_writes() -> None:
    doubt = doubt_of(sectors(0, 1, b"l"), sectors(0, 1, b"m"), sectors(0, 1, b"n"))
    assert count_all(doubt) == 4
    assert sorted(explored(doubt, Bounds())) == [0b000, 0b001, 0b011, 0b111]


def test_no_disk_is_yielded_twice() -> None:
    masks = explored(doubt_of(*(sectors(at, 3) for at in range(0, 12, 3))), Bounds(complete=1))
    assert len(masks) == len(set(masks))


def test_every_torn_prefix_and_suffix_is_explored() -> None:
    masks = set(explored(doubt_of(sectors(0, 10))))
    everything = (1 << 10) - 1
    prefixes = {(1 << length) - 1 for length in range(11)}
    assert prefixes <= masks
    assert {everything ^ prefix for prefix in prefixes} <= masks


def test_each_sector_is_lost_alone_and_lands_alone() -> None:
    masks = set(explored(doubt_of(sectors(0, 10))))
    everything = (1 << 10) - 1
    assert {1 << bit for bit in range(10)} <= masks
    assert {everything ^ 1 << bit for bit in range(10)} <= masks


def test_pairs_are_tried_while_there_are_few_sectors() -> None:
    doubt = doubt_of(sectors(0, 10))
    assert 0b1000000001 not in explored(doubt)
    assert 0b1000000001 in explored(doubt, Bounds(complete=4, pairs=10, samples=0))


def test_all_subsets_of_few_whole_writes_are_explored() -> None:
    doubt = doubt_of(sectors(0, 3), sectors(3, 3), sectors(6, 3))
    masks = set(explored(doubt, Bounds(complete=4, pairs=0, writes=3, samples=0)))
    assert 0b111_000_111 in masks


def test_of_many_whole_writes_each_is_lost_alone_and_lands_alone() -> None:
    doubt = doubt_of(*(sectors(at, 3) for at in range(0, 15, 3)))
    masks = set(explored(doubt))
    assert {0b111 << at for at in range(0, 15, 3)} <= masks
    assert {doubt.everything ^ 0b111 << at for at in range(0, 15, 3)} <= masks


def test_every_state_of_the_table_is_combined_with_images() -> None:
    doubt = doubt_of(sectors(1, 2, channel=DISK), sectors(0, 8))
    masks = set(explored(doubt))
    images = doubt.everything & ~doubt.critical
    assert {images | table for table in range(4)} <= masks
    assert set(range(4)) <= masks


def test_samples_come_from_the_bits_that_were_handed_in() -> None:
    doubt = doubt_of(sectors(0, 10))
    drawn = iter([0b1010101010, 0b1100110011])
    bounds = Bounds(complete=4, pairs=0, writes=2, samples=2)
    masks = list(subsets(doubt, bounds, lambda _bits: next(drawn)))
    assert masks[-2:] == [0b1010101010, 0b1100110011]


def test_a_disk_that_the_next_moment_has_as_well_is_left_to_it() -> None:
    doubt = first_doubt(sectors(0, 1), sectors(0, 1, channel=OTHER), flush())
    assert sorted(explored(doubt, Bounds())) == [0b00, 0b10]


def test_a_flush_that_changes_nothing_leaves_everything_to_the_next_moment() -> None:
    assert explored(first_doubt(sectors(0, 1, b"o"), flush())) == []
