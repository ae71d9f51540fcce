"""How far an image is right on its partition, without a gap: what may be read back already."""

from __future__ import annotations

import threading

from updog.blockmap import BLOCK, BLOCK_SHIFT, blocks_in
from updog.pipeline.stages import Stopped

_MISSING, _RIGHT = b"\0", b"\1"


class Frontier:
    """Marks blocks as right, in any order, and lets one reader follow behind.

    Args:
        blocks: the most blocks that there can be.
    """

    def __init__(self, blocks: int) -> None:
        self._state = bytearray(blocks)
        self._blocks = blocks
        self._length: int | None = None
        self._edge = 0
        self._changed = threading.Condition()
        self._stopped = False

    def mark(self, first: int, count: int) -> None:
        """Blocks are right now."""
        with self._changed:
            self._state[first : first + count] = _RIGHT * count
            if first <= self._edge < first + count:
                found = self._state.find(_MISSING, first + count)
                self._edge = self._blocks if found < 0 else found
                self._changed.notify_all()

    def mark_bytes(self, offset: int, length: int) -> None:
        """Bytes are right now; `offset` is the start of a block."""
        self.mark(offset >> BLOCK_SHIFT, blocks_in(length))

    def finish(self, length: int) -> None:
        """The image is complete and has that many bytes."""
        with self._changed:
            self._length = length
            self._changed.notify_all()

    def stop(self) -> None:
        """Wake the reader: nothing more will come."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait(self, offset: int, most: int) -> int:
        """How many bytes may be read at `offset`; waits for `most` unless the image ends before.

        Returns:
            0 at the end of the image.

        Raises:
            Stopped: the work was given up.
        """
        with self._changed:
            while not self._stopped:
                if self._length is not None:
                    return min(most, self._length - offset)
                if self._edge * BLOCK >= offset + most:
                    return most
                self._changed.wait()
            raise Stopped

    def wait_finished(self) -> None:
        """Wait until the image is complete and flushed.

        Raises:
            Stopped: the work was given up.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._length is not None)
            if self._stopped:
                raise Stopped

    def missing(self, start: int = 0, stop: int | None = None) -> int:
        """The first block from `start` on, and before `stop`, that is not right; -1 if none is."""
        return self._state.find(_MISSING, start, stop)

    def right(self, start: int = 0) -> int:
        """The first block from `start` on that is right; -1 if there is none."""
        return self._state.find(_RIGHT, start)

    def is_right(self, block: int) -> bool:
        """Whether one block is right."""
        return bool(self._state[block])

    def count_missing(self) -> int:
        """How many blocks are not right."""
        return self._state.count(_MISSING)
