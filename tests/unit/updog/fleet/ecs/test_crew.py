"""Many ways in one thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.fakes.clock import FakeClock
from updog.fleet.ecs.crew import Crew, Stopped
from updog.fleet.ecs.hold import Pauses


def crew(stop_after: float = 1e9) -> tuple[Crew, FakeClock]:
    clock = FakeClock()
    begun = clock.now()

    def wait(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))
        if (clock.now() - begun).total_seconds() >= stop_after:
            raise Stopped

    return Crew(clock, wait), clock


def way(name: str, seconds: list[float], told: list[str]) -> Pauses:
    try:
        for each in seconds:
            told.append(f"{name}{each:g}")
            yield timedelta(seconds=each)
    finally:
        told.append(f"{name} ends")


def go(many: Crew) -> None:
    while many:
        many.step()


def note(told: list[str], name: str) -> Callable[[], None]:
    return lambda: told.append(f"{name} done")


def test_each_way_goes_on_when_its_wait_is_over() -> None:
    told: list[str] = []
    many, clock = crew()
    begun = clock.now()
    many.begin(way("a", [5, 1], told), note(told, "a"))
    many.begin(way("b", [2, 2], told), note(told, "b"))
    go(many)
    assert told == [
        *("a5", "b2", "b2", "b ends", "b done"),
        *("a1", "a ends", "a done"),
    ]
    assert clock.now() - begun == timedelta(seconds=6)


def test_a_stop_ends_every_way_that_has_begun() -> None:
    told: list[str] = []
    many, _ = crew(stop_after=3)
    many.begin(way("a", [60], told), note(told, "a"))
    many.begin(way("b", [60], told), note(told, "b"))
    with pytest.raises(Stopped):
        go(many)
    many.close()
    assert sorted(told[2:]) == ["a done", "a ends", "b done", "b ends"]
    assert not many


def test_a_way_that_has_not_begun_has_nothing_to_end() -> None:
    told: list[str] = []
    many, _ = crew()
    many.begin(way("a", [60], told), note(told, "a"))
    many.close()
    assert told == ["a done"]


def test_a_way_that_breaks_does_not_keep_the_others_from_their_ends() -> None:
    told: list[str] = []

    def breaks() -> Pauses:
        yield timedelta(seconds=1)
        raise KeyError

    many, _ = crew()
    many.begin(way("a", [60], told), note(told, "a"))
    many.begin(breaks(), note(told, "b"))
    with pytest.raises(KeyError):
        go(many)
    many.close()
    assert sorted(told) == ["a done", "a ends", "a60", "b done"]


def test_a_way_whose_end_breaks_is_told_of_and_the_others_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []

    def ends_badly() -> Pauses:
        try:
            yield timedelta(seconds=60)
        finally:
            raise KeyError("a fault of ours")

    many, _ = crew()
    many.begin(ends_badly(), note(told, "b"))
    many.begin(way("a", [60], told), note(told, "a"))
    many.step()
    many.step()
    many.close()
    assert sorted(told) == ["a done", "a ends", "a60", "b done"]
    assert "a fault of ours" in caplog.text
