"""Stopping the clock of a rollout, and starting it again.

A paused wave starts in the year 2100: at `PAUSED` plus the time that was left to its start when the
rollout was paused. Nothing else is needed to resume it, by whomever and whenever, and every client
of this format obeys it, because to a client it is an ordinary wave that has not come.

The year is no farther away on purpose. Original clients multiply the length of a window by a seed
of up to 2047 and add it to a moment; a window of thousands of years would leave their calendar.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from waves.duration import format_moment, whole_second
from waves.errors import WaveError
from waves.remaining import Remaining, joined, remaining
from waves.schedule import Schedule, Wave

PAUSED = datetime(2100, 1, 1, tzinfo=UTC)
"""Starts from here on are paused ones; ordinary waves start before."""

_MOST_LEFT = timedelta(days=365 * 20)


def is_paused(schedule: Schedule) -> bool:
    """Whether the clock of this rollout stands."""
    return bool(schedule.waves) and schedule.waves[-1].start >= PAUSED


def pause(schedule: Schedule, now: datetime) -> Schedule:
    """Move every start that has not come out of reach; those that have come stay.

    Hosts of the window under way wait too, from the first one whose turn has not come. Of the ones
    before it, those that have not asked since may have to wait as well; none comes earlier.

    Raises:
        WaveError: paused already, nothing is still to come, or it is too far away.
    """
    if is_paused(schedule):
        raise WaveError("the rollout is paused already; resume lets it go on")
    rest = remaining(schedule, now)
    if rest.pending[-1].start - rest.now > _MOST_LEFT or rest.now >= PAUSED - _MOST_LEFT:
        raise WaveError(
            f"a rollout that ends at {format_moment(rest.pending[-1].start)} cannot be paused: a"
            " paused wave is written as one of the year 2100, and that is too near"
        )
    moved = _moved(rest, PAUSED - rest.now)
    return joined(rest.come, moved)


def resume(schedule: Schedule, now: datetime) -> Schedule:
    """Let the clock go on: what was left of the time to each paused start counts from ``now``.

    Resumed at the moment at which it was paused, the schedule is the one before the pause.

    Raises:
        WaveError: it is not paused.
    """
    if not is_paused(schedule):
        raise WaveError("the rollout is not paused, so there is nothing to resume")
    now = whole_second(now)
    come = tuple(wave for wave in schedule.waves if wave.start < PAUSED)
    paused = schedule.waves[len(come) :]
    moved = tuple(Wave(wave.first_seed, wave.start - PAUSED + now) for wave in paused)
    return joined(come, _without_needless_border(come, moved))


def _moved(rest: Remaining, by: timedelta) -> tuple[Wave, ...]:
    waves = rest.pending if rest.border is None else (rest.border, *rest.pending)
    return tuple(Wave(wave.first_seed, wave.start + by) for wave in waves)


def _without_needless_border(come: tuple[Wave, ...], moved: tuple[Wave, ...]) -> tuple[Wave, ...]:
    """Drop a first wave that stands where the line runs without it: the border of no pause."""
    if not come or len(moved) == 1:
        return moved
    line = Schedule((come[-1], moved[1]))
    turn = line.ready_at(moved[0].first_seed)
    needless = turn is not None and whole_second(turn) == moved[0].start
    return moved[1:] if needless else moved
