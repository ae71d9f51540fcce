"""Ending an installation from another thread, at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from updog.errors import UpdogError


class Cancelled(UpdogError):
    """Somebody asked for the end of the work; the next run uses what was written."""

    exit_code = 75
    http_status = 409
    usual_hint: ClassVar[str] = "Start it again when you like: it goes on with what is there."


class Cancel:
    """Given to an installation, ends it when it is called; may be called before and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given = False
        self._told: dict[int, Callable[[], object]] = {}
        self._next = 0

    def __call__(self) -> None:
        """End the work, soon: whoever waits inside of it is woken."""
        with self._lock:
            self._given = True
            told = list(self._told.values())
        for callback in told:
            callback()

    @property
    def given(self) -> bool:
        """Whether the end was asked for."""
        return self._given

    def check(self) -> None:
        """Raise when the end was asked for.

        Raises:
            Cancelled: it was.
        """
        if self._given:
            raise cancelled()

    @contextmanager
    def telling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Have somebody told, while the block runs; at once, if the end was asked for already."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._told[number] = callback
        if self._given:
            callback()
        try:
            yield
        finally:
            with self._lock:
                del self._told[number]


def cancelled() -> Cancelled:
    """The error that a cancelled installation ends with."""
    return Cancelled("The installation was cancelled; its partition is not complete.")
