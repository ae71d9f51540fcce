"""Budgets, cron expressions with seconds, openings, back-off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from updog.fleet import budget, secondcron
from updog.fleet.backoff import Backoff
from updog.fleet.opening import Windows

MONDAY = datetime(2031, 4, 7, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "nodes", "most"),
    [
        ("1", 10, 1),
        ("0", 10, 0),
        ("12", 10, 12),
        ("10%", 50, 5),
        ("10%", 5, 1),
        ("0%", 50, 0),
        ("100%", 7, 7),
        ("unlimited", 9, 9),
        (" UNLIMITED ", 9, 9),
    ],
)
def test_a_budget_is_a_number_a_share_or_none(text: str, nodes: int, most: int) -> None:
    assert budget.parse(text).of(nodes) == most


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "%", "many", "1 %", "²"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"budget|more than all"):
        budget.parse(text)


@pytest.mark.parametrize("text", ["3", "10%", "unlimited"])
def test_a_budget_is_written_as_it_is_read(text: str) -> None:
    assert str(budget.parse(text)) == text


def test_days_of_the_week_count_from_sunday_as_upstream() -> None:
    assert secondcron.parse("0 0 0 * * 2").after(MONDAY).weekday() == 0  # type: ignore[union-attr]
    assert secondcron.parse("0 0 0 * * Mon").after(MONDAY).weekday() == 0  # type: ignore[union-attr]
    assert secondcron.parse("0 0 0 * * 1").after(MONDAY).weekday() == 6  # type: ignore[union-attr]
    assert secondcron.parse("0 0 0 * * 7").after(MONDAY).weekday() == 5  # type: ignore[union-attr]


def test_a_step_of_days_is_not_a_day() -> None:
    days = secondcron.parse("0 0 0 * * */2")
    assert days.translated.split()[5] == "*/2"


def test_a_day_and_a_weekday_must_both_fit() -> None:
    both = secondcron.parse("0 0 12 13 * Fri")
    found = both.after(MONDAY)
    assert found is not None
    assert (found.day, found.weekday()) == (13, 4)


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "* * * * * * * *",
        "0 0 0 31 2 *",
        "x * * * * *",
        "0 0 0 * * 0",
        "0 0 0 * * 8",
        "",
    ],
)
def test_what_is_no_such_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fields|cron expression|never happens|days of the week"):
        secondcron.parse(text)


def test_an_expression_of_a_year_that_is_over_never_happens() -> None:
    with pytest.raises(ValueError, match="never happens"):
        secondcron.parse("0 0 0 1 1 * 2001")


def test_one_that_happened_for_the_last_time_has_no_next() -> None:
    cron = secondcron.parse("* * 2 1 1 * 2030")
    windows = Windows(cron=cron)
    shut = windows.at(MONDAY, None)
    assert not shut.open
    assert shut.next is None


def test_a_window_closes_and_says_when_it_opens_again() -> None:
    windows = Windows(cron=secondcron.parse("* * 1-2 * * *"))
    assert windows.at(MONDAY - timedelta(seconds=1), None).open
    shut = windows.at(MONDAY, None)
    assert (shut.open, shut.next) == (False, datetime(2031, 4, 8, 1, tzinfo=UTC))


def test_the_first_round_begins_at_the_next_time_and_not_at_the_last() -> None:
    windows = Windows(cron=secondcron.parse("0 0 2 * * *"))
    assert not windows.at(MONDAY, closed=MONDAY - timedelta(minutes=1)).open
    assert windows.at(MONDAY, closed=MONDAY - timedelta(hours=2)).open


def test_always_is_always() -> None:
    assert Windows().at(MONDAY, None).open
    assert Windows(cron=secondcron.parse("* * * * * * *")).at(MONDAY, None).open


def test_the_pause_doubles_up_to_its_cap() -> None:
    backoff = Backoff(unit=timedelta(minutes=1), cap=timedelta(minutes=10), jitter=0.0)
    minutes = [backoff.pause(each, "a") / timedelta(minutes=1) for each in range(6)]
    assert minutes == [0, 2, 4, 8, 10, 10]


def test_a_node_has_the_same_pause_whenever_it_is_asked() -> None:
    assert Backoff().pause(2, "a") == Backoff().pause(2, "a")
