"""Ctrl-C, SIGTERM and their like: kept away from where they would leave threads behind.

Python runs a handler in the main thread, between any two instructions of it, and what the handler
raises comes up right there: with a lock just taken, between the start of a thread and its being
known, or where threads are waited for. Those that were left would write to descriptors that are
closed by then, and given out anew. So, while crews are at work, what is raised in such a place is
held back: the crews are stopped, and whoever entered the first of them sees it when all threads
have ended. Everywhere else it comes up at once, as ever: a read from a dead server ends.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol, TypeAlias

_Handler: TypeAlias = Callable[[int, FrameType | None], object]

_FRAGILE = frozenset({"threading", "_weakrefset", "updog.pipeline.stages", __name__})
"""Modules of which no function may be left half done, or whose callers swallow what is raised."""


class Endable(Protocol):
    """A crew of threads."""

    def stop(self, failure: BaseException) -> None:
        """Have every thread end soon; called by another one."""


class Interrupts:
    """The signals of a process, while crews of its main thread are at work."""

    def __init__(self) -> None:
        self._crews: list[Endable] = []
        self._before: dict[int, _Handler] = {}
        self._held: BaseException | None = None

    def enter(self, crew: Endable) -> None:
        """A crew begins; call it before its first thread is started."""
        if threading.current_thread() is not threading.main_thread():
            # No handler ever runs here.
            return
        if not self._crews:
            self._take_over()
        self._crews.append(crew)
        if self._held is not None:
            crew.stop(self._held)

    def leave(self, crew: Endable) -> None:
        """A crew has ended.

        Raises:
            BaseException: what was held back, where this was the last one.
        """
        if crew not in self._crews:
            return
        self._crews.remove(crew)
        if not self._crews:
            held, self._held = self._held, None
            self._give_back()
            if held is not None:
                raise held

    def _take_over(self) -> None:
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if callable(handler) and handler != self._handle:
                self._before[number] = handler
                signal.signal(number, self._handle)

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        try:
            self._before[number](number, frame)
        except BaseException as error:
            if not self._crews or not _is_fragile(frame):
                raise
            if self._held is None:
                self._held = error
                self._stop_all(error)

    def _stop_all(self, failure: BaseException) -> None:
        """Stop every crew from a thread of its own: this one may hold the locks that it takes."""
        work = (tuple(reversed(self._crews)), failure)
        try:
            # Not by `threading`, which has locks of its own.
            _thread.start_new_thread(_stop, work)
        except RuntimeError:
            # There is no room for a thread. Most of the time this one holds nothing.
            _stop(*work)


def _stop(crews: tuple[Endable, ...], failure: BaseException) -> None:
    for crew in crews:
        crew.stop(failure)


def _is_fragile(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") in _FRAGILE:
            return True
        frame = frame.f_back
    return False


INTERRUPTS = Interrupts()
"""Of this process: there is but one main thread."""
