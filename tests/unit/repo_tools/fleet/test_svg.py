"""Charts as they are drawn."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repo_tools.fleet.svg import HEIGHT, WIDTH, Chart, Series, bars, legend, lines, short, thinned

SVG = pytest.mark.parametrize("draw", [lines, bars])


def chart(*values: list[float], title: str = "t") -> Chart:
    columns = [str(place) for place in range(len(values[0]))]
    return Chart(title, columns, [Series("a<b", each) for each in values])


@SVG
@pytest.mark.parametrize("values", [[], [0.0], [5.0], [0.0, 0.0], [1.0, 2.0, 3.0]])
def test_charts_are_well_formed_whatever_they_show(draw: object, values: list[float]) -> None:
    assert callable(draw)
    ET.fromstring(draw(chart(values, values, title="<'\"&>")))  # noqa: S314 - our own


def test_a_legend_escapes_its_names() -> None:
    assert "a&lt;b" in legend(chart([1.0]))


@settings(max_examples=60)
@given(st.lists(st.lists(st.floats(0, 1e15), min_size=3, max_size=3), min_size=1, max_size=9))
def test_bars_stand_upon_one_another_inside_the_frame(values: list[list[float]]) -> None:
    root = ET.fromstring(bars(chart(*values)))  # noqa: S314 - our own
    for bar in root.iter("rect"):
        x, y, width, height = (float(bar.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + width <= WIDTH
        assert 0 <= y <= y + height <= HEIGHT


@settings(max_examples=60)
@given(st.integers(0, 5000), st.integers(1, 300))
def test_thinning_keeps_every_place_once(count: int, most: int) -> None:
    groups = thinned(count, most)
    assert [place for first, last in groups for place in range(first, last)] == list(range(count))
    assert len(groups) <= most


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (999, "999"), (1234, "1.23 k"), (5e6, "5 M"), (2.5e12, "2.5 T")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text
