"""Charts as SVG, drawn here: no script, no font, no address of another place. PURE.

Colours come from the style sheet of the page, by class, so that they follow its light or dark mode.
Numbers and texts reach the drawing through `text` and `_number` alone, which escape and round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH = 720
HEIGHT = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 30
_PLOT_WIDTH = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT = HEIGHT - _TOP - _BOTTOM
COLOURS = 8
"""How many classes ``c0``, ``c1``, … a style sheet gives colours."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values, one for each column of a chart; none below 0."""

    label: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Attributes:
        title: read to those who do not see it.
        columns: names of the places along the axis.
        series: lines, or layers of bars from below.
        unit: behind a value.
    """

    title: str
    columns: Sequence[str]
    series: Sequence[Series]
    unit: str = ""


def lines(chart: Chart) -> str:
    """A line for each series; the axis goes from 0 to the highest value."""
    top = _round_up(max((max(each.values, default=0) for each in chart.series), default=0))
    body = [_axes(chart, top)]
    for number, series in enumerate(chart.series):
        points = " ".join(
            f"{_x(chart, place + 0.5)},{_y(value, top)}"
            for place, value in enumerate(series.values)
        )
        body.append(f'<polyline class="line c{number % COLOURS}" points="{points}"/>')
        body += _dot_of_one(chart, series, number, top)
    return _framed(chart, body)


def bars(chart: Chart) -> str:
    """A bar for each column, the series upon one another."""
    sums = [sum(values) for values in zip(*(each.values for each in chart.series), strict=True)]
    top = _round_up(max(sums, default=0))
    body = [_axes(chart, top)]
    below = [0.0] * len(chart.columns)
    for number, series in enumerate(chart.series):
        for place, value in enumerate(series.values):
            if value > 0:
                hint = f"{chart.columns[place]}: {series.label} {short(value)}{chart.unit}"
                body.append(_bar(chart, place, below[place], value, top, number, hint))
                below[place] += value
    return _framed(chart, body)


def short(value: float) -> str:
    """A number in few signs: 950, 1.2 k, 34 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def legend(chart: Chart) -> str:
    """What the colours mean, as HTML."""
    items = (
        f'<li><svg width="12" height="12" aria-hidden="true"><rect width="12" height="12"'
        f' class="c{number % COLOURS}"/></svg> {escape(each.label)}</li>'
        for number, each in enumerate(chart.series)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _framed(chart: Chart, body: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(chart.title)}">{"".join(body)}</svg>'
    )


def _axes(chart: Chart, top: float) -> str:
    parts = []
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        label = f"{short(value)}{chart.unit}"
        parts.append(f'<text class="end" x="{_LEFT - 6}" y="{y}" dy="4">{escape(label)}</text>')
    every = max(1, -(-len(chart.columns) // 8))
    for place in range(0, len(chart.columns), every):
        x = _x(chart, place + 0.5)
        name = escape(chart.columns[place])
        parts.append(f'<text class="middle" x="{x}" y="{HEIGHT - 8}">{name}</text>')
    return "".join(parts)


def _bar(
    chart: Chart, place: int, below: float, value: float, top: float, number: int, hint: str
) -> str:
    left, right = _x(chart, place + 0.08), _x(chart, place + 0.92)
    upper, lower = _y(below + value, top), _y(below, top)
    width, height = _number(float(right) - float(left)), _number(float(lower) - float(upper))
    return (
        f'<rect class="c{number % COLOURS}" x="{left}" width="{width}"'
        f' y="{upper}" height="{height}">'
        f"<title>{escape(hint)}</title></rect>"
    )


def _dot_of_one(chart: Chart, series: Series, number: int, top: float) -> list[str]:
    """A line through one point is invisible, so it gets a dot."""
    if len(series.values) != 1:
        return []
    x, y = _x(chart, 0.5), _y(series.values[0], top)
    return [f'<circle class="c{number % COLOURS}" cx="{x}" cy="{y}" r="3"/>']


def _x(chart: Chart, place: float) -> str:
    return _number(_LEFT + _PLOT_WIDTH * place / max(1, len(chart.columns)))


def _y(value: float, top: float) -> str:
    return _number(_TOP + _PLOT_HEIGHT * (1 - value / top))


def _number(value: float) -> str:
    return f"{value:.1f}"


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5 and 8 times a power of ten, so that quarters of it read well."""
    if value <= 0:
        return 1
    power = 1.0
    while power * 10 <= value:
        power *= 10
    return next(power * step for step in (1, 2, 4, 5, 8, 10) if power * step >= value)


def thinned(count: int, most: int) -> Sequence[tuple[int, int]]:
    """Neighbouring places put together so that at most ``most`` are left: (first, behind last)."""
    size = max(1, -(-count // most))
    edges = [*range(0, count, size), count]
    return list(pairwise(edges)) if count else []
