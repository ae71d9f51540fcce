from __future__ import annotations

from datetime import date, timedelta

import pytest

from updog.agent import windows
from updog.agent.windows import CronWindow, Every, Fires, Window

WEEK = frozenset(range(7))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon-Fri 02:00-05:00", Window(frozenset(range(5)), 120, 300)),
        ("daily 22:00-04:30", Window(WEEK, 1320, 270)),
        ("Fri-Mon 00:00-24:00", Window(frozenset({4, 5, 6, 0}), 0, 1440)),
        ("sat,SUN 23:59-00:00", Window(frozenset({5, 6}), 1439, 0)),
        ("cron 0 2 1-7 * sun for 3 hours", CronWindow("0 2 1-7 * sun", timedelta(hours=3))),
    ],
)
def test_windows_are_read(text: str, expected: object) -> None:
    assert windows.window(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mon 2:00-5:00",
        "Mon 02:00-02:00",
        "Mon 24:00-01:00",
        "Mon 02:60-03:00",
        "Mon 02:00-24:01",
        "Moon 02:00-05:00",
        "Mon- 02:00-05:00x",
        "cron 0 2 * * for 3 hours",
        "cron 0 2 * * * for 8 days",
        "cron 0 2 * * * for 0 hours",
        "cron 0 2 * * *",
        "02:00-05:00",
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        windows.window(text)


def test_when_to_ask_is_a_span_or_a_cron_expression() -> None:
    assert windows.check("4 hours") == Every(timedelta(hours=4))
    assert windows.check("15  */4 * * mon") == Fires("15 */4 * * mon")


@pytest.mark.parametrize("text", ["", "0 minutes", "5 weeks", "* * * *", "* * * * $", "soon"])
def test_what_is_no_time_to_ask_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        windows.check(text)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("2031-12-20..2032-01-06", [(2031, 12, 20), (2032, 1, 6)], [(2031, 12, 19), (2032, 1, 7)]),
        ("2031-12-24", [(2031, 12, 24)], [(2032, 12, 24), (2031, 12, 25)]),
        ("12-24..01-02", [(2031, 12, 24), (2040, 1, 2)], [(2031, 1, 3), (2031, 12, 23)]),
        ("02-29", [(2032, 2, 29)], [(2031, 3, 1), (2031, 2, 28)]),
        ("07-01..07-31", [(2031, 7, 1), (2032, 7, 31)], [(2031, 6, 30), (2031, 8, 1)]),
    ],
)
def test_blackouts_cover_their_days(
    text: str, inside: list[tuple[int, int, int]], outside: list[tuple[int, int, int]]
) -> None:
    found = windows.blackout(text)
    assert all(found.covers(date(*day)) for day in inside)
    assert not any(found.covers(date(*day)) for day in outside)


@pytest.mark.parametrize(
    "text", ["", "2031-02-29", "12-32", "2031-12-20..01-06", "2032-01-01..2031-01-01", "x..y"]
)
def test_what_are_no_days_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        windows.blackout(text)
