"""What of a rollout is still to come at a moment, so that it can be moved and the rest kept.

A wave whose start has come is history: hosts have acted on it, and it never moves. Between the last
start that has come and the next one lies the window under way, whose hosts are let in one after
another. Moving its end alone would bend its whole line: hosts whose turn has come would wait again,
or many would come at once. So a wave is put where the line stands now, and only what lies behind
it is moved.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime

from waves.duration import format_moment, whole_second
from waves.errors import WaveError
from waves.schedule import MAX_SEED, Schedule, Wave


@dataclass(frozen=True, slots=True)
class Remaining:
    """A schedule cut in two at a moment.

    Attributes:
        come: waves whose start has come, untouched.
        border: where the window under way stands: the first seed whose turn has not come, with the
            moment of its turn. None: no window is under way, all its hosts had their turn, or the
            rest of them have it within the second.
        passed: where it stood before, if there is no border: the last seed that had its turn.
        pending: waves whose start has not come; at least one.
        now: the moment, in whole seconds.
    """

    come: tuple[Wave, ...]
    border: Wave | None
    passed: Wave | None
    pending: tuple[Wave, ...]
    now: datetime


def remaining(schedule: Schedule, now: datetime) -> Remaining:
    """Cut a schedule at ``now``, rounded up to a whole second.

    Raises:
        WaveError: no start is still to come, or the starts do not increase with the seeds.
    """
    pair = schedule.unordered()
    if pair is not None:
        raise WaveError(
            f"the wave of seed {pair[1].first_seed} does not start after that of seed"
            f" {pair[0].first_seed}; give the update new waves with set-waves first"
        )
    now = whole_second(now)
    come = tuple(wave for wave in schedule.waves if wave.start <= now)
    pending = schedule.waves[len(come) :]
    if not pending:
        raise WaveError(
            f"no wave is still to come after {format_moment(now)}: every host is let in already;"
            " to keep hosts from the release, halt it"
        )
    border, passed = _stand(schedule, come, pending, now)
    return Remaining(come, border, passed, pending, now)


def joined(come: tuple[Wave, ...], moved: tuple[Wave, ...]) -> Schedule:
    """The schedule of what has come and what was moved.

    Raises:
        WaveError: the starts do not increase in whole seconds, which is how they are written.
    """
    whole = tuple(Wave(wave.first_seed, whole_second(wave.start)) for wave in moved)
    schedule = Schedule((*come, *whole))
    pair = schedule.unordered()
    if pair is not None:
        raise WaveError(
            f"the wave of seed {pair[1].first_seed} would start at"
            f" {format_moment(pair[1].start)}, not after that of seed {pair[0].first_seed};"
            " waves need at least a second between them"
        )
    return schedule


def _stand(
    schedule: Schedule, come: tuple[Wave, ...], pending: tuple[Wave, ...], now: datetime
) -> tuple[Wave | None, Wave | None]:
    """The border, or what passed last; at most one of them."""
    if not come:
        return None, None
    window = range(come[-1].first_seed, min(pending[0].first_seed, MAX_SEED))
    place = bisect_right(window, now, key=lambda seed: schedule.ready_at(seed) or now)
    border = _written(schedule, window, place)
    if border is not None and border.start < pending[0].start:
        return border, None
    # The first seed of a window has its turn at the start, which is there already.
    return None, _written(schedule, window, place - 1) if place > 1 else None


def _written(schedule: Schedule, window: range, place: int) -> Wave | None:
    """The turn of a seed of the window, as it would be written in a schedule."""
    if place >= len(window):
        return None
    turn = schedule.ready_at(window[place])
    return None if turn is None else Wave(window[place], whole_second(turn))
