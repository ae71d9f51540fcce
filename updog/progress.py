"""What a person at a terminal sees while images move: one line, rewritten in place."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TextIO

from updog.clock import Clock

MEGABYTE = 1_000_000
EVERY = timedelta(milliseconds=200)
CLEAR = "\x1b[K"
"""Tells a terminal to empty the line from the cursor on."""


class ProgressLine:
    """Shows percent, megabytes and rate of the target that moves.

    Args:
        out: where to write; a terminal.
        clock: for the rate, and to write no more often than people read.
        width: columns of the terminal; a line that wrapped could not be rewritten in place.
    """

    def __init__(self, out: TextIO, clock: Clock, width: int = 80) -> None:
        self._out = out
        self._width = width
        self._clock = clock
        self._name = ""
        self._start: datetime | None = None
        self._shown: datetime | None = None

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that `done` of the `total` bytes of a target are through."""
        now = self._clock.now()
        if name != self._name or self._start is None:
            self._name, self._start, self._shown = name, now, None
        last = done >= total
        if not last and self._shown is not None and now - self._shown < EVERY:
            return
        self._shown = now
        line = shortened(line_for(name, done, total, now - self._start), self._width - 1)
        # The cursor goes back to the start, so that an error message overwrites a stopped line.
        self._out.write(f"{CLEAR}{line}" + ("\n" if last else "\r"))
        self._out.flush()


def line_for(name: str, done: int, total: int, spent: timedelta) -> str:
    """One line about a transfer; sizes in MB of a million bytes."""
    percent = 100 * done // total if total else 100
    seconds = spent.total_seconds()
    rate = f"  {done / MEGABYTE / seconds:.1f} MB/s" if seconds > 0 else ""
    return f"{name}  {percent:3d} %  {done / MEGABYTE:.1f}/{total / MEGABYTE:.1f} MB{rate}"


def shortened(line: str, width: int) -> str:
    """The end of a line that is too long: the figures, and what tells one target from another."""
    return line if len(line) <= width else f"…{line[1 - width :]}"
