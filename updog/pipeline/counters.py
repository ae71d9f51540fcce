"""Bytes that moved, counted by several threads at once."""

from __future__ import annotations

import threading

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
        self._sums = Moved()

    def add(self, **more: int) -> None:
        """Add bytes, named by the attributes of `Moved`.

        Raises:
            Cancelled: the work is to end.
        """
        self.cancel.check()
        with self._lock:
            now = self._sums
            self._sums = Moved(
                received=now.received + more.get("received", 0),
                kept=now.kept + more.get("kept", 0),
                copied=now.copied + more.get("copied", 0),
                zeroed=now.zeroed + more.get("zeroed", 0),
                decoded=now.decoded + more.get("decoded", 0),
                written=now.written + more.get("written", 0),
            )
            self._report(self._sums)

    def moved(self) -> Moved:
        """The sums so far."""
        with self._lock:
            return self._sums
