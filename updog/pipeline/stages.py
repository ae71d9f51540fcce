"""Stages on threads: bounded channels between them, and one end for all when one of them fails."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

from updog.pipeline.cancel import Cancel, Cancelled, cancelled
from updog.pipeline.interrupts import INTERRUPTS

T = TypeVar("T")
_LOOK_UP = 0.5
"""Seconds after which whoever waits for threads looks up."""


class Stopped(Exception):
    """The work was given up elsewhere; whoever waits leaves with this. Never reaches a user."""


@runtime_checkable
class Stoppable(Protocol):
    """Something that threads wait for."""

    def stop(self) -> None:
        """Wake everyone who waits, now and from now on, with `Stopped`."""


@runtime_checkable
class Leavable(Protocol):
    """A `Stoppable` that need not be waited for to its end by whoever gives everything up."""

    def leave(self) -> None:
        """Wake everyone who waits, now and from now on, whatever is still under way behind it."""


def stoppable(thing: object) -> tuple[Stoppable, ...]:
    """What a crew waits for, if it can be woken at all: a transfer, for example."""
    return (thing,) if isinstance(thing, Stoppable) else ()


class Channel(Generic[T]):
    """A queue of bounded length between two stages.

    Args:
        capacity: how many items may wait; memory is bounded by this.
    """

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._changed = threading.Condition()
        self._closed = False
        self._stopped = False

    def put(self, item: T) -> None:
        """Hand an item on, when there is room.

        Raises:
            Stopped: the work was given up.
        """
        with self._changed:
            while len(self._items) >= self._capacity and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise Stopped
            self._items.append(item)
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def check(self) -> None:
        """For a stage that is busy for long between two items.

        Raises:
            Stopped: the work was given up.
        """
        if self._stopped:
            raise Stopped

    def stop(self) -> None:
        """See `Stoppable`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Take items until the channel is closed and empty.

        Raises:
            Stopped: the work was given up.
        """
        while True:
            with self._changed:
                while not self._items and not self._closed and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    raise Stopped
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            # A consumer that waits must not be kept from giving the last item's memory back.
            del item


class Crew:
    """Threads that end together: the first failure stops all, and is what the caller sees.

    Use it as a context manager; leaving it waits for every thread. An exception in the body, a
    cancellation by Ctrl-C included, stops the crew as well. So does a Ctrl-C while threads are
    waited for, and another one after it: nobody gets past this with a thread still running, since
    memory and descriptors that they use are given back next.

    Args:
        waiting: what the threads may be waiting for.
        cancel: ends the crew when it is given.
    """

    def __init__(self, *waiting: Stoppable, cancel: Cancel | None = None) -> None:
        self._waiting = list(waiting)
        self._cancel = cancel
        self._told = ExitStack()
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._lock = threading.Lock()

    def start(self, work: Callable[[], object], name: str) -> None:
        """Run `work` on a thread of its own."""
        thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        thread.start()
        # Behind the start, which fails where there is no room for a thread: nobody can wait for it.
        self._threads.append(thread)

    def stop(self, failure: BaseException) -> None:
        """Give up; the first reason given is the one that counts."""
        with self._lock:
            if self._failure is None and not isinstance(failure, Stopped):
                self._failure = failure
        # After a failure somebody goes on with the same servers, so what is under way has to end.
        ended = isinstance(failure, Cancelled) or not isinstance(failure, Exception)
        for item in self._waiting:
            if ended and isinstance(item, Leavable):
                item.leave()
            else:
                item.stop()

    def join(self) -> None:
        """Wait for every thread.

        Raises:
            BaseException: what the first of them failed with.
        """
        for thread in self._threads:
            while thread.is_alive():
                # A signal that comes right before the wait is not handled in it, but between two.
                thread.join(_LOOK_UP)
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        INTERRUPTS.enter(self)
        if self._cancel is not None:
            self._told.enter_context(self._cancel.telling(lambda: self.stop(cancelled())))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                self.stop(error)
            self.join()
        finally:
            self._told.close()
            INTERRUPTS.leave(self)

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller must see it
            self.stop(error)
