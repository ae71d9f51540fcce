from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from waves.errors import WaveError
from waves.pause import PAUSED, is_paused, pause, resume
from waves.schedule import MAX_SEED, Schedule, Wave, upstream_ready_at

START = datetime(2031, 4, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
WAVES = Schedule((Wave(0, START), Wave(1000, START + 10 * HOUR), Wave(2000, START + 20 * HOUR)))


def test_a_paused_wave_keeps_the_time_left_to_it() -> None:
    after = pause(WAVES, START - HOUR)
    assert [wave.start for wave in after.waves] == [
        PAUSED + HOUR,
        PAUSED + 11 * HOUR,
        PAUSED + 21 * HOUR,
    ]


def test_the_window_under_way_stops_where_it_stands() -> None:
    after = pause(WAVES, START + 5 * HOUR)
    assert [wave.first_seed for wave in after.waves] == [0, 501, 1000, 2000]
    assert after.waves[0] == WAVES.waves[0]


def test_a_wave_that_starts_this_very_second_has_come() -> None:
    after = pause(WAVES, START + 10 * HOUR)
    assert after.waves[1] == WAVES.waves[1]


def test_resume_goes_on_where_the_window_stood() -> None:
    now = START + 5 * HOUR
    after = resume(pause(WAVES, now), now + 100 * HOUR)
    turn = after.ready_at(502)
    assert turn is not None
    assert timedelta(0) < turn - (now + 100 * HOUR) < HOUR
    assert after.waves[-1].start == START + 120 * HOUR


def test_many_pauses_add_no_more_waves_than_they_are() -> None:
    schedule = WAVES
    for hours in range(1, 9):
        now = START + hours * HOUR
        schedule = resume(pause(schedule, now), now)
    assert schedule == WAVES


def test_a_closing_wave_is_paused_too() -> None:
    schedule = Schedule((Wave(0, START), Wave(MAX_SEED, START + HOUR)))
    assert pause(schedule, START).waves[-1] == Wave(MAX_SEED, PAUSED + HOUR)


def test_a_window_of_one_seed_stays_in_the_calendar_of_original_clients() -> None:
    schedule = Schedule((Wave(2046, START), Wave(2047, START + HOUR)))
    after = pause(schedule, START)
    # They compute this moment before they compare it; their calendar ends in the year 262142.
    span = after.waves[-1].start - after.waves[0].start
    assert START.year + span.days * 2047 // 365 < 262_142
    assert upstream_ready_at(after, 2047) == after.waves[-1].start


@pytest.mark.parametrize(
    ("schedule", "now", "why"),
    [
        (Schedule(), START, "no wave is still to come"),
        (WAVES, START + 20 * HOUR, "halt it"),
        (pause(WAVES, START), START, "paused already"),
        (Schedule((Wave(0, PAUSED - HOUR),)), START, "too near"),
        (WAVES, datetime(2090, 1, 1, tzinfo=UTC), "no wave is still to come"),
        (Schedule((Wave(0, START + HOUR), Wave(9, START))), START, "set-waves first"),
    ],
)
def test_a_pause_that_cannot_be_is_refused(schedule: Schedule, now: datetime, why: str) -> None:
    with pytest.raises(WaveError, match=why):
        pause(schedule, now)


def test_what_is_not_paused_cannot_be_resumed() -> None:
    assert not is_paused(WAVES)
    assert not is_paused(Schedule())
    with pytest.raises(WaveError, match="not paused"):
        resume(WAVES, START)
