"""Making what is left of a rollout slower or faster.

The time from now to each remaining start is multiplied. In the window under way it is counted from
the turn of the next host, so that nobody who had his turn loses it and nobody jumps ahead.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from waves.duration import format_moment, in_utc
from waves.errors import WaveError
from waves.pause import PAUSED, is_paused
from waves.remaining import Remaining, joined, remaining
from waves.schedule import Schedule, Wave

_MICROSECOND = timedelta(microseconds=1)
_MOST = Fraction(1_000_000)


def extend(schedule: Schedule, now: datetime, by: Fraction | datetime) -> Schedule:
    """Give the remaining waves more time.

    Args:
        schedule: the waves before.
        now: starts up to here never move.
        by: what the time left is multiplied with, above 1; or when the last wave shall start.

    Raises:
        WaveError: that would not be later, nothing is still to come, it is paused, or a start would
            lie so far ahead that it would count as paused.
    """
    rest = _running(schedule, now)
    factor = _factor(rest, by)
    if factor <= 1:
        raise WaveError(f"{_told(by)} would not give the rollout more time; expedite shortens it")
    return _stretched(rest, factor)


def expedite(schedule: Schedule, now: datetime, by: Fraction | datetime) -> Schedule:
    """Give the remaining waves less time.

    Args:
        schedule: the waves before.
        now: starts up to here never move.
        by: what the time left is multiplied with, between 0 and 1; or when the last wave shall
            start.

    Raises:
        WaveError: that would not be earlier, it would be in the past, nothing is still to come, it
            is paused, or waves would fall into one second.
    """
    rest = _running(schedule, now)
    factor = _factor(rest, by)
    if factor >= 1:
        raise WaveError(f"{_told(by)} would not give the rollout less time; extend lengthens it")
    return _stretched(rest, factor)


def _running(schedule: Schedule, now: datetime) -> Remaining:
    if is_paused(schedule):
        raise WaveError("the rollout is paused; resume it before changing its pace")
    return remaining(schedule, now)


def _pivot(rest: Remaining) -> datetime:
    return rest.now if rest.border is None else rest.border.start


def _factor(rest: Remaining, by: Fraction | datetime) -> Fraction:
    factor = by if isinstance(by, Fraction) else _factor_until(rest, in_utc(by))
    if not 0 < factor <= _MOST:
        raise WaveError(f"{_told(by)} leaves no sensible time for the remaining waves")
    return factor


def _factor_until(rest: Remaining, end: datetime) -> Fraction:
    pivot = _pivot(rest)
    left = (rest.pending[-1].start - pivot) // _MICROSECOND
    return Fraction((end - pivot) // _MICROSECOND, left)


def _stretched(rest: Remaining, factor: Fraction) -> Schedule:
    pivot = _pivot(rest)
    moved = [_after(pivot, wave, factor) for wave in rest.pending]
    if rest.border is not None:
        moved.insert(0, rest.border)
    # Otherwise the end of the window would take the turns before it along.
    come = rest.come if rest.passed is None else (*rest.come, rest.passed)
    return joined(come, tuple(moved))


def _after(pivot: datetime, wave: Wave, factor: Fraction) -> Wave:
    share = (wave.start - pivot) // _MICROSECOND * factor
    try:
        start = pivot + -(-share.numerator // share.denominator) * _MICROSECOND
    except OverflowError:
        start = PAUSED
    if start >= PAUSED:
        raise WaveError("a wave would start in the year 2100 or later, where paused ones stand")
    return Wave(wave.first_seed, start)


def _told(by: Fraction | datetime) -> str:
    return f"the factor {by}" if isinstance(by, Fraction) else f"an end at {format_moment(by)}"
