"""A simulation for programs; docs/schemas/waves-simulate.json describes it. PURE."""

from __future__ import annotations

from typing import Any

from repo_tools.simulation.figures import COHORT, HOUR, Band, Count, Figures, Simulation
from waves.duration import format_moment
from waves.schedule import Schedule

Tree = dict[str, Any]


def simulation_tree(found: Simulation) -> Tree:
    """The whole answer."""
    return {
        "title": found.title,
        "origin": format_moment(found.origin),
        "fleet": found.fleet,
        "poll_seconds": found.poll,
        "image_bytes": found.image_bytes,
        "waves": [_band(found, band) for band in found.bands],
        "warnings": list(found.warnings()),
        "runs": [{"rule": str(run.rule), **figures_tree(found, run.figures)} for run in found.runs],
    }


def figures_tree(found: Simulation, figures: Figures) -> Tree:
    """The figures of one run of it."""
    return {
        "hosts_reached": figures.reached,
        "percentiles": [
            {"percent": percent, **_when(found, seconds)}
            for percent, seconds in figures.percentiles.items()
        ],
        "largest_cohort": _span(found, figures, figures.cohort, COHORT),
        "peak_hour": _span(found, figures, figures.peak_hour, HOUR),
        "hourly": [_hour(found, hour) for hour in figures.hourly],
        "curve": [
            {**_when(found, point.at), "hosts": point.hosts, "share": point.hosts / figures.fleet}
            for point in figures.curve
        ],
    }


def schedule_tree(schedule: Schedule) -> Tree:
    """Waves as in a manifest: starts by first seed."""
    return {str(wave.first_seed): format_moment(wave.start) for wave in schedule.waves}


def _band(found: Simulation, band: Band) -> Tree:
    return {
        "first_seed": band.first,
        "end_seed": band.end,
        "start": None if band.start is None else format_moment(band.start),
        "share": band.share,
        "hosts": band.hosts,
        "chance_of_none": band.chance_of_none(found.fleet),
    }


def _when(found: Simulation, seconds: int | None) -> Tree:
    if seconds is None:
        return {"at": None, "seconds": None}
    return {"at": format_moment(found.moment(seconds)), "seconds": seconds}


def _span(found: Simulation, figures: Figures, count: Count, seconds: int) -> Tree:
    total = None if found.image_bytes is None else found.image_bytes * count.hosts
    return {
        **_when(found, count.at),
        "span_seconds": seconds,
        "hosts": count.hosts,
        "share": count.hosts / figures.fleet,
        "bytes": total,
        "bits_per_second": None if total is None else total * 8 / seconds,
    }


def _hour(found: Simulation, hour: Count) -> Tree:
    total = None if found.image_bytes is None else found.image_bytes * hour.hosts
    return {**_when(found, hour.at), "hosts": hour.hosts, "bytes": total}
