"""A transfer that goes on where it broke off, within one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from updog.body import Body
from updog.errors import CutShort
from updog.patience import Budget

STEP = 1 << 20
"""Bytes that count as headway: a server that gives less each time is one that does not work."""


class ResumingBody:
    """A body that is opened again, a bounded number of times, when it breaks off.

    A server that ignores the wish to go on in the middle sends the file from its start; what was
    given out before is then skipped, so that the reader sees each byte once.

    Args:
        start: opens the file at an offset.
        offset: where to begin; `offset` tells where it really began, `total` the whole length.
        resumes: how often in a row to open it again without at least `STEP` bytes gained.
        budget: takes down every byte that comes, those skipped included; None for no bound.
    """

    def __init__(
        self,
        start: Callable[[int], Body],
        offset: int,
        resumes: int,
        budget: Budget | None = None,
    ) -> None:
        self._start = start
        self._resumes = resumes
        self._budget = budget
        self._body = start(offset)
        self.offset = self._body.offset
        self.total = self._body.total
        self._position = self.offset

    def __iter__(self) -> Iterator[bytes]:
        failures = 0
        while True:
            before = self._position
            try:
                yield from self._rest()
            except CutShort as error:
                if self._budget:
                    self._budget.cause = str(error)
                failures = 0 if self._position - before >= STEP else failures + 1
                if failures > self._resumes:
                    raise
            else:
                return
            self._body.close()
            self._body = self._start(self._position)

    def _rest(self) -> Iterator[bytes]:
        skip = self._position - self._body.offset
        for chunk in self._body:
            if self._budget:
                self._budget.take(len(chunk))
            fresh = chunk[skip:]
            skip -= len(chunk) - len(fresh)
            self._position += len(fresh)
            if fresh:
                yield fresh

    def close(self) -> None:
        """Give the connection back."""
        self._body.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
