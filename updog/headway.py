"""Telling a slow link from one that only pretends: bytes have to come, and not one by one.

The silence limit alone is no bound: a server that sends a byte before each limit ends would hold a
run for years. So each stretch of waiting as long as that limit has to bring a least number of
bytes. Only the time spent waiting for the network counts, not what the reader does in between.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Monotonic = Callable[[], float]


AT_ONCE = 4 << 20
"""Bytes after which headers, or what stands between two pieces of a body, must have ended."""


class TooSlow(TimeoutError):
    """Bytes came, but so few that the end would never be reached."""


class Headway:
    """Counts what comes, window by window.

    Args:
        window: seconds of waiting after which is counted.
        floor: bytes that must have come by then.
    """

    def __init__(self, window: float, floor: int) -> None:
        self._window = window
        self._floor = floor
        self._begun = False
        self._waited = 0.0
        self._gained = 0

    def note(self, waited: float, gained: int) -> None:
        """Take down one read. The wait for the first byte is the server's thinking and is free.

        Raises:
            TooSlow: a window ended with fewer bytes than the floor.
        """
        if self._begun:
            self._waited += waited
        self._begun = True
        self._gained += gained
        if self._waited < self._window:
            return
        if self._gained < self._floor:
            raise TooSlow(
                f"too slow: {self._gained} bytes in {self._waited:.3g} seconds of waiting"
            )
        self._waited, self._gained = 0.0, 0


class _Watched(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, headway: Headway, monotonic: Monotonic) -> None:
        self.taken = 0
        self.ended = False
        self._raw = raw
        self._headway = headway
        self._monotonic = monotonic

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        begun = self._monotonic()
        count: int | None = self._raw.readinto(buffer)
        # The end is no slowness: whether it came too early is for others to say.
        self.ended = count == 0
        if count:
            self.taken += count
            if self.taken > AT_ONCE:
                raise HTTPException("headers or trailers without an end")
            self._headway.note(self._monotonic() - begun, count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def watched(window: float, floor: int, monotonic: Monotonic) -> type[HTTPResponse]:
    """Return a kind of `HTTPResponse` whose headers and body are held to the rule.

    Args:
        window: see `Headway`.
        floor: see `Headway`.
        monotonic: tells seconds that never step back.
    """

    class Watched(HTTPResponse):
        def __init__(self, sock: Any, *args: Any, **named: Any) -> None:  # noqa: ANN401
            super().__init__(sock, *args, **named)
            raw: Any = self.fp.detach()
            self._watching = _Watched(raw, Headway(window, floor), monotonic)
            self.fp = io.BufferedReader(self._watching)

        def begin(self) -> None:
            super().begin()
            if self._watching.ended:
                # The library takes it for the empty line; half the headers would say other things.
                raise HTTPException("the connection closed within the headers")

        def read1(self, n: int = -1) -> bytes:
            # The library would read interim answers and trailers for ever, a short line at a time.
            self._watching.taken = 0
            return super().read1(n)

    return Watched
