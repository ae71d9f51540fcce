"""How long a node is left alone after failures. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from updog.agent.calendar import share

MOST_DOUBLINGS = 30
"""Beyond this any cap is reached; counts have no bound, and shifts must have one."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between attempts.

    Attributes:
        unit: doubled with each failure; after the first one it is twice that.
        cap: the longest pause, before jitter.
        jitter: by how much of a pause nodes differ, so that they do not come back together.
    """

    unit: timedelta = timedelta(minutes=1)
    cap: timedelta = timedelta(hours=24)
    jitter: float = 0.2

    def pause(self, failures: int, node: str) -> timedelta:
        """How long a node is left alone after so many failures; the same whenever it is asked."""
        if failures <= 0:
            return timedelta(0)
        span = min(self.unit * (1 << min(failures, MOST_DOUBLINGS)), self.cap)
        return span * (1 + self.jitter * share(node))

    def until(self, failures: int, failed: datetime | None, node: str) -> datetime | None:
        """When a node may be tried again; None if at any time."""
        return None if failed is None else failed + self.pause(failures, node)
