"""A limit on the rate of a transfer, shared by all its connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator


class Pace:
    """Lets bytes through at a rate, on average; short of it nothing is saved up.

    Args:
        rate: bytes per second.
        monotonic: seconds that never go back.
        sleep: waits that many seconds.
    """

    def __init__(
        self, rate: float, monotonic: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._due = monotonic()
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Wait until that many bytes fit the rate."""
        with self._lock:
            now = self._monotonic()
            self._due = max(self._due, now) + count / self._rate
            wait = self._due - now
        if wait > 0:
            self._sleep(wait)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass chunks on at the rate."""
        for chunk in chunks:
            self.spend(len(chunk))
            yield chunk
