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


def test_what_the_repository_does_not_have_is_not_offered() -> None:
    assert [one.way for one in estimates(Sizes(10, 20), None)] == [Way.FULL]


def test_the_whole_file_is_the_last_resort_even_where_a_map_saves_nothing() -> None:
    useless = Survey(fetched=SIZES.packed, written=SIZES.raw, copied=0, requests=30)
    found = estimates(Sizes(SIZES.packed, SIZES.raw, 1_000_000), useless)
    assert [one.way for one in found] == [Way.ADAPTIVE, Way.FULL]


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
