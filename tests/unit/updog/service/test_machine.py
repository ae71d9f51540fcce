from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from updog.service.machine import TABLE, Command, Refusal, State, diagram, refusal, table

PAGE = Path(__file__).parents[4] / "docs/update-api.md"
IDLE, AVAILABLE, STAGED, READY = State
REFRESH, PREPARE, ACTIVATE, DEACTIVATE = Command

# Written out once more, against formats 10.3, so that a slip in the table shows.
ALLOWED = {
    (IDLE, REFRESH): {IDLE, AVAILABLE},
    (AVAILABLE, REFRESH): {IDLE, AVAILABLE},
    (AVAILABLE, PREPARE): {STAGED},
    (STAGED, REFRESH): {STAGED},
    (STAGED, PREPARE): {STAGED},
    (STAGED, ACTIVATE): {READY},
    (READY, REFRESH): {READY},
    (READY, DEACTIVATE): {STAGED},
}
AFTER_FAILURE = {
    (IDLE, REFRESH): {IDLE},
    (AVAILABLE, REFRESH): {IDLE},
    (AVAILABLE, PREPARE): {AVAILABLE},
    (STAGED, REFRESH): {STAGED},
    (STAGED, PREPARE): {STAGED, AVAILABLE, IDLE},
    (STAGED, ACTIVATE): {STAGED},
    (READY, REFRESH): {READY},
    (READY, DEACTIVATE): {READY},
}
PAIRS = list(product(State, Command))


@pytest.mark.parametrize(("state", "command"), PAIRS)
def test_every_pair_is_allowed_or_refused_as_the_formats_say(
    state: State, command: Command
) -> None:
    found = refusal(state, command, chosen=True, staged=True)
    if (state, command) not in ALLOWED:
        assert found is Refusal.NOT_NOW
        return
    assert found is None
    rule = TABLE[state][command]
    assert set(rule.done) == ALLOWED[state, command]
    assert set(rule.failed) == AFTER_FAILURE[state, command]


@pytest.mark.parametrize(("state", "command"), PAIRS)
def test_a_state_that_refuses_says_so_before_anything_is_missed(
    state: State, command: Command
) -> None:
    found = refusal(state, command, chosen=False, staged=False)
    if (state, command) not in ALLOWED:
        assert found is Refusal.NOT_NOW
    elif command is PREPARE:
        assert found is Refusal.NOTHING_CHOSEN
    elif command is REFRESH:
        assert found is None
    else:
        assert found is Refusal.NOTHING_STAGED


def test_refusals_have_the_codes_of_upstream() -> None:
    assert {each.name: (each.code, each.http_status) for each in Refusal} == {
        "BUSY": (64, 423),
        "NOT_NOW": (65, 409),
        "NOTHING_CHOSEN": (66, 404),
        "NOTHING_STAGED": (67, 404),
    }


def test_the_page_shows_the_table_as_it_is() -> None:
    start, end = "<!-- states: made by updog.service.machine -->\n", "<!-- /states -->"
    shown = PAGE.read_text().partition(start)[2].partition(end)[0]
    assert shown == f"```mermaid\n{diagram()}\n```\n\n{table()}\n"


def test_every_state_can_be_reached_and_left() -> None:
    led_to = {each for rules in TABLE.values() for rule in rules.values() for each in rule.done}
    assert led_to == set(State)
    for state in State:
        assert TABLE[state]
