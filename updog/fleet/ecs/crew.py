"""Many ways at once in one thread: each goes on when its wait is over."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from updog.clock import Clock
from updog.fleet.ecs.hold import Pauses


class Stopped(Exception):
    """The run was told to stop."""


Wait = Callable[[float], None]
"""Waits for some seconds; raises `Stopped` when the run is told to stop."""

log = logging.getLogger(__name__)


@dataclass(order=True, slots=True)
class _Turn:
    due: datetime
    number: int
    way: Pauses = field(compare=False)
    done: Callable[[], None] = field(compare=False)


class Crew:
    """Ways that are gone at the same time.

    Args:
        clock: tells the time.
        wait: waits.
    """

    def __init__(self, clock: Clock, wait: Wait) -> None:
        self._clock = clock
        self._wait = wait
        self._turns: list[_Turn] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._turns)

    def begin(self, way: Pauses, done: Callable[[], None]) -> None:
        """Add a way.

        Args:
            way: it is gone from the next `step` on.
            done: called when it has ended.
        """
        self._push(_Turn(self._clock.now(), next(self._numbers), way, done))

    def step(self) -> None:
        """Wait for the next way that can go on, and let it.

        Raises:
            Stopped: the run was told to stop.
        """
        turn = heapq.heappop(self._turns)
        try:
            self._wait(max(0.0, (turn.due - self._clock.now()).total_seconds()))
            pause = next(turn.way)
        except StopIteration:
            turn.done()
        except BaseException:
            # Whatever is wrong: its instance is given back by the way itself, or by `close`.
            self._push(turn)
            raise
        else:
            self._push(_Turn(self._clock.now() + pause, turn.number, turn.way, turn.done))

    def close(self) -> None:
        """End all ways: each gives its instance back."""
        while self._turns:
            turn = self._turns.pop()
            try:
                turn.way.close()
            except Exception:
                log.exception("a way could not be ended well")
            turn.done()

    def _push(self, turn: _Turn) -> None:
        heapq.heappush(self._turns, turn)
