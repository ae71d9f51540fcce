from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from waves.errors import WaveError
from waves.schedule import MAX_KEY, MAX_SEED, Schedule, Wave, upstream_ready_at

BASE = datetime(2031, 4, 7, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)


def _schedule(*waves: tuple[int, float]) -> Schedule:
    return Schedule(tuple(Wave(seed, BASE + hours * HOUR) for seed, hours in waves))


# Keys as hours for the usual rollout: 0→1, 20→4, 102→24, ... (formats 3.3).
DEFAULT = _schedule((0, 1), (20, 4), (102, 24), (307, 48), (819, 96), (1228, 120), (1843, 144))


def test_without_waves_every_host_is_ready() -> None:
    assert Schedule().ready_at(1000) is None
    assert Schedule().is_ready(1000, datetime(1, 1, 1, tzinfo=UTC))


def test_the_first_seed_of_a_wave_is_ready_at_its_start() -> None:
    assert DEFAULT.ready_at(0) == BASE + 1 * HOUR
    assert DEFAULT.ready_at(20) == BASE + 4 * HOUR
    assert DEFAULT.ready_at(1228) == BASE + 120 * HOUR


def test_inside_a_window_the_moment_moves_with_the_seed() -> None:
    assert DEFAULT.ready_at(10) == BASE + 2.5 * HOUR
    assert DEFAULT.ready_at(61) == BASE + 14 * HOUR


def test_the_seeds_of_the_last_window_are_ready_at_its_start() -> None:
    assert DEFAULT.ready_at(1843) == BASE + 144 * HOUR
    assert DEFAULT.ready_at(MAX_SEED - 1) == BASE + 144 * HOUR


def test_a_seed_below_the_first_wave_waits_for_it() -> None:
    schedule = _schedule((500, 1), (1024, 2))
    assert schedule.ready_at(0) == BASE + HOUR
    assert not schedule.is_ready(0, BASE)


def test_a_closing_wave_spreads_the_last_window() -> None:
    schedule = _schedule((0, 0), (1024, 10), (MAX_SEED, 20))
    assert schedule.ready_at(1536) == BASE + 15 * HOUR


def test_a_key_above_the_seeds_ends_the_window_before_it() -> None:
    schedule = _schedule((0, 0), (4096, 4))
    assert schedule.ready_at(1024) == BASE + HOUR


def test_a_host_is_ready_from_its_moment_on_and_not_an_instant_before() -> None:
    moment = BASE + 2.5 * HOUR
    assert DEFAULT.is_ready(10, moment)
    assert not DEFAULT.is_ready(10, moment - INSTANT)


def test_a_fraction_of_a_microsecond_rounds_up() -> None:
    schedule = Schedule((Wave(0, BASE), Wave(3, BASE + 10 * INSTANT)))
    assert [schedule.ready_at(seed) for seed in range(3)] == [
        BASE,
        BASE + 4 * INSTANT,
        BASE + 7 * INSTANT,
    ]


def test_the_widest_window_of_the_format_needs_no_floating_point() -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    schedule = Schedule((Wave(0, datetime(1, 1, 1, tzinfo=UTC)), Wave(MAX_KEY, end)))
    assert schedule.ready_at(MAX_KEY - 1) == end - 73_466_891 * INSTANT


def test_now_may_be_told_in_any_time_zone() -> None:
    assert DEFAULT.is_ready(0, (BASE + HOUR).astimezone(ZoneInfo("Asia/Tokyo")))


def test_a_window_across_a_change_of_clocks_has_its_true_length() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2031, 3, 30, 0, tzinfo=zone)
    end = datetime(2031, 3, 30, 6, tzinfo=zone)
    schedule = Schedule((Wave(0, start), Wave(10, end)))
    assert schedule.ready_at(5) == datetime(2031, 3, 30, 1, 30, tzinfo=UTC)


def test_a_wave_key_is_a_u32() -> None:
    assert MAX_KEY == 4_294_967_295
    assert Wave(MAX_KEY, BASE).first_seed == MAX_KEY


@pytest.mark.parametrize("seed", [-1, MAX_KEY + 1])
def test_a_wave_beyond_the_keys_of_the_format_is_refused(seed: int) -> None:
    with pytest.raises(WaveError, match=f"cannot begin at seed {seed}"):
        Wave(seed, BASE)


def test_a_wave_needs_a_time_zone() -> None:
    with pytest.raises(WaveError, match="has no time zone"):
        Wave(0, BASE.replace(tzinfo=None))


@pytest.mark.parametrize("keys", [(0, 0), (20, 10)])
def test_waves_stand_in_ascending_order(keys: tuple[int, int]) -> None:
    with pytest.raises(WaveError, match="greater first seed"):
        _schedule((keys[0], 1), (keys[1], 2))


def test_starts_that_do_not_increase_are_found() -> None:
    schedule = _schedule((0, 1), (20, 4), (102, 4))
    assert schedule.unordered() == (schedule.waves[1], schedule.waves[2])
    assert DEFAULT.unordered() is None


def test_the_original_rule_lets_the_lowest_seed_skip_the_start() -> None:
    assert upstream_ready_at(DEFAULT, 0) is None


def test_the_original_rule_has_no_waves_for_anybody_without_waves() -> None:
    assert upstream_ready_at(Schedule(), 5) is None


def test_the_original_rule_agrees_in_a_first_window_that_begins_at_zero() -> None:
    assert upstream_ready_at(DEFAULT, 10) == DEFAULT.ready_at(10)


def test_the_original_rule_puts_a_seed_at_a_key_into_the_window_that_ends_there() -> None:
    assert upstream_ready_at(DEFAULT, 20) == BASE + 4 * HOUR


def test_the_original_rule_opens_the_last_window_at_its_start() -> None:
    assert upstream_ready_at(DEFAULT, 2000) == BASE + 144 * HOUR


def test_the_original_rule_knows_no_end_above_the_seeds() -> None:
    assert upstream_ready_at(_schedule((0, 0), (4096, 4)), 1024) == BASE


def test_the_original_rule_takes_a_closing_wave_as_an_end() -> None:
    assert upstream_ready_at(_schedule((0, 0), (MAX_SEED, 4)), 1024) == BASE + 2 * HOUR


def test_the_original_rule_never_leaves_a_window_that_runs_backwards() -> None:
    assert upstream_ready_at(_schedule((0, 4), (100, 0)), 50) == BASE + 4 * HOUR


def test_the_original_rule_bunches_most_hosts_of_the_usual_rollout_at_window_ends() -> None:
    starts = {wave.start for wave in DEFAULT.waves}
    at_the_end = [seed for seed in range(1, 1844) if upstream_ready_at(DEFAULT, seed) in starts]
    assert len(at_the_end) == 1457
