"""Signs of life of the agent, for systemd's watchdog: from the loop and from the work itself.

No thread gives them, since a thread would go on while the loop hangs. So each thing that the agent
does has to come to something within the time of the watchdog: a step, a piece of an image, bytes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from updog.clock import Clock
from updog.moving import Moving
from updog.notify import Notifier

SHARE = 4
"""A sign is given when this part of the watchdog's time is over; more would tell no more."""
NEVER = timedelta(0)


class Life:
    """What the agent tells systemd.

    Args:
        notifier: the way to it; tells nobody where it is not there.
        clock: tells the time.
    """

    def __init__(self, notifier: Notifier, clock: Clock) -> None:
        self._notifier = notifier
        self._clock = clock
        self._every = timedelta(seconds=notifier.watchdog / SHARE) if notifier.watchdog else None
        self._given: datetime | None = None

    def longest(self, sleep: timedelta) -> timedelta:
        """The longest sleep that is allowed, of at most this."""
        return sleep if self._every is None else min(sleep, self._every * SHARE / 2)

    def begins(self) -> None:
        """It runs, and its configuration can be used."""
        self._notifier.ready("looking around")

    def says(self, text: str) -> None:
        """What it does, in a line."""
        self._notifier.status(text)

    def ends(self) -> None:
        """It ends in order."""
        self._notifier.stopping()

    def beat(self) -> None:
        """A sign of life, if one is due."""
        if self._every is None:
            return
        now = self._clock.now()
        # A clock that was set back must not keep it silent.
        if self._given is None or not NEVER <= now - self._given < self._every:
            self._given = now
            self._notifier.alive()

    def moved(self, _moving: Moving) -> None:
        """The same, from the work on an image (`updog.moving.Progress`)."""
        self.beat()
