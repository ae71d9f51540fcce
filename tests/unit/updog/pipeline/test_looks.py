from __future__ import annotations

from updog.pipeline.looks import EVERY, PATIENCE, Looks


def test_it_looks_for_as_long_as_that_finds_something() -> None:
    looks = Looks()
    for _ in range(100):
        assert looks.wanted()
        looks.saw(same=True)


def test_after_some_misses_it_looks_now_and_then() -> None:
    looks = Looks()
    for _ in range(PATIENCE):
        assert looks.wanted()
        looks.saw(same=False)
    assert sum(looks.wanted() for _ in range(10 * EVERY)) == 10


def test_one_find_makes_it_look_again() -> None:
    looks = Looks()
    for _ in range(PATIENCE):
        looks.saw(same=False)
    looks.saw(same=True)
    assert all(looks.wanted() for _ in range(PATIENCE))
