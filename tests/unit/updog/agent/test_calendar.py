from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from updog.agent import cron, windows
from updog.agent.calendar import Calendar, share
from updog.agent.wallclock import instant, wall
from updog.agent.windows import Every, Fires

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
# In 2031 Berlin's clock jumps from 02:00 to 03:00 on 30 March, and back from 03:00 on 26 October.
SKIPPED = datetime(2031, 3, 30, 2)  # noqa: DTZ001 - what the clock would show
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def calendar(*texts: str, zone: ZoneInfo = BERLIN, blackouts: tuple[str, ...] = ()) -> Calendar:
    return Calendar(
        zone=zone,
        windows=tuple(map(windows.window, texts)),
        blackouts=tuple(map(windows.blackout, blackouts)),
    )


def open_minutes(made: Calendar, begin: datetime, hours: int) -> list[datetime]:
    return [at for at in (begin + n * MINUTE for n in range(hours * 60)) if made.is_open(at)]


def test_without_windows_it_is_always_open() -> None:
    assert Calendar().is_open(utc(2031, 1, 1))
    assert Calendar().next_open(utc(2031, 1, 1)) == utc(2031, 1, 1)


def test_a_window_goes_by_the_clock_on_the_wall() -> None:
    made = calendar("Mon-Fri 02:00-05:00")
    assert made.is_open(utc(2031, 1, 6, 1, 0))  # Monday 02:00 in Berlin
    assert not made.is_open(utc(2031, 1, 6, 4, 0))
    assert not made.is_open(utc(2031, 1, 5, 1, 0))  # Sunday
    assert made.next_open(utc(2031, 1, 10, 5, 0)) == utc(2031, 1, 13, 1, 0)


def test_a_window_over_midnight_belongs_to_the_day_it_begins() -> None:
    made = calendar("Fri 22:00-04:00")
    assert made.is_open(utc(2031, 1, 11, 2, 30))  # Saturday 03:30
    assert not made.is_open(utc(2031, 1, 10, 2, 30))  # Friday 03:30


def test_in_the_night_of_the_skipped_hour_the_window_is_shorter() -> None:
    made = calendar("daily 01:00-04:00")
    assert len(open_minutes(made, utc(2031, 3, 29, 22), 12)) == 120
    assert open_minutes(calendar("daily 02:10-02:50"), utc(2031, 3, 29, 22), 12) == []


def test_a_window_that_begins_in_the_gap_opens_after_it() -> None:
    made = calendar("Sun 02:30-04:00")
    assert made.next_open(utc(2031, 3, 30, 0, 0)) == utc(2031, 3, 30, 1, 0)


def test_in_the_night_of_the_repeated_hour_both_passes_count() -> None:
    made = calendar("daily 01:00-04:00")
    assert len(open_minutes(made, utc(2031, 10, 25, 22), 12)) == 240
    assert len(open_minutes(calendar("daily 02:10-02:50"), utc(2031, 10, 25, 22), 12)) == 80


def test_new_york_changes_on_other_days() -> None:
    made = calendar("daily 01:00-04:00", zone=NEW_YORK)
    assert len(open_minutes(made, utc(2031, 3, 9, 4), 12)) == 120
    assert len(open_minutes(made, utc(2031, 11, 2, 4), 12)) == 240
    assert len(open_minutes(made, utc(2031, 3, 30, 4), 12)) == 180


def test_a_blackout_cuts_a_window_at_midnight() -> None:
    made = calendar("daily 22:00-04:00", blackouts=("2031-12-24..2031-12-26",))
    assert made.is_open(utc(2031, 12, 23, 22, 59))
    assert not made.is_open(utc(2031, 12, 23, 23, 0))
    assert made.next_open(utc(2031, 12, 24, 12)) == utc(2031, 12, 26, 23, 0)


def test_a_window_that_never_opens_is_said_to_never_open() -> None:
    assert (
        calendar("Mon 02:00-03:00", blackouts=("01-01..12-31",)).next_open(utc(2031, 1, 1)) is None
    )


def test_a_cron_window_lasts_its_full_length() -> None:
    made = calendar("cron 30 1 * * sun for 2 hours")
    assert len(open_minutes(made, utc(2031, 3, 29, 22), 12)) == 120
    assert len(open_minutes(made, utc(2031, 10, 25, 22), 12)) == 120
    assert made.next_open(utc(2031, 3, 30, 12)) == utc(2031, 4, 5, 23, 30)


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe")])
def test_once_a_day_is_once_a_day_the_whole_year(zone: ZoneInfo) -> None:
    for line in ("30 2 * * *", "0 0 * * *", "15 1 * * *", "59 2 * * *"):
        at, days = cron.after(line, utc(2031, 1, 1, 12), zone), []
        while at < utc(2032, 1, 1, 12):
            days.append(at.astimezone(zone).date())
            at = cron.after(line, at, zone)
        assert len(days) == len(set(days)) == 365


def test_cron_in_the_gap_fires_right_after_it() -> None:
    assert cron.after("30 2 * * *", utc(2031, 3, 30, 0), BERLIN) == utc(2031, 3, 30, 1, 0)


def test_cron_in_the_repeated_hour_fires_the_first_time() -> None:
    assert cron.after("30 2 * * *", utc(2031, 10, 25, 12), BERLIN) == utc(2031, 10, 26, 0, 30)
    assert cron.after("30 2 * * *", utc(2031, 10, 26, 0, 30), BERLIN) == utc(2031, 10, 27, 1, 30)


@pytest.mark.parametrize("line", ["*/7 * * * *", "30 2 * * *", "0 3 1 * *", "5 4 * * sun"])
@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
def test_the_latest_fire_is_the_one_that_no_other_follows(line: str, zone: ZoneInfo) -> None:
    for begin in (utc(2031, 3, 30), utc(2031, 10, 26), utc(2031, 11, 2), utc(2031, 3, 9)):
        for step in range(0, 600, 11):
            now = begin + step * MINUTE
            before = cron.latest(line, now, zone)
            assert before <= now < cron.after(line, now, zone)
            assert cron.after(line, before, zone) > now


@pytest.mark.parametrize("line", ["61 * * * *", "0 0 30 2 *", "* * * * blurb", "a b c d e"])
def test_a_cron_expression_that_means_nothing_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no cron expression"):
        cron.validated(line)


def test_walls_and_moments_agree_outside_of_gaps() -> None:
    for hours in range(0, 24 * 365, 5):
        shown = datetime(2031, 1, 1) + hours * HOUR  # noqa: DTZ001 - the same
        if shown != SKIPPED:
            assert wall(instant(shown, BERLIN), BERLIN) == shown


def test_checks_come_at_the_hosts_own_delay() -> None:
    made = Calendar(check=Every(4 * HOUR), delay=17 * MINUTE)
    assert made.next_check(utc(2031, 1, 1, 4, 17)) == utc(2031, 1, 1, 8, 17)
    assert made.last_check(utc(2031, 1, 1, 4, 16)) == utc(2031, 1, 1, 0, 17)
    by_cron = Calendar(zone=BERLIN, check=Fires("0 3 * * *"), delay=17 * MINUTE)
    assert by_cron.next_check(utc(2031, 1, 1, 2, 10)) == utc(2031, 1, 1, 2, 17)
    assert by_cron.last_check(utc(2031, 1, 1, 2, 10)) == utc(2030, 12, 31, 2, 17)


def test_a_thousand_hosts_spread_evenly() -> None:
    """Chi-square against the uniform distribution: 19 degrees of freedom, 1 % is 36.19."""
    bins, hosts = 20, 1000
    found = [0] * bins
    for seed in range(hosts):
        found[int(share(f"{seed} ") * bins)] += 1
    expected = hosts / bins
    assert sum((each - expected) ** 2 / expected for each in found) < 36.19


def test_hosts_of_one_seed_spread_too() -> None:
    bins, hosts = 20, 1000
    found = [0] * bins
    for number in range(hosts):
        found[int(share(f"7 {number:032x}") * bins)] += 1
    expected = hosts / bins
    assert sum((each - expected) ** 2 / expected for each in found) < 36.19
