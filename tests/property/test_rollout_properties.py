from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from repo_tools.simulation import model
from repo_tools.simulation.readiness import NEVER, Rule, ready_seconds
from waves.errors import WaveError
from waves.pause import PAUSED, pause, resume
from waves.schedule import MAX_SEED, Schedule, Wave, upstream_ready_at
from waves.stretch import expedite, extend

pytestmark = pytest.mark.property

FIRST = datetime(2031, 4, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SAMPLE = range(0, MAX_SEED, 7)
FACTORS = st.fractions(Fraction(101, 100), 20, max_denominator=100)


@st.composite
def _running(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    """A schedule as written, and a moment before its last start."""
    keys = [0, *sorted(draw(st.sets(st.integers(1, MAX_SEED), max_size=6)))]
    spans = st.integers(1, 10) | st.integers(1, 10**6)
    gaps = draw(st.lists(spans, min_size=len(keys), max_size=len(keys)))
    starts = [FIRST + total * SECOND for total in accumulate(gaps)]
    schedule = Schedule(tuple(Wave(key, at) for key, at in zip(keys, starts, strict=True)))
    now = FIRST + draw(st.integers(0, sum(gaps) - 1)) * SECOND
    return schedule, now


def _turn(schedule: Schedule, seed: int) -> datetime:
    moment = schedule.ready_at(seed)
    assert moment is not None
    return moment


def _upstream(schedule: Schedule, seed: int) -> datetime:
    moment = upstream_ready_at(schedule, seed)
    return datetime.min.replace(tzinfo=UTC) if moment is None else moment


@given(_running())
@settings(max_examples=80, deadline=None)
def test_pause_never_moves_a_wave_that_has_started(case: tuple[Schedule, datetime]) -> None:
    schedule, now = case
    come = tuple(wave for wave in schedule.waves if wave.start <= now)
    after = pause(schedule, now).waves
    assert after[: len(come)] == come
    assert all(wave.start >= PAUSED for wave in after[len(come) :])


@given(_running(), st.integers(0, 30 * 365))
@settings(max_examples=80, deadline=None)
def test_pause_lets_no_further_host_in_by_either_rule(
    case: tuple[Schedule, datetime], days: int
) -> None:
    schedule, now = case
    after = pause(schedule, now)
    later = now + timedelta(days=days)
    # Starts are whole seconds: where many seeds share one, it cannot be cut.
    due = now + SECOND
    for seed in SAMPLE:
        if _turn(after, seed) <= later:
            assert _turn(schedule, seed) <= due
        if _upstream(after, seed) <= later:
            assert _upstream(schedule, seed) <= due


@given(_running())
@settings(max_examples=80, deadline=None)
def test_resume_at_the_moment_of_the_pause_changes_nobodys_turn(
    case: tuple[Schedule, datetime],
) -> None:
    schedule, now = case
    again = resume(pause(schedule, now), now)
    for seed in SAMPLE:
        assert abs(_turn(again, seed) - _turn(schedule, seed)) <= SECOND


@given(_running())
@settings(max_examples=80, deadline=None)
def test_resume_at_the_moment_of_the_pause_gives_the_same_waves(
    case: tuple[Schedule, datetime],
) -> None:
    schedule, now = case
    # A wave that stands on the line between its neighbours changes nothing and may be left out.
    for place in range(1, len(schedule.waves) - 1):
        rest = Schedule(schedule.waves[:place] + schedule.waves[place + 1 :])
        wave = schedule.waves[place]
        assume(abs(_turn(rest, wave.first_seed) - wave.start) > SECOND)
    assert resume(pause(schedule, now), now) == schedule


@given(_running(), st.integers(0, 10**7))
@settings(max_examples=80, deadline=None)
def test_resume_keeps_the_spacing_of_the_waves_to_come(
    case: tuple[Schedule, datetime], waited: int
) -> None:
    schedule, now = case
    delay = waited * SECOND
    after = {
        wave.first_seed: wave.start for wave in resume(pause(schedule, now), now + delay).waves
    }
    for wave in schedule.waves:
        if wave.start > now and wave.first_seed in after:
            assert after[wave.first_seed] == wave.start + delay


@given(_running(), FACTORS)
@settings(max_examples=80, deadline=None)
def test_after_extend_nobody_comes_earlier_and_nobody_loses_his_turn(
    case: tuple[Schedule, datetime], factor: Fraction
) -> None:
    schedule, now = case
    after = extend(schedule, now, factor)
    for seed in SAMPLE:
        before = _turn(schedule, seed)
        assert _turn(after, seed) >= before
        if before <= now:
            assert _turn(after, seed) <= before + SECOND


@given(_running(), FACTORS)
@settings(max_examples=80, deadline=None)
def test_after_extend_a_lower_seed_is_never_later(
    case: tuple[Schedule, datetime], factor: Fraction
) -> None:
    schedule, now = case
    after = extend(schedule, now, factor)
    turns = [_turn(after, seed) for seed in SAMPLE]
    assert turns == sorted(turns)


@given(_running(), FACTORS)
@settings(max_examples=80, deadline=None)
def test_after_expedite_nobody_comes_later_and_nobody_jumps_into_the_past(
    case: tuple[Schedule, datetime], factor: Fraction
) -> None:
    schedule, now = case
    try:
        after = expedite(schedule, now, 1 / factor)
    except WaveError as error:
        assume("at least a second" not in str(error))  # waves that are a second apart already
        raise
    for seed in SAMPLE:
        before = _turn(schedule, seed)
        assert _turn(after, seed) <= before + SECOND
        if before > now:
            assert _turn(after, seed) > now


def _naive(seeds: list[int], phases: list[int], poll: int, ready: list[int]) -> list[int]:
    """Every host asks until it is told yes."""
    found = []
    for seed, phase in zip(seeds, phases, strict=True):
        at = phase
        while ready[seed] < NEVER and at < ready[seed]:
            at += poll
        found.append(at if ready[seed] < NEVER else NEVER)
    return found


@st.composite
def _fleets(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    poll = draw(st.integers(1000, 90_000))
    size = draw(st.integers(1, 30))
    seeds = draw(st.lists(st.integers(0, MAX_SEED - 1), min_size=size, max_size=size))
    phases = draw(st.lists(st.integers(0, poll - 1), min_size=size, max_size=size))
    return seeds, phases, poll


@given(_running(), _fleets(), st.sampled_from(Rule), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_arrays_agree_with_hosts_that_ask_one_by_one(
    case: tuple[Schedule, datetime],
    drawn: tuple[list[int], list[int], int],
    rule: Rule,
    paused: bool,  # noqa: FBT001 - drawn
) -> None:
    schedule = pause(*case) if paused else case[0]
    seeds, phases, poll = drawn
    ready = list(ready_seconds(schedule, rule, FIRST))
    fleet = model.Fleet(np.array(seeds, np.uint16), np.array(phases, np.int64), poll)
    found = [min(at, NEVER) for at in model.taken(fleet, ready).tolist()]
    assert found == _naive(seeds, phases, poll, ready)


@given(st.lists(st.integers(0, 4000) | st.just(NEVER), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_the_figures_agree_with_counting_by_hand(times: list[int]) -> None:
    found = model.figures(np.array(times, np.int64))
    reached = sorted(at for at in times if at < NEVER)
    largest = max((sum(at <= other < at + 300 for other in reached) for at in reached), default=0)
    assert (found.fleet, found.reached, found.cohort.hosts) == (len(times), len(reached), largest)
    hours = {at // 3600 * 3600 for at in reached}
    counted = {hour: sum(hour <= at < hour + 3600 for at in reached) for hour in sorted(hours)}
    assert {count.at: count.hosts for count in found.hourly} == counted
    assert all(count.hosts == sum(at <= count.at for at in reached) for count in found.curve)
    for percent, second in found.percentiles.items():
        needed = -(-len(times) * percent // 100)
        assert second == (reached[needed - 1] if needed <= len(reached) else None)
