from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from waves.errors import WaveError
from waves.pause import PAUSED, pause
from waves.schedule import Schedule, Wave
from waves.stretch import expedite, extend

START = datetime(2031, 4, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
WAVES = Schedule((Wave(0, START), Wave(1000, START + 10 * HOUR), Wave(2000, START + 20 * HOUR)))


def test_before_the_first_start_all_of_it_is_stretched() -> None:
    after = extend(WAVES, START - HOUR, Fraction(2))
    assert [wave.start - START for wave in after.waves] == [HOUR, 21 * HOUR, 41 * HOUR]


def test_in_a_window_only_what_is_left_of_it_is_stretched() -> None:
    after = extend(WAVES, START + 5 * HOUR, Fraction(2))
    assert after.waves[0] == WAVES.waves[0]
    assert after.ready_at(400) == WAVES.ready_at(400)
    border = after.waves[1]
    assert (border.first_seed, border.start) == (501, WAVES.ready_at(501))
    assert after.waves[-1].start == border.start + 2 * (WAVES.waves[-1].start - border.start)


def test_a_window_whose_hosts_all_had_their_turn_is_not_bent() -> None:
    now = START + 10 * HOUR - timedelta(seconds=20)
    after = extend(WAVES, now, Fraction(20))
    assert [wave.first_seed for wave in after.waves] == [0, 999, 1000, 2000]
    assert [after.ready_at(seed) for seed in (1, 500, 999)] == [
        WAVES.ready_at(seed) for seed in (1, 500, 999)
    ]


def test_a_window_of_a_few_seconds_is_not_bent() -> None:
    schedule = Schedule((Wave(0, START), Wave(2000, START + timedelta(seconds=4))))
    after = extend(schedule, START + timedelta(seconds=3), Fraction(20))
    assert after.ready_at(750) == schedule.ready_at(750)
    assert after.waves[-1].start == START + timedelta(seconds=23)


def test_an_end_is_met_exactly() -> None:
    for now in (START - HOUR, START, START + 3 * HOUR, START + 12 * HOUR):
        for end in (START + 15 * HOUR, START + 35 * HOUR):
            change = expedite if end < WAVES.waves[-1].start else extend
            assert change(WAVES, now, end).waves[-1].start == end


def test_expedite_brings_the_rest_nearer() -> None:
    after = expedite(WAVES, START + 10 * HOUR, Fraction(1, 2))
    assert after.waves[-1].start == START + 15 * HOUR + timedelta(seconds=18)


@pytest.mark.parametrize("by", [Fraction(1), Fraction(1, 2), START + 19 * HOUR])
def test_extend_never_shortens(by: Fraction | datetime) -> None:
    with pytest.raises(WaveError, match="expedite shortens"):
        extend(WAVES, START, by)


@pytest.mark.parametrize("by", [Fraction(1), Fraction(2), START + 21 * HOUR])
def test_expedite_never_lengthens(by: Fraction | datetime) -> None:
    with pytest.raises(WaveError, match="extend lengthens"):
        expedite(WAVES, START, by)


@pytest.mark.parametrize(
    ("by", "why"),
    [
        (START - HOUR, "no sensible time"),
        (Fraction(-1), "no sensible time"),
        (Fraction(1, 10**6), "at least a second"),
    ],
)
def test_an_end_that_is_past_or_too_near_is_refused(by: Fraction | datetime, why: str) -> None:
    with pytest.raises(WaveError, match=why):
        expedite(WAVES, START + HOUR, by)


@pytest.mark.parametrize("by", [PAUSED, Fraction(10**6)])
def test_nothing_is_moved_to_where_paused_waves_stand(by: Fraction | datetime) -> None:
    with pytest.raises(WaveError, match="year 2100"):
        extend(WAVES, START + HOUR, by)


def test_a_paused_rollout_is_resumed_first() -> None:
    with pytest.raises(WaveError, match="resume it"):
        extend(pause(WAVES, START), START, Fraction(2))


def test_when_all_have_started_there_is_nothing_to_change() -> None:
    with pytest.raises(WaveError, match="no wave is still to come"):
        expedite(WAVES, START + 20 * HOUR, Fraction(1, 2))
