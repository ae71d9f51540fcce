"""How far an image is right on its partition, without a gap: what may be read back already."""

from __future__ import annotations

import re
import threading

from updog.blockmap import BLOCK, BLOCK_SHIFT, blocks_in
from updog.pipeline.stages import Stopped

_BITS = 8
_PIECE = 1 << 12
_ALL = 0xFF
_SOME_MISSING, _SOME_RIGHT = re.compile(rb"[^\xff]"), re.compile(rb"[^\0]")


class Frontier:
    """Marks blocks as right, in any order, and lets one reader follow behind.

    Args:
        blocks: the most blocks that there can be.
    """

    def __init__(self, blocks: int) -> None:
        # A bit for each block: with a byte, a large image would show in the memory that is used.
        self._state = bytearray(-(-blocks // _BITS))
        self._blocks = blocks
        self._length: int | None = None
        self._edge = 0
        self._changed = threading.Condition()
        self._stopped = False

    def copy(self) -> Frontier:
        """The same marks, to go on with elsewhere."""
        other = Frontier(self._blocks)
        with self._changed:
            other._state[:] = self._state
            other._edge = self._edge
        return other

    def mark(self, first: int, count: int) -> None:
        """Blocks are right now."""
        with self._changed:
            self._set(first, first + count)
            if first <= self._edge < first + count:
                found = self._find(first + count, self._blocks, right=False)
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

    def check(self) -> None:
        """For whoever marks for long without waiting.

        Raises:
            Stopped: the work was given up.
        """
        if self._stopped:
            raise Stopped

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
                # The last block may be a short one: all that is read here lies before another.
                if self._edge * BLOCK > offset + most:
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
        return self._find(start, self._blocks if stop is None else stop, right=False)

    def right(self, start: int = 0, stop: int | None = None) -> int:
        """The first block from `start` on, and before `stop`, that is right; -1 if none is."""
        return self._find(start, self._blocks if stop is None else stop, right=True)

    def is_right(self, block: int) -> bool:
        """Whether one block is right."""
        return bool(self._state[block // _BITS] >> block % _BITS & 1)

    def count_missing(self) -> int:
        """How many blocks are not right."""
        # Piece by piece: a number as long as the image's marks would be as large once more.
        pieces = (self._state[at : at + _PIECE] for at in range(0, len(self._state), _PIECE))
        return self._blocks - sum(int.from_bytes(piece).bit_count() for piece in pieces)

    def _set(self, first: int, stop: int) -> None:
        stop = min(stop, self._blocks)
        low, high = -(-first // _BITS), stop // _BITS
        if low <= high:
            self._state[low:high] = b"\xff" * (high - low)
        for block in (
            *range(first, min(low * _BITS, stop)),
            *range(max(high * _BITS, first), stop),
        ):
            self._state[block // _BITS] |= 1 << block % _BITS

    def _find(self, start: int, stop: int, *, right: bool) -> int:
        """The first block of a kind between two; -1 if there is none."""
        place = start // _BITS
        unlike = _SOME_RIGHT if right else _SOME_MISSING
        while found := unlike.search(self._state, place, -(-stop // _BITS)):
            place = found.start()
            bits = self._state[place] if right else self._state[place] ^ _ALL
            if place == start // _BITS:
                bits = bits >> start % _BITS << start % _BITS
            if bits:
                block = place * _BITS + (bits & -bits).bit_length() - 1
                return block if block < stop else -1
            place += 1
        return -1
