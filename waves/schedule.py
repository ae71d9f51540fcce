"""When may a host take an update: a schedule of waves asked with the host's seed.

A seed is an integer from 0 up to and not including `MAX_SEED`, drawn once for each host. A wave
says from which seed on it counts and when it starts. Between the starts of two neighbouring waves
the seeds of the first become ready one after another, evenly (formats 3.4):

1. No waves: ready.
2. The window of a seed begins with the wave of the greatest ``first_seed`` at or below it and ends
   with the next wave.
3. Inside the window the moment moves with the seed along a straight line.
4. A seed below the first wave waits for the first wave: nobody bypasses the start.
5. In the last window, which has no end, everybody is ready at its start.

All arithmetic is on integer microseconds, rounded up, so a schedule means the same to every host.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from waves.duration import in_utc
from waves.errors import WaveError
from waves.seed import MAX_SEED

__all__ = ["MAX_KEY", "MAX_SEED", "Schedule", "Wave", "upstream_ready_at"]

MAX_KEY = 2**32 - 1
"""The greatest ``first_seed`` that the format can write (formats 2.1)."""

_MICROSECOND = timedelta(microseconds=1)
_first_seed = attrgetter("first_seed")


@dataclass(frozen=True, slots=True)
class Wave:
    """From ``start`` on, hosts with a seed of ``first_seed`` and above become ready in turn.

    Args:
        first_seed: 0 to `MAX_KEY`; above `MAX_SEED` it can only end the window before it (D1).
        start: with a time zone; kept in UTC.

    Raises:
        WaveError: a seed out of range or a start without a time zone.
    """

    first_seed: int
    start: datetime

    def __post_init__(self) -> None:
        if not 0 <= self.first_seed <= MAX_KEY:
            raise WaveError(f"a wave cannot begin at seed {self.first_seed}: 0 to {MAX_KEY} can")
        # Kept in UTC: Python subtracts two moments of one zone by their wall clocks, which is wrong
        # across a change of daylight saving time.
        object.__setattr__(self, "start", in_utc(self.start))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The waves of one update, in ascending order of ``first_seed``; empty means open to all.

    Starts need not increase: a published manifest is taken as it is. Whoever writes one checks them
    with `unordered`.

    Raises:
        WaveError: two waves begin at one seed, or the order is not ascending.
    """

    waves: tuple[Wave, ...] = ()

    def __post_init__(self) -> None:
        for earlier, later in zip(self.waves, self.waves[1:], strict=False):
            if earlier.first_seed >= later.first_seed:
                raise WaveError(
                    f"the wave of seed {later.first_seed} stands after that of seed"
                    f" {earlier.first_seed}: every wave needs a greater first seed"
                )

    def ready_at(self, seed: int) -> datetime | None:
        """The moment from which a host with this seed may update; None: it always could.

        Source: formats 3.4.
        """
        if not self.waves:
            return None
        following = bisect_right(self.waves, seed, key=_first_seed)
        if following == 0:
            return self.waves[0].start
        start = self.waves[following - 1]
        if following == len(self.waves):
            return start.start
        return _along(start, self.waves[following], seed)

    def is_ready(self, seed: int, now: datetime) -> bool:
        """Whether a host with this seed may update at ``now`` (with a time zone)."""
        moment = self.ready_at(seed)
        return moment is None or now >= moment

    def unordered(self) -> tuple[Wave, Wave] | None:
        """The first two neighbours whose starts do not increase, or None (formats 2.4)."""
        pairs = zip(self.waves, self.waves[1:], strict=False)
        return next((pair for pair in pairs if pair[0].start >= pair[1].start), None)


def _along(start: Wave, end: Wave, seed: int) -> datetime:
    """The point of the line from ``start`` to ``end`` that belongs to ``seed``."""
    span = (end.start - start.start) // _MICROSECOND
    share = span * (seed - start.first_seed)
    # Rounded up: at every whole microsecond the answer is then that of the exact line.
    elapsed = -(-share // (end.first_seed - start.first_seed))
    return start.start + elapsed * _MICROSECOND


def upstream_ready_at(schedule: Schedule, seed: int) -> datetime | None:
    """The moment under the original tools' rule; None: always ready (formats 3.5).

    It serves comparison only. Hosts bunch at the end of each window, because the whole seed and not
    its distance from the window's first seed is multiplied, and the lowest seed skips the start.
    """
    waves = schedule.waves
    following = bisect_left(waves, seed, key=_first_seed)
    start = waves[following - 1] if following else None
    end = waves[following] if following < len(waves) else None
    if end is not None and end.first_seed > MAX_SEED:
        end = None
    if start is None:
        return None
    if end is None:
        return start.start
    span = max((end.start - start.start) // _MICROSECOND, 0)
    step_in_ns = span * 1000 // (end.first_seed - start.first_seed)
    elapsed = -(-step_in_ns * seed // 1000)
    return start.start + min(span, elapsed) * _MICROSECOND
