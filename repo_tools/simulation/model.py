"""A fleet that asks for updates, as arrays. PURE; needs NumPy.

Each host drew a seed, 0 to 2047, and asks every ``poll`` seconds, beginning at a second of its own
within the first ``poll``. It takes the update when it first asks at or after the moment its seed
is let in. All times are whole seconds from the origin, so every figure is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from repo_tools.simulation.figures import COHORT, CURVE_POINTS, HOUR, PERCENTS, Count, Figures
from repo_tools.simulation.readiness import NEVER
from waves.schedule import MAX_SEED

Seconds: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hosts, an element for each in both arrays.

    Attributes:
        seeds: 0 to ``MAX_SEED - 1``.
        phases: the second of the first poll, 0 to ``poll - 1``.
        poll: seconds between two polls of a host.
    """

    seeds: NDArray[np.uint16]
    phases: Seconds
    poll: int

    @property
    def size(self) -> int:
        """How many hosts there are."""
        return len(self.seeds)


def draw(size: int, poll: int, chance: np.random.Generator) -> Fleet:
    """A fleet by chance: seeds and phases are uniform and independent."""
    seeds = chance.integers(MAX_SEED, size=size, dtype=np.uint16)
    phases = chance.integers(poll, size=size, dtype=np.int64)
    return Fleet(seeds, phases, poll)


def taken(fleet: Fleet, ready: Sequence[int]) -> Seconds:
    """When each host takes the update; `NEVER` and above where it never may.

    Args:
        fleet: the hosts.
        ready: for each seed, when it is let in.
    """
    times = np.asarray(ready, dtype=np.int64)[fleet.seeds]
    # The wait from the turn to the next poll. In place: a fleet of millions is held only twice.
    waits = fleet.phases - times
    waits %= fleet.poll
    times += waits
    return times


def taken_after(fleet: Fleet, before: Seconds, ready: Sequence[int], change: int) -> Seconds:
    """When each host takes the update if the waves change under way.

    Args:
        fleet: the hosts.
        before: when each takes it by the waves so far.
        ready: for each seed, when it is let in by the new ones.
        change: the moment of the change; what was taken up to it stays taken.
    """
    later = taken(fleet, [max(each, change) for each in ready])
    return np.where(before <= change, before, later)


def held(fleet: Fleet) -> tuple[int, ...]:
    """How many hosts each seed has."""
    return tuple(np.bincount(fleet.seeds, minlength=MAX_SEED).tolist())


def figures(times: Seconds) -> Figures:
    """What the moments of a whole fleet amount to."""
    reached = np.sort(times[times < NEVER])
    if not len(reached):
        return Figures(len(times), 0, dict.fromkeys(PERCENTS), Count(0, 0), (), ())
    # Hosts of one second together: there are far fewer seconds than hosts.
    firsts = np.concatenate(([0], np.flatnonzero(reached[1:] != reached[:-1]) + 1))
    return Figures(
        len(times),
        len(reached),
        {percent: _percentile(reached, len(times), percent) for percent in PERCENTS},
        _largest_cohort(reached, firsts),
        _hourly(reached, firsts),
        _curve(reached),
    )


def _percentile(reached: Seconds, fleet: int, percent: int) -> int | None:
    place = -(-fleet * percent // 100) - 1
    return int(reached[place]) if place < len(reached) else None


def _largest_cohort(reached: Seconds, firsts: NDArray[np.int64]) -> Count:
    """The fullest span of `COHORT` seconds; it begins with a host, or it could begin later."""
    seconds = reached[firsts]
    ends = np.searchsorted(reached, seconds + COHORT)
    sizes = ends - firsts
    place = int(sizes.argmax())
    return Count(int(seconds[place]), int(sizes[place]))


def _hourly(reached: Seconds, firsts: NDArray[np.int64]) -> tuple[Count, ...]:
    hours, places = np.unique(reached[firsts] // HOUR, return_index=True)
    begins = firsts[places]
    sizes = np.diff(begins, append=len(reached))
    return tuple(
        Count(hour * HOUR, size) for hour, size in zip(hours.tolist(), sizes.tolist(), strict=True)
    )


def _curve(reached: Seconds) -> tuple[Count, ...]:
    last = int(reached[-1])
    steps = max(1, min(CURVE_POINTS, last))
    points = np.array([last * step // steps for step in range(steps + 1)], dtype=np.int64)
    sizes = np.searchsorted(reached, points, side="right")
    return tuple(
        Count(point, size) for point, size in zip(points.tolist(), sizes.tolist(), strict=True)
    )
