"""Staying below a number of bytes a second, by waiting after each read."""

from __future__ import annotations

import threading
from collections.abc import Callable

from updog.wire import Answer

_READS_A_SECOND = 8
_LEAST_READ = 1024


class TokenBucket:
    """Gives out bytes at a rate; holds at most one second's worth.

    Args:
        rate: bytes a second.
        sleep: waits that many seconds.
        monotonic: tells seconds that never step back.
    """

    def __init__(
        self, rate: int, sleep: Callable[[float], None], monotonic: Callable[[], float]
    ) -> None:
        self.rate = rate
        self._sleep = sleep
        self._monotonic = monotonic
        self._level = float(rate)
        self._filled = monotonic()
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Take `count` bytes out, and wait until the bucket is no longer in debt."""
        with self._lock:
            now = self._monotonic()
            self._level = min(self._level + (now - self._filled) * self.rate, float(self.rate))
            self._filled = now
            self._level -= count
            debt = -self._level / self.rate
        if debt > 0:
            self._sleep(debt)


class PacedAnswer:
    """An answer that is read no faster than a bucket allows.

    Args:
        answer: where the bytes come from.
        bucket: shared by all answers.
    """

    def __init__(self, answer: Answer, bucket: TokenBucket) -> None:
        self._answer = answer
        self._bucket = bucket
        # In small bites: a long pause after a large one would look like a stall to the server.
        self._bite = max(bucket.rate // _READS_A_SECOND, _LEAST_READ)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    def header(self, name: str) -> str:
        """Return a header, or an empty string."""
        return self._answer.header(name)

    def read1(self, amount: int) -> bytes:
        """Return what is there (see `updog.wire.Answer`), after waiting for its turn."""
        data = self._answer.read1(min(amount, self._bite))
        self._bucket.take(len(data))
        return data

    def stop(self) -> None:
        """See `updog.wire.Answer`."""
        self._answer.stop()

    def close(self) -> None:
        """See `updog.wire.Answer`."""
        self._answer.close()
