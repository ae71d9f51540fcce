from __future__ import annotations

from updog.pipeline.facts import Way
from updog.pipeline.plan import Rates, Sizes, Survey, estimates

SIZES = Sizes(packed=200_000_000, raw=500_000_000, blockmap=1_000_000, delta=9_000_000)
SURVEY = Survey(fetched=17_000_000, written=400_000_000, copied=390_000_000, requests=8)


def test_the_cheapest_way_comes_first() -> None:
    assert [one.way for one in estimates(SIZES, SURVEY)] == [Way.DELTA, Way.ADAPTIVE, Way.FULL]


def test_a_map_counts_with_what_it_saves() -> None:
    found = {one.way: one for one in estimates(SIZES, SURVEY)}
    assert found[Way.ADAPTIVE].bytes == 18_000_000
    assert found[Way.ADAPTIVE].written == 400_000_000
    assert found[Way.ADAPTIVE].requests == 8


def test_a_map_is_fetched_whatever_way_is_taken() -> None:
    found = {one.way: one.bytes for one in estimates(SIZES, SURVEY)}
    assert found[Way.DELTA] == 10_000_000
    assert found[Way.FULL] == 201_000_000


def test_what_the_repository_does_not_have_is_not_offered() -> None:
    assert [one.way for one in estimates(Sizes(10, 20), None)] == [Way.FULL]


def test_a_map_that_saves_nothing_is_taken_and_says_why() -> None:
    useless = Survey(fetched=SIZES.packed, written=SIZES.raw, copied=0, requests=30)
    found = estimates(Sizes(SIZES.packed, SIZES.raw, 1_000_000), useless)
    assert [one.way for one in found] == [Way.ADAPTIVE, Way.FULL]
    assert "goes on after a cut" in found[0].why


def test_a_map_that_saves_much_needs_no_excuse() -> None:
    found = estimates(Sizes(SIZES.packed, SIZES.raw, 1_000_000), SURVEY)
    assert "goes on after a cut" not in found[0].why


def test_a_delta_above_the_whole_file_comes_behind_it() -> None:
    found = estimates(Sizes(packed=200, raw=500, delta=201), None)
    assert [one.way for one in found] == [Way.FULL, Way.DELTA]


def test_a_delta_as_large_as_the_whole_file_comes_behind_it() -> None:
    found = estimates(Sizes(packed=200, raw=500, delta=200), None)
    assert [one.way for one in found] == [Way.FULL, Way.DELTA]


def test_an_image_that_is_there_is_written_by_no_way() -> None:
    there = Survey(fetched=0, written=0, copied=0, requests=0)
    assert {one.written for one in estimates(SIZES, there)} == {0}


def test_without_a_map_nothing_is_known_to_be_there() -> None:
    found = estimates(SIZES, SURVEY)
    assert [one.written for one in found if one.way is not Way.ADAPTIVE] == [SIZES.raw] * 2


def test_a_delta_loses_where_little_is_missing() -> None:
    little = Survey(fetched=500_000, written=4_000_000, copied=0, requests=2)
    assert estimates(SIZES, little)[0].way is Way.ADAPTIVE


def test_a_faster_link_shortens_the_expectation() -> None:
    slow = estimates(SIZES, None, Rates(network=1e6))[-1]
    fast = estimates(SIZES, None, Rates(network=1e9))[-1]
    assert slow.seconds > 200 > fast.seconds


def test_an_estimate_is_a_json_object_in_member_order() -> None:
    found = estimates(SIZES, SURVEY)[0].as_json()
    assert list(found) == ["way", "bytes", "written", "requests", "seconds", "why"]
    assert found["way"] == "delta"
    assert "9.0 MB" in str(found["why"])
