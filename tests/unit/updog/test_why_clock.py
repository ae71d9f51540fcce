"""What `updog why` says of the clock."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.fakes.client_world import ARCH, SEED, V1, VARIANT
from tests.fakes.clock import NOW
from updog.report import Why, why_json, why_text
from updog.select import Host, Policy
from updog.timepolicy import TimeOfRun

BEHIND = TimeOfRun(NOW, NOW + timedelta(days=1))


def why(clock: TimeOfRun | None) -> Why:
    rules = Policy(version_lock=None, ignore_waves=False, forced=None, blocked=frozenset())
    return Why(NOW, Host(VARIANT, ARCH, V1, SEED), rules, clock=clock)


def test_the_state_stands_on_a_line() -> None:
    assert "Clock:     plausible: 2031-04-07T09:00:00Z" in why_text(why(TimeOfRun(NOW)))
    assert "Clock:     unknown: The clock says" in why_text(why(BEHIND))


def test_the_state_and_both_times_stand_in_the_json() -> None:
    tree = json.loads(why_json(why(BEHIND)))["clock"]
    assert tree == {
        "state": "unknown",
        "told": "2031-04-07T09:00:00Z",
        "floor": "2031-04-08T09:00:00Z",
    }


def test_a_clock_that_nobody_asked_is_null() -> None:
    assert json.loads(why_json(why(None)))["clock"] is None
    assert "Clock:" not in why_text(why(None))
