"""An answer whose breaking off is told to somebody."""

from __future__ import annotations

from collections.abc import Callable

from updog.wire import Answer, WireError


class WatchedAnswer:
    """See `updog.wire.Answer`.

    Args:
        answer: where the bytes come from.
        broke: called when the transfer breaks off, before that is raised.
    """

    def __init__(self, answer: Answer, broke: Callable[[], None]) -> None:
        self._answer = answer
        self._broke = broke

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    def header(self, name: str) -> str:
        """Return a header, or an empty string."""
        return self._answer.header(name)

    def read1(self, amount: int) -> bytes:
        """Return what is there (see `updog.wire.Answer`)."""
        try:
            return self._answer.read1(amount)
        except WireError:
            self._broke()
            raise

    def stop(self) -> None:
        """See `updog.wire.Answer`."""
        self._answer.stop()

    def close(self) -> None:
        """See `updog.wire.Answer`."""
        self._answer.close()
