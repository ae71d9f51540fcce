from __future__ import annotations

from updog.pipeline.ranges import Range, coalesce, header_for


def test_ranges_that_touch_become_one() -> None:
    assert coalesce([Range(0, 10), Range(10, 5)], limit=9, gap=0) == (Range(0, 15),)


def test_ranges_within_the_gap_become_one() -> None:
    assert coalesce([Range(0, 10), Range(14, 6)], limit=9, gap=4) == (Range(0, 20),)


def test_ranges_beyond_the_gap_stay_apart() -> None:
    wanted = (Range(0, 10), Range(15, 6))
    assert coalesce(wanted, limit=9, gap=4) == wanted


def test_the_smallest_gaps_are_closed_to_keep_the_limit() -> None:
    wanted = [Range(0, 10), Range(100, 10), Range(130, 10), Range(900, 10)]
    assert coalesce(wanted, limit=2, gap=0) == (Range(0, 140), Range(900, 10))


def test_nothing_stays_nothing() -> None:
    assert coalesce([], limit=1, gap=0) == ()


def test_the_header_names_both_ends_inclusively() -> None:
    assert header_for([Range(0, 1), Range(5, 10)]) == "bytes=0-0,5-14"
