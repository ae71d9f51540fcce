from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from repo_tools.simulation import model
from repo_tools.simulation.figures import Band, bands
from repo_tools.simulation.readiness import NEVER, Rule, ready_seconds
from repo_tools.simulation.run import Question, simulate, simulate_change
from waves.pause import pause
from waves.policy import to_schedule
from waves.schedule import MAX_SEED, Schedule, Wave
from waves.shipped import names, read_shipped

START = datetime(2031, 4, 7, tzinfo=UTC)
HOUR = 3600


def _question(policy: str = "default", fleet: int = 2000, chance: int = 1) -> Question:
    schedule = to_schedule(read_shipped(policy), START)
    rules = (Rule.OURS, Rule.UPSTREAM)
    return Question(policy, schedule, START, fleet, 6 * HOUR, rules=rules, chance=chance)


def test_the_same_number_draws_the_same_fleet() -> None:
    assert simulate(_question()) == simulate(_question())
    assert simulate(_question()) != simulate(_question(chance=2))


def test_without_waves_all_come_within_one_poll() -> None:
    found = simulate(Question("open", Schedule(), START, 500, 6 * HOUR)).runs[0].figures
    assert found.reached == 500
    assert found.curve[-1].at < 6 * HOUR


def test_nobody_comes_before_the_first_start_by_our_rule() -> None:
    found = simulate(_question(fleet=100_000))
    assert found.runs[0].figures.hourly[0].at >= HOUR


@pytest.mark.parametrize("policy", names())
def test_the_original_rule_never_has_the_smaller_crowd(policy: str) -> None:
    ours, upstream = simulate(_question(policy, fleet=200_000)).runs
    assert upstream.figures.cohort.hosts >= ours.figures.cohort.hosts * 0.98


def test_the_original_rule_bunches_the_default_policy() -> None:
    ours, upstream = simulate(_question(fleet=200_000)).runs
    assert upstream.figures.peak_hour.hosts > 2 * ours.figures.peak_hour.hosts


def test_an_hour_has_as_many_hosts_as_the_fleet_in_all() -> None:
    figures = simulate(_question()).runs[0].figures
    assert sum(hour.hosts for hour in figures.hourly) == figures.fleet == figures.curve[-1].hosts


def test_of_a_paused_rollout_only_what_has_come_is_reached() -> None:
    schedule = pause(to_schedule(read_shipped("default"), START), START + timedelta(days=1))
    ready = ready_seconds(schedule, Rule.OURS, START)
    assert ready.count(NEVER) == MAX_SEED - 103
    assert max(second for second in ready if second < NEVER) == 24 * HOUR


def test_a_rollout_paused_before_its_first_start_reaches_nobody() -> None:
    schedule = pause(to_schedule(read_shipped("default"), START), START)
    found = simulate(Question("paused", schedule, START, 100, HOUR)).runs[0].figures
    assert (found.reached, found.peak_hour.hosts, found.percentiles[1]) == (0, 0, None)


def test_what_was_taken_before_a_change_stays_taken() -> None:
    question = _question(fleet=5000)
    ready = ready_seconds(question.schedule, Rule.OURS, START)
    change = START + timedelta(days=3)
    before, after = simulate_change(question, ready, (NEVER,) * MAX_SEED, change)
    had = sum(hour.hosts for hour in before.runs[0].figures.hourly if hour.at < 72 * HOUR)
    assert 0 < had < 5000
    assert after.runs[0].figures.reached == had


def test_hosts_let_in_by_a_change_do_not_come_before_it() -> None:
    fleet = model.draw(1000, HOUR, np.random.default_rng(1))
    before = model.taken(fleet, (NEVER,) * MAX_SEED)
    after = model.taken_after(fleet, before, (0,) * MAX_SEED, 7200)
    assert 7200 <= after.min() <= after.max() < 7200 + HOUR


def test_seeds_below_the_first_wave_belong_to_it() -> None:
    schedule = Schedule((Wave(100, START), Wave(1024, START + timedelta(days=1))))
    found = bands(schedule, (1,) * MAX_SEED)
    assert found == (
        Band(0, 1024, START, 1024),
        Band(1024, MAX_SEED, START + timedelta(days=1), 1024),
    )


def test_a_closing_wave_holds_no_seed() -> None:
    schedule = Schedule((Wave(0, START), Wave(MAX_SEED, START + timedelta(days=1))))
    assert [band.end for band in bands(schedule, (0,) * MAX_SEED)] == [MAX_SEED]


def test_a_small_fleet_is_warned_of_waves_that_hold_nobody() -> None:
    warnings = simulate(_question(fleet=3)).warnings()
    assert any("wave 1 (seeds 0 to 19, 1.0%) holds nobody" in line for line in warnings)
    assert "in 97% of fleets of 3" in warnings[0]


def test_a_large_fleet_is_not_warned() -> None:
    assert simulate(_question(fleet=100_000)).warnings() == ()
