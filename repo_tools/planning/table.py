"""Waves as a table with local times. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from repo_tools.simulation.quantities import span_text
from waves.duration import format_moment
from waves.pause import PAUSED
from waves.schedule import MAX_SEED, Schedule, Wave

_SECOND = timedelta(seconds=1)
_HEAD = f"{'wave':>4}  {'seeds':>11}  {'share':>6}  {'in all':>6}  starts"


@dataclass(frozen=True, slots=True)
class Row:
    """One wave.

    Attributes:
        first: the first seed.
        end: the first seed that is not in it any more.
        start: when it starts.
        spread: seconds from the turn of its first host to the start of the next wave; 0: all of
            its hosts come at its start; None: the pause stopped it before its end.
        paused: seconds that are left to its start once the rollout is resumed; None: not paused.
    """

    first: int
    end: int
    start: datetime
    spread: int | None
    paused: int | None


def rows(schedule: Schedule) -> tuple[Row, ...]:
    """The waves that hold a seed, in their order."""
    waves = schedule.waves
    found = []
    for place, wave in enumerate(waves):
        following = waves[place + 1] if place + 1 < len(waves) else None
        first = 0 if place == 0 else wave.first_seed
        end = min(following.first_seed if following else MAX_SEED, MAX_SEED)
        left = (wave.start - PAUSED) // _SECOND if wave.start >= PAUSED else None
        if first < end:
            found.append(Row(first, end, wave.start, _spread(wave, following), left))
    return tuple(found)


def _spread(wave: Wave, following: Wave | None) -> int | None:
    if following is None:
        return 0
    if wave.start < PAUSED <= following.start:
        return None
    return (following.start - wave.start) // _SECOND


def lines(schedule: Schedule, zone: tzinfo | None) -> Iterator[str]:
    """The table, a head first.

    Args:
        schedule: the waves.
        zone: of the times shown; None: that of this machine.
    """
    if not schedule.waves:
        yield "no waves: open to every host at once"
        return
    yield _HEAD
    for number, row in enumerate(rows(schedule), start=1):
        seeds = f"{row.first}..{row.end - 1}"
        share = f"{(row.end - row.first) / MAX_SEED:.1%}"
        total = f"{row.end / MAX_SEED:.1%}"
        yield f"{number:>4}  {seeds:>11}  {share:>6}  {total:>6}  {_starts(row, zone)}"


def tree(schedule: Schedule) -> list[dict[str, Any]]:
    """The table for programs; docs/schemas/waves-show.json describes it."""
    return [
        {
            "first_seed": row.first,
            "end_seed": row.end,
            "share": (row.end - row.first) / MAX_SEED,
            "share_reached": row.end / MAX_SEED,
            "start": format_moment(row.start),
            "spread_seconds": row.spread,
            "paused_seconds_left": row.paused,
        }
        for row in rows(schedule)
    ]


def local(moment: datetime, zone: tzinfo | None) -> str:
    """A moment on the clock of ``zone``, with the day of the week."""
    return moment.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")


def _starts(row: Row, zone: tzinfo | None) -> str:
    if row.paused is not None:
        return f"paused; {span_text(row.paused)} after it is resumed"
    if row.spread is None:
        manner = "stopped: hosts that have not asked yet wait"
    else:
        manner = f"spread over {span_text(row.spread)}" if row.spread else "all at once"
    return f"{local(row.start, zone)}, {manner}"
