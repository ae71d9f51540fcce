"""A disk in memory over one that is never written: what was written lies on top, in blocks."""

from __future__ import annotations

from collections.abc import Iterable

from updog.crashtest.doubt import Atom, Reader
from updog.crashtest.writelog import Event

BLOCK = 4096
_ZEROS = bytes(BLOCK)


class Overlay:
    """Bytes of a disk; memory grows with what is written, and not with the disk.

    Args:
        size: bytes of the disk.
        beneath: reads the disk below; it must not change while this one lives.
    """

    __slots__ = ("_beneath", "_blocks", "size")

    def __init__(self, size: int, beneath: Reader) -> None:
        self.size = size
        self._beneath = beneath
        self._blocks: dict[int, bytes] = {}

    def fork(self) -> Overlay:
        """A disk with the same bytes that can be changed without changing this one."""
        return Overlay(self.size, self.read)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes at ``offset``."""
        first, behind = offset // BLOCK, -(-(offset + length) // BLOCK)
        touched = [number for number in range(first, behind) if number in self._blocks]
        if not touched:
            return self._beneath(offset, length)
        start = first * BLOCK
        found = bytearray(self._beneath(start, min(behind * BLOCK, self.size) - start))
        for number in touched:
            block = self._blocks[number]
            at = number * BLOCK - start
            found[at : at + len(block)] = block
        return bytes(found[offset - start : offset - start + length])

    def apply(self, atoms: Iterable[Atom], log: tuple[Event, ...]) -> Overlay:
        """Let atoms reach the disk, in the order given; return the disk itself."""
        for atom in atoms:
            self.write(atom.start, atom.data(log))
        return self

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at ``offset``."""
        at = 0
        while at < len(data):
            number, inside = divmod(offset + at, BLOCK)
            piece = data[at : at + BLOCK - inside]
            self._blocks[number] = self._block(number, inside, piece)
            at += len(piece)

    def _block(self, number: int, inside: int, piece: bytes) -> bytes:
        length = min(BLOCK, self.size - number * BLOCK)
        if len(piece) != length:
            old = self.read(number * BLOCK, length)
            piece = old[:inside] + piece + old[inside + len(piece) :]
        # An update zeroes what an older, longer image left behind: one block serves for all.
        return _ZEROS if piece == _ZEROS else piece
