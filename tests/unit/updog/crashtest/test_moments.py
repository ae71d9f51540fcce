from __future__ import annotations

from tests.unit.updog.crashtest.logs import DISK, OTHER, PART, flush, sectors
from updog.crashtest.moments import Moment, mask_of, moments
from updog.crashtest.writelog import Note


def test_a_log_without_writes_has_one_moment_without_doubt() -> None:
    assert list(moments(())) == [Moment(0, (), (), frozenset())]


def test_what_is_not_flushed_is_in_doubt_at_the_end() -> None:
    assert list(moments((sectors(0, 1), sectors(1, 1)))) == [Moment(2, (), (0, 1), frozenset())]


def test_a_flush_ends_a_moment_and_makes_its_writes_durable() -> None:
    log = (sectors(0, 1), flush(), sectors(1, 1))
    assert list(moments(log)) == [
        Moment(1, (), (0,), frozenset({0})),
        Moment(3, (0,), (2,), frozenset()),
    ]


def test_a_flush_covers_its_own_channel_only() -> None:
    log = (sectors(0, 1), sectors(0, 1, channel=OTHER), flush(OTHER))
    assert list(moments(log)) == [
        Moment(2, (), (0, 1), frozenset({1})),
        Moment(3, (1,), (0,), frozenset()),
    ]


def test_a_flush_of_the_disk_does_not_flush_its_partitions() -> None:
    log = (sectors(0, 1), flush(DISK))
    assert list(moments(log)) == [Moment(2, (), (0,), frozenset())]


def test_a_flush_with_nothing_to_flush_makes_no_moment() -> None:
    assert len(list(moments((flush(), Note("begin"), flush(PART))))) == 1


def test_mask_of_sets_each_bit() -> None:
    assert mask_of((0, 3, 17)) == 1 | 1 << 3 | 1 << 17


def test_mask_of_nothing_is_zero() -> None:
    assert mask_of(()) == 0
