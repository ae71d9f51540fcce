from __future__ import annotations

from collections.abc import Callable

import pytest

from updog.errors import CutShort, NotThere, UnreachableError
from updog.patience import DRAW, GIVE_UP_AFTER, LONGEST_WAIT, Budget, Patience, TryAgain


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, retries: int, jitter: float = 1.0) -> Patience:
        return Patience(retries, self.sleep, lambda: jitter, lambda: self.now)


def failing(*errors: UnreachableError) -> Callable[[], str]:
    left = list(errors)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "there"

    return attempt


@pytest.fixture
def time() -> Time:
    return Time()


def test_waits_double_up_to_a_limit(time: Time) -> None:
    assert time.patience(9).attempts(failing(*[TryAgain("x")] * 8)) == "there"
    assert time.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, LONGEST_WAIT, LONGEST_WAIT]


def test_jitter_halves_a_wait_at_most(time: Time) -> None:
    time.patience(2, jitter=0.0).attempts(failing(CutShort("x"), CutShort("x")))
    assert time.slept == [0.1, 0.2]


def test_real_jitter_differs() -> None:
    assert len({DRAW() for _ in range(10)}) > 1


def test_the_count_is_bounded(time: Time) -> None:
    with pytest.raises(TryAgain, match="third"):
        time.patience(2).attempts(failing(*map(TryAgain, ("first", "second", "third"))))


@pytest.mark.parametrize("error", [NotThere("x"), UnreachableError("x")])
def test_what_no_attempt_helps_ends_at_once(time: Time, error: UnreachableError) -> None:
    with pytest.raises(UnreachableError):
        time.patience(5).attempts(failing(error))
    assert time.slept == []


def test_a_server_may_ask_for_a_longer_wait(time: Time) -> None:
    time.patience(1).attempts(failing(TryAgain("x", after=7)))
    assert time.slept == [7]


def test_the_whole_time_is_bounded(time: Time) -> None:
    with pytest.raises(TryAgain):
        time.patience(100).attempts(failing(*[TryAgain("x", after=60)] * 99))
    assert GIVE_UP_AFTER - 60 <= sum(time.slept) <= GIVE_UP_AFTER


def test_a_budget_ends_what_breaks_off_for_ever() -> None:
    budget = Budget(10, "image")
    budget.take(10)
    with pytest.raises(UnreachableError, match="image broke off too often"):
        budget.take(1)
