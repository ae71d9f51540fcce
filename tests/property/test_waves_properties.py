from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waves.duration import format_moment, parse_moment, parse_offset_or_moment, whole_second
from waves.errors import WaveError
from waves.policy import Policy, Step, parse_policy, to_schedule
from waves.schedule import MAX_KEY, MAX_SEED, Schedule, Wave

pytestmark = pytest.mark.property

INSTANT = timedelta(microseconds=1)
SEEDS = st.integers(0, MAX_SEED - 1)
MOMENTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@st.composite
def _schedules(draw: st.DrawFn, greatest_key: int = 4096) -> Schedule:
    """Schedules as publishers may write them: starts strictly increase with the keys."""
    keys = sorted(draw(st.sets(st.integers(0, greatest_key), min_size=1, max_size=8)))
    # From windows of a few microseconds, where rounding shows, to windows of years.
    spans = st.integers(1, 20) | st.integers(1, 10**14)
    gaps = draw(st.lists(spans, min_size=len(keys) - 1, max_size=len(keys) - 1))
    first = draw(MOMENTS)
    starts = [first + total * INSTANT for total in accumulate(gaps, initial=0)]
    return Schedule(tuple(Wave(key, at) for key, at in zip(keys, starts, strict=True)))


@st.composite
def _policies(draw: st.DrawFn) -> Policy:
    percents = [*sorted(draw(st.sets(st.integers(1, 99), max_size=7))), 100]
    minutes = sorted(
        draw(st.sets(st.integers(0, 10**6), min_size=len(percents), max_size=len(percents)))
    )
    steps = [Step(timedelta(minutes=m), p) for m, p in zip(minutes, percents, strict=True)]
    spread = draw(st.none() | st.integers(1, 10**5).map(lambda m: timedelta(minutes=m)))
    return Policy(tuple(steps), spread)


def _ready_at(schedule: Schedule, seed: int) -> datetime:
    moment = schedule.ready_at(seed)
    assert moment is not None
    return moment


@given(_schedules(), SEEDS, SEEDS)
def test_a_lower_seed_is_never_ready_later(schedule: Schedule, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert _ready_at(schedule, low) <= _ready_at(schedule, high)


@given(_schedules(), SEEDS, MOMENTS)
def test_once_ready_a_host_stays_ready(schedule: Schedule, seed: int, now: datetime) -> None:
    ready_at = _ready_at(schedule, seed)
    assert schedule.is_ready(seed, now) == (now >= ready_at)


@given(_schedules(), SEEDS)
def test_nobody_bypasses_the_first_start(schedule: Schedule, seed: int) -> None:
    assert _ready_at(schedule, seed) >= schedule.waves[0].start


@given(_schedules(), SEEDS)
def test_nobody_is_early_by_any_part_of_a_microsecond(schedule: Schedule, seed: int) -> None:
    windows = [(a, b) for a, b in pairwise(schedule.waves) if a.first_seed <= seed < b.first_seed]
    for start, end in windows:
        line = Fraction((end.start - start.start) // INSTANT, end.first_seed - start.first_seed)
        waited = (_ready_at(schedule, seed) - start.start) // INSTANT
        assert 0 <= waited - line * (seed - start.first_seed) < 1


@given(_schedules())
@settings(max_examples=40)
def test_everybody_in_a_window_is_ready_before_its_end(schedule: Schedule) -> None:
    for start, end in pairwise(schedule.waves):
        if start.first_seed < MAX_SEED:
            last = min(end.first_seed, MAX_SEED) - 1
            assert start.start <= _ready_at(schedule, last) <= end.start


@given(_schedules(MAX_SEED), st.data())
@settings(max_examples=60)
def test_at_any_time_a_window_has_let_in_its_even_share_give_or_take_one_seed(
    schedule: Schedule, data: st.DataObject
) -> None:
    for start, end in pairwise(schedule.waves):
        size = end.first_seed - start.first_seed
        span = (end.start - start.start) // INSTANT
        moments = [_ready_at(schedule, seed) for seed in range(start.first_seed, end.first_seed)]
        elapsed = data.draw(st.integers(0, span) | st.sampled_from([0, span // 2, span]))
        ready = sum(moment <= start.start + elapsed * INSTANT for moment in moments)
        assert abs(ready - Fraction(elapsed * size, span)) <= 1


@given(_schedules(), SEEDS)
def test_a_host_of_the_last_window_is_ready_when_it_opens(schedule: Schedule, seed: int) -> None:
    last = schedule.waves[-1]
    if seed >= last.first_seed:
        assert _ready_at(schedule, seed) == last.start


@given(_policies(), MOMENTS)
def test_a_policy_gives_a_schedule_in_order(policy: Policy, base: datetime) -> None:
    schedule = to_schedule(policy, base)
    assert schedule.unordered() is None
    assert schedule.waves[0].first_seed == 0
    assert len(schedule.waves) == len(policy.steps) + (policy.spread_over is not None)


@given(_policies(), MOMENTS)
@settings(max_examples=40)
def test_when_a_wave_is_over_its_percentage_of_the_fleet_is_ready(
    policy: Policy, base: datetime
) -> None:
    schedule = to_schedule(policy, base)
    for step, following in zip(policy.steps, schedule.waves[1:], strict=False):
        ready = sum(schedule.is_ready(seed, following.start - INSTANT) for seed in range(MAX_SEED))
        assert abs(Fraction(ready * 100, MAX_SEED) - step.percent) <= Fraction(200, MAX_SEED)


@given(MOMENTS)
def test_a_written_moment_reads_back_as_the_same_whole_second(moment: datetime) -> None:
    assert parse_moment(format_moment(moment)) == whole_second(moment)
    assert timedelta(0) <= whole_second(moment) - moment < timedelta(seconds=1)


@given(st.text() | st.from_regex(r"\d{1,6}-\d{1,3}-\d{1,3}[Tt ]\d\d:\d\d:\d\d(\.\d+)?[Zz+-].{0,6}"))
def test_no_text_makes_the_readers_of_times_fail_otherwise(text: str) -> None:
    for read in (parse_moment, parse_offset_or_moment):
        try:
            moment = read(text)
        except WaveError:
            continue
        assert not isinstance(moment, datetime) or moment.tzinfo is UTC


_LINES = st.sampled_from(
    [
        "[[waves]]",
        "[waves]",
        "start_after = '1 hour'",
        "start_after = '4294967295 weeks'",
        "start_after = 2031-04-07T09:00:00Z",
        "fleet_percentage = 5",
        "fleet_percentage = 100",
        "fleet_percentage = nan",
        "spread_over = '1 day'",
        "waves = []",
    ]
)


@given(st.text() | st.lists(_LINES, max_size=9).map("\n".join))
def test_no_text_makes_the_reader_of_policies_fail_otherwise(text: str) -> None:
    try:
        policy = parse_policy(text, "p.toml")
    except WaveError:
        return
    assert policy.steps[-1].percent == 100


@given(st.integers(0, MAX_KEY), st.integers())
def test_any_seed_at_all_has_an_answer(key: int, seed: int) -> None:
    moment = datetime(2031, 4, 7, tzinfo=UTC)
    assert Schedule((Wave(key, moment),)).ready_at(seed) == moment
