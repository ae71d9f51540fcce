from __future__ import annotations

from datetime import UTC, datetime

import pytest

from repo_tools.planning.lint import faults
from waves.policy import parse_policy
from waves.shipped import names, read_shipped

NOW = datetime(2031, 4, 7, tzinfo=UTC)
HOUR = 3600


def _found(text: str, poll: int = 60) -> list[tuple[str, str]]:
    policy = parse_policy(text, "p.toml")
    return [(str(each.level), each.check) for each in faults(policy, "p.toml", NOW, poll)]


def _waves(*pairs: tuple[str, int], more: str = "") -> str:
    entries = [f'[[waves]]\nstart_after = "{at}"\nfleet_percentage = {upto}' for at, upto in pairs]
    return "\n".join(entries) + f"\n{more}"


SPREAD = 'spread_over = "1 day"'


def test_a_careful_policy_has_no_findings() -> None:
    assert _found(_waves(("1 hour", 5), ("1 day", 95), ("2 days", 100), more=SPREAD)) == []


def test_a_start_in_the_past_is_an_error() -> None:
    text = _waves(("2031-04-01T00:00:00Z", 5), ("2031-05-01T00:00:00Z", 100), more=SPREAD)
    assert _found(text) == [("error", "past")]


def test_offsets_and_moments_out_of_order_are_an_error() -> None:
    text = _waves(("52 weeks", 5), ("2031-05-01T00:00:00Z", 100))
    assert _found(text) == [("error", "order")]


def test_a_large_first_wave_is_a_warning() -> None:
    found = _found(_waves(("1 hour", 50), ("1 day", 100), more=SPREAD))
    assert ("warning", "large-first") in found


def test_a_last_wave_that_comes_at_once_is_worth_a_note() -> None:
    assert _found(_waves(("1 hour", 5), ("1 day", 100))) == [("note", "burst")]


def test_waves_shorter_than_a_poll_are_worth_a_note() -> None:
    text = _waves(("1 hour", 5), ("2 hours", 95), ("2 days", 100), more=SPREAD)
    assert _found(text, 6 * HOUR) == [("note", "short")]


@pytest.mark.parametrize("name", names())
def test_shipped_policies_have_only_notes(name: str) -> None:
    levels = {str(each.level) for each in faults(read_shipped(name), name, NOW, HOUR)}
    assert levels <= {"note"}
