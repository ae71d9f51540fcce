"""Who watches a run: a line at a terminal, a stream of JSON lines, a file that others may read.

Each is a `Progress` and may be told from any thread. `together` makes one of several.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from updog.clock import Clock
from updog.moving import Moving, Phase, Progress

MEGABYTE = 1_000_000
TENTHS_BELOW = 100 * MEGABYTE
NAME_LEAST = 16
"""Columns of a name that tell one image of a set from another."""
EVERY = timedelta(milliseconds=200)
EVERY_FILE = timedelta(seconds=1)
CLEAR = "\x1b[K"
"""Tells a terminal to empty the line from the cursor on."""


class Pace:
    """How fast one target moves, and whether it is time to tell of it again.

    Args:
        clock: tells the time.
        every: the least time between two reports of the same phase.
    """

    def __init__(self, clock: Clock, every: timedelta) -> None:
        self._clock = clock
        self._every = every
        self._name = ""
        self._phase = Phase.SURVEY
        self._start: datetime | None = None
        self._told: datetime | None = None

    def spent(self, moving: Moving) -> timedelta | None:
        """Return how long this target has moved; None where it is too early to tell again."""
        now = self._clock.now()
        if moving.name != self._name or self._start is None:
            self._name, self._start, self._told = moving.name, now, None
        early = self._told is not None and now - self._told < self._every
        if early and moving.phase is self._phase:
            return None
        self._phase, self._told = moving.phase, now
        return now - self._start


class ProgressLine:
    """Shows percent, megabytes, bytes in and out, rate and the time left of the target that moves.

    Args:
        out: where to write; a terminal.
        clock: for the rate, and to write no more often than people read.
        width: columns of the terminal; a line that wrapped could not be rewritten in place.
    """

    def __init__(self, out: TextIO, clock: Clock, width: int = 80) -> None:
        self._out = out
        self._width = width
        self._pace = Pace(clock, EVERY)

    def __call__(self, moving: Moving) -> None:
        """Show how far a target is."""
        spent = self._pace.spent(moving)
        if spent is None:
            return
        line = line_for(moving, spent, self._width - 1)
        # The cursor goes back to the start, so that an error message overwrites a stopped line.
        end = "\n" if moving.phase is Phase.DONE else "\r"
        self._out.write(f"{CLEAR}{line}{end}")
        self._out.flush()


class JsonLines:
    """Writes one JSON object a line, for programs that watch.

    Args:
        out: where to write.
        clock: for rates, and to write no more often than needed.
    """

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._out = out
        self._pace = Pace(clock, EVERY)

    def __call__(self, moving: Moving) -> None:
        """Write how far a target is."""
        spent = self._pace.spent(moving)
        if spent is not None:
            self._out.write(json.dumps(as_tree(moving, spent)) + "\n")
            self._out.flush()


class StatusFile:
    """Keeps a small file that tells how far the run is, always whole, never in the way.

    It is for looking only: nothing reads it to decide, so it is not flushed to the disk, and a file
    system that refuses ends the telling, not the update.

    Args:
        path: the file.
        clock: for rates.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._pace = Pace(clock, EVERY_FILE)
        self._refused = False

    def __call__(self, moving: Moving) -> None:
        """Write how far a target is."""
        spent = None if self._refused else self._pace.spent(moving)
        if spent is None:
            return
        draft = self._path.with_name(f".{self._path.name}.new")
        try:
            draft.write_text(json.dumps(as_tree(moving, spent)) + "\n", encoding="utf-8")
            os.replace(draft, self._path)  # noqa: PTH105 - a rename that must replace
        except OSError:
            self._refused = True


def together(watchers: Sequence[Progress]) -> Progress:
    """Tell all of them, one thread at a time."""
    lock = threading.Lock()

    def tell(moving: Moving) -> None:
        with lock:
            for watcher in watchers:
                watcher(moving)

    return tell


def line_for(moving: Moving, spent: timedelta, width: int = 1000) -> str:
    """One line about a target; sizes in MB of a million bytes.

    In is what came from the repository, out is what was written. Where the columns do not suffice,
    the rate goes first, because the time left says as much, and the beginning of the name last.
    """
    parts = _parts(moving, spent)
    least = min(len(moving.name), NAME_LEAST)
    for spare in ("rate", "moved"):
        if least + sum(map(len, parts.values())) > width:
            parts.pop(spare)
    return shortened(moving.name + "".join(parts.values()), width)


def _parts(moving: Moving, spent: timedelta) -> dict[str, str]:
    """What a line says after the name; empty where there is nothing to say."""
    # Tenths of a large image tell nobody anything.
    size = "{:.1f}" if moving.total < TENTHS_BELOW else "{:.0f}"
    done, total, received, written = (
        size.format(one / MEGABYTE)
        for one in (moving.done, moving.total, moving.received, moving.written)
    )
    rate = _rate(moving, spent)
    left = _left(moving, rate)
    return {
        "done": f"  {_percent(moving):3d} %  {done}/{total} MB{_WORDS[moving.phase]}",
        "moved": f"  {received} MB in, {written} MB out" if moving.phase in _MOVING else "",
        "rate": f"  {rate / MEGABYTE:.1f} MB/s" if rate else "",
        "left": f"  {left // 60}:{left % 60:02d} left" if left else "",
    }


def as_tree(moving: Moving, spent: timedelta) -> dict[str, object]:
    """How far a target is, for programs: bytes, bytes per second, seconds (docs/cli.md)."""
    rate = _rate(moving, spent)
    return {
        "target": moving.name,
        "phase": str(moving.phase),
        "done": moving.done,
        "total": moving.total,
        "percent": _percent(moving),
        "received": moving.received,
        "written": moving.written,
        "kept": moving.kept,
        "copied": moving.copied,
        "way": moving.way or None,
        "rate": round(rate),
        "seconds_left": _left(moving, rate),
    }


_MOVING = (Phase.TRANSFER, Phase.DONE)
"""When it is told what came in and went out: looking and reading back move neither."""
_WORDS = {
    Phase.SURVEY: "  looking",
    Phase.TRANSFER: "",
    Phase.VERIFY: "  reading back",
    Phase.DONE: "  done",
}


def _percent(moving: Moving) -> int:
    return 100 * moving.done // moving.total if moving.total else 100


def _rate(moving: Moving, spent: timedelta) -> float:
    seconds = spent.total_seconds()
    return moving.done / seconds if seconds > 0 else 0.0


def _left(moving: Moving, rate: float) -> int | None:
    """Whole seconds until the target is done; None where nothing tells."""
    if moving.phase is Phase.DONE or not rate:
        return None
    return round((moving.total - moving.done) / rate)


def shortened(line: str, width: int) -> str:
    """The end of a line that is too long: the figures, and what tells one target from another."""
    return line if len(line) <= width else f"…{line[1 - width :]}"
