"""Each rule of the agent by itself, in the order in which they are asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.clock import NOW
from updog.agent import windows
from updog.agent.calendar import Calendar
from updog.agent.decide import (
    FRESH,
    LOOK_AGAIN,
    RESTARTING,
    SKEW,
    Action,
    Known,
    Rules,
    backoff,
    decide,
    due,
)
from updog.agent.windows import Every
from updog.settings import Mode

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
RULES = Rules(Calendar(check=Every(4 * HOUR)))
ASKED = Known(checked=NOW)
CHOSEN = replace(ASKED, chosen="1.1.0")
STAGED = replace(CHOSEN, staged="1.1.0")


def calendar(*, window: str = "", blackout: str = "") -> Rules:
    said = replace(
        RULES.calendar,
        windows=(windows.window(window),) if window else (),
        blackouts=(windows.blackout(blackout),) if blackout else (),
    )
    return replace(RULES, calendar=said)


@pytest.mark.parametrize(
    ("known", "action", "why"),
    [
        (Known(), Action.CHECK, "time to ask"),
        (ASKED, Action.WAIT, "no update"),
        (CHOSEN, Action.INSTALL, "1.1.0 is for this host"),
        (replace(CHOSEN, confirmed=False), Action.WAIT, "not confirmed"),
        (replace(CHOSEN, spent=True), Action.WAIT, "daily_bytes"),
        (replace(CHOSEN, staged="1.0.9"), Action.INSTALL, "1.1.0"),
        (STAGED, Action.REBOOT, "1.1.0 is staged"),
        (replace(STAGED, halted="three in a row"), Action.WAIT, "three in a row"),
        (replace(STAGED, inhibitors=("backup",)), Action.WAIT, "inhibited by backup"),
        (replace(STAGED, restarting=NOW), Action.WAIT, "about to restart"),
        (replace(STAGED, restarting=NOW - RESTARTING), Action.REBOOT, "staged"),
        # Only a clock that was wrong has seen this moment already.
        (replace(STAGED, restarting=NOW + HOUR), Action.REBOOT, "staged"),
        (replace(CHOSEN, checked=NOW + HOUR), Action.CHECK, "time to ask"),
        (replace(STAGED, failures=2, failed=NOW), Action.WAIT, "2 attempts failed"),
        (replace(STAGED, failures=2, failed=NOW + HOUR), Action.REBOOT, "staged"),
    ],
)
def test_each_rule(known: Known, action: Action, why: str) -> None:
    step = decide(RULES, known, NOW)
    assert step.action is action
    assert why in step.why


@pytest.mark.parametrize(
    ("mode", "known", "action"),
    [
        (Mode.MANUAL, CHOSEN, Action.WAIT),
        (Mode.MANUAL, STAGED, Action.WAIT),
        (Mode.STAGED, CHOSEN, Action.INSTALL),
        (Mode.STAGED, STAGED, Action.WAIT),
        (Mode.AUTOMATIC, STAGED, Action.REBOOT),
    ],
)
def test_each_mode_goes_so_far(mode: Mode, known: Known, action: Action) -> None:
    assert decide(replace(RULES, mode=mode), known, NOW).action is action


def test_a_blackout_stops_installing_and_restarting_but_not_asking() -> None:
    rules = calendar(blackout="01-01..12-31")
    assert decide(rules, CHOSEN, NOW).action is Action.WAIT
    assert decide(rules, STAGED, NOW).action is Action.WAIT
    assert decide(rules, Known(), NOW).action is Action.CHECK


def test_outside_of_a_window_it_installs_and_does_not_restart() -> None:
    rules = calendar(window="daily 02:00-03:00")
    assert decide(rules, CHOSEN, NOW).action is Action.INSTALL
    assert decide(rules, STAGED, NOW).action is Action.WAIT


def test_a_restart_goes_by_a_fresh_answer() -> None:
    old = replace(STAGED, checked=NOW - FRESH - SECOND)
    rules = replace(RULES, calendar=replace(RULES.calendar, check=Every(7 * 24 * HOUR)))
    assert decide(rules, old, NOW).action is Action.CHECK
    assert decide(rules, replace(old, checked=NOW - FRESH), NOW).action is Action.REBOOT


def test_an_inhibited_restart_is_looked_at_again_soon() -> None:
    step = decide(RULES, replace(STAGED, inhibitors=("backup",)), NOW)
    assert step.until == NOW + LOOK_AGAIN


def test_it_waits_for_the_turn_of_an_update_if_that_comes_first() -> None:
    ready = NOW + timedelta(minutes=7)
    step = decide(RULES, replace(ASKED, ready_at=ready), NOW)
    assert (step.action, step.until) == (Action.WAIT, ready)
    assert due(RULES, replace(ASKED, ready_at=ready), ready)
    late = replace(ASKED, ready_at=NOW + 24 * HOUR)
    assert decide(RULES, late, NOW).until == RULES.calendar.next_check(NOW)


@pytest.mark.parametrize("spread", [0.0, 0.5, 0.999])
def test_the_backoff_grows_and_keeps_within_its_bounds(spread: float) -> None:
    rules = replace(RULES, spread=spread)
    waits = [backoff(rules, failures) for failures in range(1, 200)]
    assert waits[0] == rules.backoff_min
    assert all(rules.backoff_min <= each <= rules.backoff_max for each in waits)
    assert waits == sorted(waits)
    assert waits[-1] >= rules.backoff_max / 2


def test_hosts_that_failed_together_come_back_apart() -> None:
    waits = {backoff(replace(RULES, spread=place / 10), 6) for place in range(10)}
    assert len(waits) == 10


def test_a_little_skew_is_no_wrong_clock() -> None:
    assert not due(RULES, replace(ASKED, checked=NOW + SKEW), NOW)
