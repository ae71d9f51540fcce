"""A simulation as a picture; needs matplotlib."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repo_tools.simulation.figures import HOUR, Run, Simulation
from repo_tools.simulation.quantities import span_text
from repo_tools.simulation.readiness import Rule

_LABELS = {Rule.OURS: "updog", Rule.UPSTREAM: "original rule"}
_COLOURS = {Rule.OURS: "#0a6ebd", Rule.UPSTREAM: "#d1651b"}
_DAY = 24 * HOUR


def save(found: Simulation, path: Path) -> None:
    """Draw the share of the fleet that has the update, and how many take it in each hour.

    Args:
        found: what to draw; each run is a line of its own.
        path: ends in ``.png`` or ``.svg``, which is the format.

    Raises:
        OSError: it cannot be written.
    """
    kind = path.suffix.removeprefix(".")
    sink = BytesIO()
    # The same simulation gives the same bytes, and text stays text.
    with mpl.rc_context({"svg.hashsalt": "updog", "svg.fonttype": "none"}):
        figure = _drawn(found)
        figure.savefig(sink, format=kind, metadata={"Date": None} if kind == "svg" else None)
    path.write_bytes(sink.getvalue())


def _drawn(found: Simulation) -> Figure:
    figure = Figure(figsize=(7.2, 4.2), dpi=110, layout="constrained")
    share, rate = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    hours = max(
        (run.figures.hourly[-1].at // HOUR for run in found.runs if run.figures.hourly), default=0
    )
    unit, name = (_DAY, "days") if hours > 48 else (HOUR, "hours")  # noqa: PLR2004 - two days
    for run in found.runs:
        _draw_run(run, share, rate, unit)
    share.set_ylabel("% of hosts updated")
    share.set_ylim(0, 103)
    share.legend(loc="upper left", frameon=False)
    share.set_title(f"{found.title}: {found.fleet:,} hosts, polling every {span_text(found.poll)}")
    rate.set_ylabel("% in each hour")
    rate.set_ylim(bottom=0)
    rate.set_xlabel(f"{name} since the start")
    for axes in (share, rate):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_run(run: Run, share: Axes, rate: Axes, unit: int) -> None:
    colour, label, figures = _COLOURS[run.rule], _LABELS[run.rule], run.figures
    share.plot(
        [point.at / unit for point in figures.curve],
        [100 * point.hosts / figures.fleet for point in figures.curve],
        color=colour,
        label=label,
    )
    by_hour = {count.at // HOUR: count.hosts for count in figures.hourly}
    hours = range(max(by_hour, default=0) + 2)
    values = [100 * by_hour.get(hour, 0) / figures.fleet for hour in hours]
    rate.step([hour * HOUR / unit for hour in hours], values, where="post", color=colour, lw=1)
