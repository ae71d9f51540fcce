from __future__ import annotations

from repo_tools.simulation.chart import Paper, bars, with_scale

PLAIN = Paper(width=18, unicode=False)


def test_a_full_bar_fills_every_line() -> None:
    assert bars([0, 4, 8], 8, 2, PLAIN) == ["  #", " ##"]


def test_anything_above_nothing_is_seen() -> None:
    assert bars([0, 0.001], 8, 2, PLAIN) == ["  ", " ."]


def test_blocks_have_eight_heights() -> None:
    assert bars(list(range(9)), 8, 1, Paper()) == [" ▁▂▃▄▅▆▇█"]


def test_colours_are_only_where_they_may_be() -> None:
    assert "\x1b" not in "".join(bars([1], 1, 3, Paper()))
    assert all(line.endswith("\x1b[0m") for line in bars([1], 1, 3, Paper(colour=True)))


def test_no_line_is_wider_than_the_terminal() -> None:
    paper = Paper(width=60)
    drawn = with_scale(bars([1.0] * paper.columns, 1, 4, paper), "100 %", "6 d", paper)
    assert max(map(len, drawn)) == 60
