"""Counting what is fetched, and stopping where the day's bytes are used up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from updog.body import Body, Fetcher, OneBody, RangeFetcher
from updog.errors import BudgetSpent, UpdogError
from updog.mirrors import elsewhere
from updog.pipeline.source import RangeSource


def unheard() -> None:
    """Nobody wants to know that bytes have come."""


class Metered:
    """A `updog.body.Fetcher` that counts the bytes that another one brings.

    Args:
        fetcher: the other one.
        budget: most bytes to fetch, or None for no limit.
        alive: told whenever bytes have come.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        budget: int | None = None,
        alive: Callable[[], None] = unheard,
    ) -> None:
        self._fetcher = fetcher
        self._budget = budget
        self._alive = alive
        self._lock = threading.Lock()
        self.fetched = 0

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file; metadata is small, so it is counted and never refused."""
        found = self._fetcher.get(url, max_bytes=max_bytes)
        with self._lock:
            self.fetched += len(found)
            self._alive()
        return found

    def open(self, url: str, *, offset: int = 0) -> Body:
        """Begin to read a file."""
        self.spend(0)
        body = self._fetcher.open(url, offset=offset)
        return OneBody(self._counted(body), body.offset, body.close, body.total)

    def ranges(self, url: str, name: str, spend: Callable[[int], object]) -> RangeSource | None:
        """Return a file in ranges, or None where it can only be had from its start."""
        if not isinstance(self._fetcher, RangeFetcher):
            return None

        def both(count: int) -> None:
            self.spend(count)
            spend(count)

        return self._fetcher.ranges(url, name, both)

    def leave(self, error: UpdogError) -> bool:
        """Turn to another server, where there are several."""
        return elsewhere(self._fetcher, error)

    def spend(self, count: int) -> None:
        """Count bytes.

        Raises:
            BudgetSpent: there were more than may be fetched.
        """
        with self._lock:
            self.fetched += count
            self._alive()
            spent = self._budget is not None and self.fetched >= self._budget
        if spent:
            raise BudgetSpent(
                f"{self.fetched} bytes were fetched, more are not allowed today.",
                hint="It goes on tomorrow; schedule.daily_bytes sets the limit.",
            )

    def _counted(self, body: Body) -> Iterator[bytes]:
        for chunk in body:
            self.spend(len(chunk))
            yield chunk
