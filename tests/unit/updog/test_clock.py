from __future__ import annotations

from datetime import UTC, datetime, timedelta

from updog.clock import SystemClock


def test_the_time_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_clock_behind_the_floor_shows_the_floor() -> None:
    floor = datetime(2999, 1, 1, tzinfo=UTC)
    assert SystemClock(floor).now() == floor


def test_a_clock_past_the_floor_shows_its_own_time() -> None:
    floor = datetime(2001, 1, 1, tzinfo=UTC)
    assert SystemClock(floor).now() > floor + timedelta(days=365)


def test_it_never_steps_back_within_a_run() -> None:
    clock = SystemClock()
    times = [clock.now() for _ in range(100)]
    assert times == sorted(times)
