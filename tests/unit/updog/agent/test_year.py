"""A year of an agent, by a clock that runs as fast as the agent sleeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.agentworld import AgentWorld, Sleeper
from tests.fakes.clock import FakeClock
from updog.agent import windows
from updog.agent.calendar import Calendar, share
from updog.agent.decide import Rules
from updog.agent.loop import Agent
from updog.agent.windows import Every, Fires
from updog.settings import Mode

BEGIN, END = datetime(2031, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ZONES = [ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")]
BLACKOUTS = ("12-20..01-06", "2031-07-01..2031-07-14")
WINDOWS = ("Mon-Fri 02:00-05:00", "Sat 22:00-01:30", "cron 30 2 * * sun for 90 minutes")


def year(
    tmp_path: Path,
    zone: ZoneInfo,
    *,
    until: datetime = END,
    check: Every | Fires = Fires("0 */6 * * *"),  # noqa: B008 - a value
    mode: Mode = Mode.AUTOMATIC,
    **more: object,
) -> AgentWorld:
    """A host that gets a release every ten days."""
    clock = FakeClock(BEGIN)
    calendar = Calendar(
        zone=zone,
        check=check,
        delay=HOUR * share("1000 x"),
        windows=tuple(map(windows.window, WINDOWS)),
        blackouts=tuple(map(windows.blackout, BLACKOUTS)),
    )
    releases = {BEGIN + n * 10 * DAY + 7 * HOUR: f"1.{n + 1}.0" for n in range(36)}
    world = AgentWorld(clock, Rules(calendar, mode=mode), releases, **more)  # type: ignore[arg-type]
    sleeper, path = Sleeper(clock, until), tmp_path / "agent.json"
    Agent(world, clock, sleeper, path, started=BEGIN, longest=DAY).run()
    return world


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_restarts_inside_windows_only(tmp_path: Path, zone: ZoneInfo) -> None:
    world = year(tmp_path, zone)
    calendar = world.said.calendar
    assert 30 <= len(world.reboots) <= 36
    for at in world.reboots:
        shown = at.astimezone(zone)
        minute, weekday = shown.hour * 60 + shown.minute, shown.weekday()
        assert (
            (weekday < 5 and 120 <= minute < 300)
            or (weekday == 5 and minute >= 1320)
            or (weekday == 6 and minute < 90)
            or (weekday == 6 and 150 <= minute < 330)
        ), shown
        assert not calendar.is_blackout(at)
    for at, _ in world.installs:
        assert not calendar.is_blackout(at)


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_asks_as_often_as_the_calendar_says(tmp_path: Path, zone: ZoneInfo) -> None:
    world = year(tmp_path, zone, mode=Mode.MANUAL)
    # Four a day, on the two days of change too.
    assert len(world.checks) in range(4 * 365 - 1, 4 * 365 + 2)
    assert not world.installs
    assert not world.reboots


def test_a_year_staged_installs_and_never_restarts(tmp_path: Path) -> None:
    world = year(tmp_path, ZONES[0], mode=Mode.STAGED)
    assert len(world.installs) >= 30
    assert not world.reboots


def test_a_year_of_a_repository_that_often_fails(tmp_path: Path) -> None:
    world = year(tmp_path, ZONES[0], fault=lambda now: now.hour % 3 != 0)
    calendar = world.said.calendar
    assert len(world.reboots) >= 28
    assert all(calendar.is_open(at) for at in world.reboots)
    waits = [
        later - earlier for earlier, later in zip(world.checks, world.checks[1:], strict=False)
    ]
    assert max(waits) <= 13 * HOUR  # the longest back-off, and one window


def test_a_year_under_inhibitors_restarts_only_without_them(tmp_path: Path) -> None:
    world = year(tmp_path, ZONES[0], inhibited=lambda now: now.minute < 50)
    assert len(world.reboots) >= 28
    assert all(at.minute >= 50 for at in world.reboots)


def test_a_year_keeps_to_the_bytes_of_a_day(tmp_path: Path) -> None:
    world = year(tmp_path, ZONES[0], size=250, limit=100)
    first = world.installs[0][0]
    # 100 on the first day, 100 on the second, 50 on the third.
    assert first.astimezone(ZONES[0]).date() >= (BEGIN + 8 * DAY).date()
    assert len(world.reboots) >= 28


def test_an_update_is_taken_when_its_wave_comes_and_not_at_the_next_question(
    tmp_path: Path,
) -> None:
    ready = BEGIN + 12 * DAY + timedelta(hours=3, minutes=7)
    clock = FakeClock(BEGIN + 10 * DAY)
    world = AgentWorld(
        clock, Rules(Calendar(check=Every(timedelta(days=7)))), {BEGIN: "1.1.0"}, {"1.1.0": ready}
    )
    agent = Agent(
        world, clock, Sleeper(clock, BEGIN + 14 * DAY), tmp_path / "a", started=clock.now()
    )
    agent.run()
    assert world.installs[0][0] - ready < timedelta(minutes=1)
    assert len(world.checks) <= 4


def test_a_thousand_hosts_that_are_switched_on_together_do_not_ask_together(tmp_path: Path) -> None:
    """Chi-square of the first questions over an hour: 11 degrees of freedom, 1 % is 24.73."""
    asked = [0] * 12
    for seed in range(1000):
        place = share(f"{seed} host")
        clock = FakeClock(BEGIN)
        world = AgentWorld(clock, Rules(Calendar(delay=HOUR * place), spread=place))
        sleeper = Sleeper(clock, BEGIN + HOUR)
        Agent(world, clock, sleeper, tmp_path / f"{seed}", started=BEGIN).run()
        asked[min((world.checks[0] - BEGIN) // timedelta(minutes=5), 11)] += 1
    expected = 1000 / 12
    assert sum((each - expected) ** 2 / expected for each in asked) < 24.73
