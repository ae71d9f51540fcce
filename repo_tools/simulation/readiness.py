"""When each seed is let in, in seconds, by either rule. PURE.

There are only `MAX_SEED` seeds, so the rules of `waves.schedule` are asked once for each of them
and a fleet of any size looks the answer up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum, unique

from waves.duration import whole_second
from waves.pause import PAUSED, is_paused
from waves.schedule import MAX_SEED, Schedule, upstream_ready_at

NEVER = 1 << 62
"""Seconds: not in this simulation. Far from what overflows 64 bits when a poll is added."""

_SECOND = timedelta(seconds=1)


@unique
class Rule(StrEnum):
    """Whose rule the hosts follow."""

    OURS = "ours"
    UPSTREAM = "upstream"


def ready_seconds(schedule: Schedule, rule: Rule, origin: datetime) -> tuple[int, ...]:
    """For each seed, the seconds from ``origin`` until it is let in, rounded up.

    0 stands for every moment up to ``origin``. Hosts that wait for a paused rollout to be resumed
    have `NEVER`.

    Args:
        schedule: the waves.
        rule: ours, or that of the original tools.
        origin: when the update appears; with a time zone.
    """
    moments = (_ready_at(schedule, rule, seed) for seed in range(MAX_SEED))
    stop = _stop(schedule)
    return tuple(_seconds(moment, origin, stop) for moment in moments)


def _ready_at(schedule: Schedule, rule: Rule, seed: int) -> datetime | None:
    if rule is Rule.OURS:
        return schedule.ready_at(seed)
    return upstream_ready_at(schedule, seed)


def _stop(schedule: Schedule) -> datetime | None:
    """The last start that has come before a pause; what comes after it waits for the resume.

    The line of the window under way leads into the year 2100 then, and its first points lie before.
    """
    if not is_paused(schedule):
        return None
    come = [wave.start for wave in schedule.waves if wave.start < PAUSED]
    return come[-1] if come else datetime.min.replace(tzinfo=PAUSED.tzinfo)


def _seconds(moment: datetime | None, origin: datetime, stop: datetime | None) -> int:
    if moment is None:
        return 0
    if stop is not None and moment > stop:
        return NEVER
    return max(0, -((origin - whole_second(moment)) // _SECOND))
