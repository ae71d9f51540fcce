"""Bars of text for a terminal. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_PLAIN = " .:|#"
_GREEN = "\x1b[32m"
_RESET = "\x1b[0m"
_MARGIN = 8


@dataclass(frozen=True, slots=True)
class Paper:
    """What the terminal can show.

    Attributes:
        width: columns of it.
        unicode: block characters may be used.
        colour: escape sequences may be used.
    """

    width: int = 80
    unicode: bool = True
    colour: bool = False

    @property
    def columns(self) -> int:
        """How many bars fit beside the scale."""
        return max(10, min(self.width, 120) - _MARGIN)


def bars(values: Sequence[float], highest: float, height: int, paper: Paper) -> list[str]:
    """Upright bars, a column for each value, the topmost line first.

    Args:
        values: none below 0 or above ``highest``.
        highest: what a full bar stands for.
        height: lines.
        paper: what may be used.
    """
    marks = _EIGHTHS if paper.unicode else _PLAIN
    steps = len(marks) - 1
    filled = [_filled(value, highest, height * steps) for value in values]
    lines = []
    for line in reversed(range(height)):
        text = "".join(marks[max(0, min(steps, each - line * steps))] for each in filled)
        lines.append(f"{_GREEN}{text}{_RESET}" if paper.colour else text)
    return lines


def _filled(value: float, highest: float, steps: int) -> int:
    """Steps of a bar; whatever is above nothing shows at least one."""
    if value <= 0 or highest <= 0:
        return 0
    return max(1, round(value / highest * steps))


def with_scale(lines: Sequence[str], top: str, end: str, paper: Paper) -> list[str]:
    """Bars with a scale at their left and an axis below, which ends at ``end``."""
    width = _MARGIN - 2
    labels = [top, *[""] * (len(lines) - 2), "0"] if len(lines) > 1 else [top]
    framed = [f"{label:>{width}} |{line}" for label, line in zip(labels, lines, strict=True)]
    axis = "+" + "-" * paper.columns
    feet = f"{'0':<{paper.columns - len(end)}}{end}"
    return [*framed, f"{'':>{width}} {axis}", f"{'':>{width}}  {feet}"]
