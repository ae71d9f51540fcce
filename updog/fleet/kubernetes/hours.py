"""When nodes may be taken, out of the environment. PURE: the environment comes in.

There are three ways to say it, ours and two of Bottlerocket's operator. Of those two one wins, as
there; ours beside its expression is refused.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from updog.agent.calendar import Calendar
from updog.agent.windows import Blackout, CronWindow, Window, blackout, window
from updog.errors import ConfigError
from updog.fleet import secondcron
from updog.fleet.kubernetes.environment import Reader
from updog.fleet.opening import Windows

TIME_PARTS = 3


def windows(read: Reader) -> Windows:
    """Read when nodes may be taken: weekly windows and blackouts, an expression, or two hours.

    Raises:
        ConfigError: a variable cannot be understood, or two of them say the same thing.
    """
    explicit = read.value("UPDATE_WINDOWS", "", _weekly)
    blackouts = read.value("UPDATE_BLACKOUTS", "", _blackouts)
    zone = read.value("UPDATE_WINDOW_TIME_ZONE", "UTC", _zone)
    cron = read.value("SCHEDULER_CRON_EXPRESSION", secondcron.ALWAYS, secondcron.parse)
    hours = _legacy(read)
    limited = cron.text != secondcron.ALWAYS
    if limited and (explicit or blackouts):
        raise ConfigError(
            "UPDATE_WINDOWS or UPDATE_BLACKOUTS and SCHEDULER_CRON_EXPRESSION are both set.",
            hint="Say in one of them when nodes may be taken.",
        )
    if explicit or blackouts:
        return Windows(calendar=Calendar(zone=zone, windows=explicit, blackouts=blackouts))
    if zone.key != "UTC" and (limited or hours is not None):
        raise ConfigError(
            "UPDATE_WINDOW_TIME_ZONE is set, and what says when nodes may be taken goes by UTC.",
            hint="Say it with UPDATE_WINDOWS, or in UTC and without the time zone.",
        )
    # As upstream: the expression wins over the two older variables.
    if hours is not None and not limited:
        return Windows(calendar=Calendar(windows=(window(hours),)))
    return Windows(cron=cron)


def _legacy(read: Reader) -> str | None:
    start = read.value("UPDATE_WINDOW_START", "", _time)
    stop = read.value("UPDATE_WINDOW_STOP", "", _time)
    if bool(start) != bool(stop):
        raise ConfigError(
            "Of UPDATE_WINDOW_START and UPDATE_WINDOW_STOP only one is set.",
            hint="Set both; UPDATE_WINDOWS='daily 02:00-05:00' says the same in one.",
        )
    # Two equal times, such as the 0:0:0 that charts write by default, name no window.
    return f"daily {start}-{stop}" if start != stop else None


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is no time zone; write one such as Europe/Berlin") from error


def _weekly(text: str) -> tuple[Window | CronWindow, ...]:
    return tuple(window(each.strip()) for each in text.split(";") if each.strip())


def _blackouts(text: str) -> tuple[Blackout, ...]:
    return tuple(blackout(each.strip()) for each in text.split(";") if each.strip())


def _time(text: str) -> str:
    """``9:0:0`` as ``09:00``; seconds would be rounded away unsaid, so there must be none."""
    if not text:
        return ""
    parts = text.split(":")
    if len(parts) != TIME_PARTS or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"{text!r} is no time; write hour, minute and second, such as 9:0:0")
    hour, minute, second = map(int, parts)
    if second:
        raise ValueError(f"{text!r}: windows begin and end at whole minutes")
    return f"{hour:02}:{minute:02}"
