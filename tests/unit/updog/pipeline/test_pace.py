from __future__ import annotations

from updog.pipeline.pace import Pace


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_bytes_take_as_long_as_the_rate_says() -> None:
    time = Time()
    pace = Pace(1000, time.monotonic, time.sleep)
    assert b"".join(pace.through([bytes(500)] * 10)) == bytes(5000)
    assert time.now == 5.0


def test_idle_time_is_not_saved_up() -> None:
    time = Time()
    pace = Pace(1000, time.monotonic, time.sleep)
    time.now = 100.0
    pace.spend(2000)
    assert time.now == 102.0
