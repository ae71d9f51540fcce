"""What a simulation found, as plain values. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from repo_tools.simulation.readiness import Rule
from waves.schedule import MAX_SEED, Schedule

PERCENTS = (1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""Of the whole fleet; when each is reached is told."""
COHORT = 300
"""Seconds: hosts that come within any span of this length are a cohort."""
HOUR = 3600
"""Seconds."""
CURVE_POINTS = 240
"""Steps of the adoption curve."""
RARE = 0.05
"""A wave that holds nobody in more than this share of all draws deserves a warning."""


@dataclass(frozen=True, slots=True)
class Count:
    """Hosts at a moment.

    Attributes:
        at: seconds from the origin.
        hosts: how many.
    """

    at: int
    hosts: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one rollout does.

    Attributes:
        fleet: all hosts.
        reached: those that ever take the update.
        percentiles: the second at which that percentage of the fleet has it; None: never.
        cohort: the largest number of hosts that take it within `COHORT` seconds, and the first.
        hourly: hosts that take it in each hour from the origin; hours without any are left out.
        curve: hosts that have it, at equal steps from the origin to the last one.
    """

    fleet: int
    reached: int
    percentiles: Mapping[int, int | None]
    cohort: Count
    hourly: tuple[Count, ...]
    curve: tuple[Count, ...]

    @property
    def peak_hour(self) -> Count:
        """The hour in which most hosts take it."""
        return max(self.hourly, key=lambda hour: hour.hosts, default=Count(0, 0))


@dataclass(frozen=True, slots=True)
class Band:
    """The hosts of one wave.

    Attributes:
        first: the first seed.
        end: the first seed that is not in it any more.
        start: when the wave starts; None: open from the beginning.
        hosts: how many hosts of the fleet have such a seed.
    """

    first: int
    end: int
    start: datetime | None
    hosts: int

    @property
    def share(self) -> float:
        """Of all seeds, 0 to 1."""
        return (self.end - self.first) / MAX_SEED

    def chance_of_none(self, fleet: int) -> float:
        """How probable it is that a fleet of that size has no host here at all."""
        return float((1 - self.share) ** fleet)


@dataclass(frozen=True, slots=True)
class Run:
    """A simulation by one rule."""

    rule: Rule
    figures: Figures


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was asked, and what came out.

    Attributes:
        title: what was simulated, for people.
        origin: when the update appeared; all seconds count from here.
        fleet: hosts.
        poll: seconds between two polls of a host.
        image_bytes: what a host downloads; None: not asked.
        bands: the waves and their hosts.
        runs: one for each rule, at least one.
    """

    title: str
    origin: datetime
    fleet: int
    poll: int
    image_bytes: int | None
    bands: tuple[Band, ...]
    runs: tuple[Run, ...]

    def moment(self, seconds: int) -> datetime:
        """The moment so many seconds after the origin."""
        return self.origin + timedelta(seconds=seconds)

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with this rollout for a fleet of this size, a line each."""
        return tuple(_empty_bands(self.bands, self.fleet))


def bands(schedule: Schedule, held: tuple[int, ...]) -> tuple[Band, ...]:
    """The waves of a schedule with their hosts; a wave without any seed is left out.

    Args:
        schedule: the waves.
        held: how many hosts each seed has.
    """
    if not schedule.waves:
        return (Band(0, MAX_SEED, None, sum(held)),)
    # Seeds below the first wave belong to it.
    firsts = [0, *(min(wave.first_seed, MAX_SEED) for wave in schedule.waves[1:]), MAX_SEED]
    spans = zip(pairwise(firsts), schedule.waves, strict=True)
    return tuple(
        Band(first, end, wave.start, sum(held[first:end]))
        for (first, end), wave in spans
        if first < end
    )


def _empty_bands(found: tuple[Band, ...], fleet: int) -> Iterator[str]:
    for number, band in enumerate(found, start=1):
        chance = band.chance_of_none(fleet)
        if band.hosts and chance < RARE:
            continue
        holds = f"holds {band.hosts} of these hosts" if band.hosts else "holds nobody"
        yield (
            f"wave {number} (seeds {band.first} to {band.end - 1}, {band.share:.1%}) {holds};"
            f" in {chance:.0%} of fleets of {fleet} it holds nobody and tests nothing."
            " Give it a greater share, or choose its hosts by hand."
        )
