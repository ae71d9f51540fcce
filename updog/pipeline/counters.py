"""Bytes that moved, counted by several threads at once."""

from __future__ import annotations

import threading
from dataclasses import fields

from updog.pipeline.cancel import Cancel
from updog.pipeline.facts import Moved, Report, silent


class Counters:
    """Adds up what the stages do.

    Args:
        report: told the sums after each change; must be quick.
        cancel: asked at each change whether to go on.
    """

    def __init__(self, report: Report = silent, cancel: Cancel | None = None) -> None:
        self.cancel = cancel or Cancel()
        self._lock = threading.Lock()
        self._report = report
        self._sums = dict.fromkeys((field.name for field in fields(Moved)), 0)

    def add(self, **more: int) -> None:
        """Add bytes, named by the attributes of `Moved`.

        Raises:
            Cancelled: the work is to end.
        """
        self.cancel.check()
        with self._lock:
            for name, count in more.items():
                self._sums[name] += count
            if self._report is not silent:
                self._report(Moved(**self._sums))

    def moved(self) -> Moved:
        """The sums so far."""
        with self._lock:
            return Moved(**self._sums)
