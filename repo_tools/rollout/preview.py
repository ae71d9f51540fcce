"""A change of a rollout, shown before it is made. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from repo_tools.planning import table
from repo_tools.rollout.change import Change, is_halted
from repo_tools.rollout.groups import groups
from repo_tools.simulation.asjson import figures_tree, schedule_tree
from repo_tools.simulation.chart import Paper
from repo_tools.simulation.figures import Simulation
from repo_tools.simulation.quantities import span_text
from repo_tools.simulation.readiness import NEVER, Rule, ready_seconds
from repo_tools.simulation.report import adoption, last_of
from updog.manifest import Update
from waves.duration import format_moment, whole_second
from waves.schedule import MAX_SEED

Pair = tuple[Simulation, Simulation]


def origin_of(change: Change) -> datetime:
    """The moment from which both simulations count: the first start, or now if it has not come."""
    waves = change.before.schedule.waves
    now = whole_second(change.now)
    return min(now, whole_second(waves[0].start)) if waves else now


def letting_in(update: Update, origin: datetime) -> tuple[int, ...]:
    """For each seed, the second from ``origin`` at which hosts may take this update."""
    if is_halted(update):
        return (NEVER,) * MAX_SEED
    return ready_seconds(update.schedule, Rule.OURS, origin)


def lines(change: Change, found: Pair | None, paper: Paper, zone: tzinfo | None) -> Iterator[str]:
    """The change for people.

    Args:
        change: what is about to be done.
        found: the simulations before and after; None: they could not be made.
        paper: what the terminal can show.
        zone: of the times; None: that of this machine.
    """
    title = f"{change.before.variant} {change.before.arch} {change.before.version}"
    yield f"{change.action} {title} at {format_moment(change.now)}"
    for name, update in (("before", change.before), ("after", change.after)):
        yield ""
        yield f"Waves {name}; highest version for hosts: {update.max_version}"
        yield from table.lines(update.schedule, zone)
    if found is not None:
        yield from _charts(found, paper)
        yield ""
        yield from _compared(found)
    for group in groups(change):
        yield f"{group.name + ':':<13}{group.what}"


def _charts(found: Pair, paper: Paper) -> Iterator[str]:
    both = [each.runs[0].figures for each in found]
    end = max(map(last_of, both))
    for name, figures in zip(("before", "after"), both, strict=True):
        yield ""
        yield f"Adoption {name}, {figures.fleet:,} simulated hosts"
        yield from adoption(figures, paper, end)


def _compared(found: Pair) -> Iterator[str]:
    before, after = (each.runs[0].figures for each in found)
    yield f"{'':<22}{'before':<22}after"
    for percent, seconds in before.percentiles.items():
        row = (_when(seconds), _when(after.percentiles[percent]))
        yield f"{percent:>5} % have it after  {row[0]:<22}{row[1]}"
    peaks = [f"{each.cohort.hosts:,}" for each in (before, after)]
    yield f"{'most in 5 minutes':<22}{peaks[0]:<22}{peaks[1]}"
    missed = [f"{each.fleet - each.reached:,}" for each in (before, after)]
    yield f"{'never get it':<22}{missed[0]:<22}{missed[1]}"


def _when(seconds: int | None) -> str:
    return "never" if seconds is None else span_text(seconds)


def tree(change: Change, found: Pair | None) -> dict[str, Any]:
    """The change for programs; docs/schemas/rollout.json describes it."""
    return {
        "action": str(change.action),
        "variant": change.before.variant,
        "arch": change.before.arch,
        "version": str(change.before.version),
        "at": format_moment(change.now),
        "origin": format_moment(origin_of(change)),
        "before": _side(change.before, found and found[0]),
        "after": _side(change.after, found and found[1]),
        "groups": [{"group": group.name, "what": group.what} for group in groups(change)],
    }


def _side(update: Update, found: Simulation | None) -> dict[str, Any]:
    figures = None if found is None else figures_tree(found, found.runs[0].figures)
    return {
        "max_version": str(update.max_version),
        "waves": schedule_tree(update.schedule),
        "simulation": figures,
    }
