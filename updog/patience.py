"""How often to try again, how long to wait in between, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import SystemRandom
from typing import TypeVar

from updog.errors import CutShort, UnreachableError

T = TypeVar("T")

DRAW = SystemRandom().random
"""The jitter of real runs: from 0 up to 1, each time another."""
FIRST_WAIT = 0.2
LONGEST_WAIT = 10.0
LONGEST_RETRY_AFTER = 60.0
GIVE_UP_AFTER = 600.0
"""Seconds after which no further attempt at the same thing begins."""


class TryAgain(UnreachableError):
    """An answer that may be better next time.

    Args:
        message: what happened.
        hint: what to do about it.
        after: seconds that the server asked us to wait, or 0.
    """

    def __init__(self, message: str, *, hint: str = "", after: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.after = after


class Patience:
    """Exponential back-off with jitter, bounded in count and time.

    Args:
        retries: further attempts after the first.
        sleep: waits that many seconds.
        jitter: draws from 0 up to 1; a fleet that failed together must not come back together.
        monotonic: tells seconds that never step back.
    """

    def __init__(
        self,
        retries: int,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = DRAW,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.retries = retries
        self.sleep = sleep
        self.monotonic = monotonic
        self._jitter = jitter

    def attempts(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` gives, at last.

        Raises:
            UnreachableError: the last failure, where none is left or nothing can help.
        """
        begun = self.monotonic()
        for number in range(self.retries):
            try:
                return attempt()
            except (TryAgain, CutShort) as error:
                asked = error.after if isinstance(error, TryAgain) else 0.0
                wait = max(self.wait(number), min(asked, LONGEST_RETRY_AFTER))
                if self.monotonic() - begun + wait > GIVE_UP_AFTER:
                    raise
                self.sleep(wait)
        return attempt()

    def wait(self, number: int) -> float:
        """Return the seconds to wait after failure `number`, counted from 0."""
        whole: float = min(FIRST_WAIT * 2 ** min(number, 16), LONGEST_WAIT)
        return whole * (1 + self._jitter()) / 2


class Budget:
    """Bytes that may come in vain: a server that cuts near each end must not fill a month's plan.

    Args:
        most: how many may come in all, over every attempt.
        name: what they are of, for the message.

    Attributes:
        cause: why it broke off the last time, for the message.
    """

    def __init__(self, most: int, name: str) -> None:
        self._left = most
        self._name = name
        self.cause = "no more was allowed to come in vain"

    def take(self, count: int) -> None:
        """Take down that so many came.

        Raises:
            UnreachableError: they were too many.
        """
        self._left -= count
        if self._left < 0:
            raise UnreachableError(f"{self._name} broke off too often: {self.cause}")
