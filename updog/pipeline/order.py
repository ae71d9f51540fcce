"""Where decoded bytes belong: each block begins where the one before it ended."""

from __future__ import annotations

import threading

from updog import digests
from updog.digests import Digest
from updog.errors import TargetMismatch
from updog.pipeline.stages import Stopped


class Order:
    """Gives blocks, decoded by several threads, their places in the order of their numbers.

    Args:
        name: of the target, for messages.
        limit: the most bytes that the image may have.
        algorithm: of the digest to make of the image, where none is signed to compare with.
    """

    def __init__(self, name: str, limit: int, algorithm: str | None) -> None:
        self.length = 0
        self._name = name
        self._limit = limit
        self._digest = digests.new(algorithm) if algorithm else None
        self._next = 0
        self._changed = threading.Condition()
        self._stopped = False

    def place(self, number: int, raw: bytes | memoryview) -> int:
        """The offset of a block in the image; waits for all blocks before it.

        Raises:
            TargetMismatch: the image gets longer than it may.
            Stopped: the work was given up.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._next == number)
            if self._stopped:
                raise Stopped
            offset = self.length
            self._take(raw)
            self._next += 1
            self._changed.notify_all()
            return offset

    def stop(self) -> None:
        """Wake everyone who waits for a place."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def digest(self) -> Digest | None:
        """The digest so far; None where it was not wanted."""
        return None if self._digest is None else digests.so_far(self._digest)

    def _take(self, raw: bytes | memoryview) -> None:
        if self.length + len(raw) > self._limit:
            raise TargetMismatch(
                f"{self._name} decodes to more than the {self._limit} bytes that it may have."
            )
        if self._digest:
            self._digest.update(raw)
        self.length += len(raw)
