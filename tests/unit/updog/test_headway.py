from __future__ import annotations

import pytest

from updog.headway import Headway, TooSlow


def test_a_stream_above_the_floor_goes_on_for_ever() -> None:
    headway = Headway(30, 3000)
    for _ in range(10_000):
        headway.note(1.0, 100)


def test_bytes_one_by_one_end_after_a_window() -> None:
    headway = Headway(30, 3000)
    headway.note(30.0, 1)
    with pytest.raises(TooSlow, match="2 bytes in 30 seconds"):
        headway.note(30.0, 1)


def test_the_wait_for_the_first_byte_is_free() -> None:
    headway = Headway(30, 3000)
    headway.note(29.9, 10)
    headway.note(1.0, 10)


def test_what_came_in_an_earlier_window_does_not_count() -> None:
    headway = Headway(10, 100)
    headway.note(0.0, 0)
    headway.note(10.0, 1000)
    with pytest.raises(TooSlow):
        headway.note(10.0, 99)
