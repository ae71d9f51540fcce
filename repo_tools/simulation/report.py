"""A simulation for people, as lines of text. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from repo_tools.simulation.chart import Paper, bars, with_scale
from repo_tools.simulation.figures import COHORT, HOUR, Count, Figures, Run, Simulation
from repo_tools.simulation.quantities import rate_text, size_text, span_text
from repo_tools.simulation.readiness import Rule
from waves.duration import format_moment

_HEIGHT = 8
_RULES = {Rule.OURS: "our rule", Rule.UPSTREAM: "the original tools' rule"}


def lines(found: Simulation, paper: Paper) -> Iterator[str]:
    """All of it: a chart and figures for each rule."""
    yield (
        f"{found.title}: {found.fleet:,} hosts that ask every {span_text(found.poll)},"
        f" from {format_moment(found.origin)}"
    )
    for run in found.runs:
        yield ""
        yield f"By {_RULES[run.rule]}"
        yield from adoption(run.figures, paper)
        yield from _rate(run.figures, paper)
        yield ""
        yield from _percentiles(found, run)
        yield ""
        yield from _peaks(found, run.figures)


def adoption(figures: Figures, paper: Paper, end: int | None = None) -> list[str]:
    """The chart of the share of the fleet that has the update.

    Args:
        figures: what came out.
        paper: what may be used.
        end: seconds at the right edge; None: when the last host has it.
    """
    last = last_of(figures) if end is None else end
    values = _sampled(figures.curve, last, paper.columns)
    drawn = bars(values, figures.fleet, _HEIGHT, paper)
    return with_scale(drawn, "100 %", span_text(last), paper)


def last_of(figures: Figures) -> int:
    """The second at which the last host takes the update."""
    return figures.curve[-1].at if figures.curve else HOUR


def _sampled(curve: Sequence[Count], last: int, columns: int) -> list[float]:
    """The curve at the right edge of each column."""
    values: list[float] = []
    place, hosts = 0, 0
    for column in range(1, columns + 1):
        while place < len(curve) and curve[place].at <= last * column // columns:
            hosts = curve[place].hosts
            place += 1
        values.append(hosts)
    return values


def _rate(figures: Figures, paper: Paper) -> list[str]:
    if not figures.hourly:
        return []
    columns = paper.columns
    width = max(1, -(-(figures.hourly[-1].at + HOUR) // columns))
    totals = [0.0] * columns
    # The fullest hour of each column: a sum would depend on the width of the terminal.
    for hour in figures.hourly:
        for column in range(hour.at // width, min(columns, -(-(hour.at + HOUR) // width))):
            totals[column] = max(totals[column], hour.hosts)
    peak = figures.peak_hour.hosts
    drawn = bars(totals, peak, 2, paper)
    return [
        f"{label:>6} |{line}" for label, line in zip((_short(peak), "per h"), drawn, strict=True)
    ]


def _short(count: int) -> str:
    return size_text(count).removesuffix("B").replace(" ", "")


def _percentiles(found: Simulation, run: Run) -> Iterator[str]:
    for percent, seconds in run.figures.percentiles.items():
        if seconds is None:
            yield f"{percent:>5} %  never"
        else:
            moment = format_moment(found.moment(seconds))
            yield f"{percent:>5} %  after {span_text(seconds):<10} {moment}"


def _peaks(found: Simulation, figures: Figures) -> Iterator[str]:
    cohort, hour = figures.cohort, figures.peak_hour
    yield (
        f"most hosts in any 5 minutes: {_hosts(cohort, figures)} from"
        f" {format_moment(found.moment(cohort.at))}{_traffic(found, cohort, COHORT)}"
    )
    yield (
        f"most hosts in an hour: {_hosts(hour, figures)} from"
        f" {format_moment(found.moment(hour.at))}{_traffic(found, hour, HOUR)}"
    )
    if figures.reached < figures.fleet:
        yield f"hosts that never get it: {figures.fleet - figures.reached:,}"
    if found.image_bytes is not None:
        yield f"in all: {size_text(found.image_bytes * figures.reached)}"


def _hosts(count: Count, figures: Figures) -> str:
    return f"{count.hosts:,} ({count.hosts / figures.fleet:.2%})"


def _traffic(found: Simulation, count: Count, seconds: int) -> str:
    if found.image_bytes is None:
        return ""
    total = found.image_bytes * count.hosts
    return f": {size_text(total)}, {rate_text(total * 8 / seconds)} on average"
