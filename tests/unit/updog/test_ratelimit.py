from __future__ import annotations

import io

from updog.ratelimit import PacedAnswer, TokenBucket


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


class Bytes:
    """An answer with everything there at once."""

    status = 200

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.bites: list[int] = []

    def header(self, name: str) -> str:
        return name

    def read1(self, amount: int) -> bytes:
        self.bites.append(amount)
        return self._data.read1(amount)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self._data.close()


def test_the_first_second_is_free_and_the_rest_takes_its_time() -> None:
    time = Time()
    bucket = TokenBucket(1000, time.sleep, time)
    for _ in range(10):
        bucket.take(500)
    assert time.now == 4.0


def test_what_was_not_used_is_saved_for_one_second_only() -> None:
    time = Time()
    bucket = TokenBucket(1000, time.sleep, time)
    time.now = 3600.0
    bucket.take(2000)
    assert time.now == 3601.0


def test_an_answer_is_read_in_small_bites_at_the_rate() -> None:
    time = Time()
    answer = Bytes(bytes(100_000))
    paced = PacedAnswer(answer, TokenBucket(10_000, time.sleep, time))
    while paced.read1(1 << 20):
        pass
    assert round(time.now) == 9
    assert set(answer.bites) == {1250}
    assert (paced.status, paced.header("x")) == (200, "x")
    paced.close()
