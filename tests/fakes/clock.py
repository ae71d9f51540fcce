"""A clock that shows what a test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOW = datetime(2031, 4, 7, 9, 0, tzinfo=UTC)


class FakeClock:
    """A `updog.clock.Clock` that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
