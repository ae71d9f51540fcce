"""The only reader of time. Everything else is told what time it is.

A run asks once and keeps the answer, so that metadata that is valid when an update begins stays
valid until it ends (TUF specification 5.1).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""


class SystemClock:
    """The system's clock, which within one run never steps back (formats 6.1).

    Args:
        floor: a moment known to have passed, such as the build time of the image. A clock behind
            it is wrong, and the floor is the better guess. None sets no floor.
    """

    def __init__(self, floor: datetime | None = None) -> None:
        self._latest = floor

    def now(self) -> datetime:
        """Return the later of the system's time and the latest time known to have passed."""
        told = datetime.now(UTC)  # noqa: TID251 - this is the one place that may ask
        if self._latest is None or told > self._latest:
            self._latest = told
        return self._latest
