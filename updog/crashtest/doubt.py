"""The sectors that are in doubt at one moment, and what each of them may hold. PURE.

A sector written twice without a flush between has a history: it holds the bytes from before, those
after the first write, or those after both, because a page cache and a drive keep whole sectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from updog.crashtest.moments import Moment, mask_of
from updog.crashtest.writelog import Event, Write, write_at

Reader: TypeAlias = Callable[[int, int], bytes]
"""Offset and length to bytes."""


@dataclass(frozen=True, slots=True)
class Atom:
    """The part of one write that lies in one sector: it reaches the medium whole or not at all.

    Attributes:
        write: index of the write in the log.
        start: first byte on the disk.
        end: the byte behind the last one.
    """

    write: int
    start: int
    end: int

    def data(self, log: tuple[Event, ...]) -> bytes:
        """Its bytes."""
        write = write_at(log, self.write)
        return write.data[self.start - write.offset : self.end - write.offset]


@dataclass(frozen=True, slots=True)
class Cell:
    """A sector in doubt (in a very large moment: a run of sectors).

    Attributes:
        start: first byte that any pending write touches in it.
        bits: its atoms in the order of issue, as bit numbers of the moment's masks; none if it was
            written with the very bytes it held.
        equal: for each disk it is compared with, whether it holds the same bytes as that one,
            before and after each of its atoms; one more than `bits`.
    """

    start: int
    bits: tuple[int, ...]
    equal: tuple[tuple[bool, ...], ...]

    def version(self, mask: int) -> int:
        """How many of its atoms have reached the medium."""
        return sum(mask >> bit & 1 for bit in self.bits)

    def versions(self) -> list[int]:
        """The masks of what it may hold."""
        return [mask_of(self.bits[:count]) for count in range(len(self.bits) + 1)]


@dataclass(frozen=True, slots=True)
class Fineness:
    """At what granularity writes are torn.

    Attributes:
        sector: bytes that the medium writes whole or not at all.
        most_atoms: above this number of sectors, image writes are torn at runs of sectors instead,
            so that memory stays bounded; writes to the partition table never are.
    """

    sector: int
    most_atoms: int = 1 << 15

    def grain(self, writes: Iterable[Write]) -> int:
        """Bytes of a run of sectors, so that about `most_atoms` runs cover the writes."""
        total = sum(len(write.data) for write in writes)
        return self.sector * max(1, -(-total // (self.sector * self.most_atoms)))


@dataclass(frozen=True, slots=True)
class Doubt:
    """Everything that is in doubt at one moment. Bit n of a mask is atom n.

    Attributes:
        moment: the stretch of the log.
        atoms: in the order of issue, only those that change a byte.
        cells: the sectors that the pending writes touch.
        critical: the mask of the atoms that were written through the whole disk: boot bits, and
            not images.
        by_write: for each write that changes a byte, the mask of its atoms.
        histories: the bits of each sector that changes more than once.
        flushing: the mask of the atoms that the flush at the end makes durable.
    """

    moment: Moment
    atoms: tuple[Atom, ...]
    cells: tuple[Cell, ...]
    critical: int
    by_write: tuple[int, ...] = field(repr=False)
    histories: tuple[tuple[int, ...], ...] = field(repr=False)
    flushing: int = field(repr=False)

    @property
    def everything(self) -> int:
        """The mask in which all atoms have reached the medium."""
        return (1 << len(self.atoms)) - 1

    def chosen(self, mask: int) -> Iterator[Atom]:
        """The atoms of a mask, in the order of issue."""
        landed = reversed(f"{mask:b}")
        return (atom for atom, bit in zip(self.atoms, landed, strict=False) if bit == "1")


def find_doubt(
    log: tuple[Event, ...],
    moment: Moment,
    fineness: Fineness,
    beneath: Reader,
    compared: tuple[Reader, ...] = (),
) -> Doubt:
    """List the sectors in doubt at one moment.

    Args:
        log: the whole log.
        moment: the stretch of it.
        fineness: size of a sector.
        beneath: reads the disk with all durable writes on it and none of the pending ones.
        compared: disks that each sector is compared with.
    """
    writes = [write_at(log, index) for index in moment.pending]
    grain = fineness.grain(write for write in writes if not write.channel.is_disk)
    pieces = [
        (piece, unit)
        for index, write in zip(moment.pending, writes, strict=True)
        for unit in [fineness.sector if write.channel.is_disk else grain]
        for piece in _pieces(index, write, unit)
    ]
    gathering = _Gathering(log, beneath, compared, Counter(_key(*each) for each in pieces))
    for piece, unit in pieces:
        gathering.add(piece, _key(piece, unit))
    return gathering.doubt(moment)


def _pieces(index: int, write: Write, grain: int) -> Iterator[Atom]:
    start = write.offset
    while start < write.end:
        end = min((start // grain + 1) * grain, write.end)
        yield Atom(index, start, end)
        start = end


def _key(piece: Atom, grain: int) -> int:
    return piece.start // grain * grain


class _Gathering:
    """Collects atoms by cell, keeping only those that change what lies beneath them.

    Bytes are held only for cells that are written more than once.
    """

    def __init__(
        self,
        log: tuple[Event, ...],
        beneath: Reader,
        compared: tuple[Reader, ...],
        uses: Counter[int],
    ) -> None:
        self._log = log
        self._beneath = beneath
        self._compared = compared
        self._uses = uses
        self._atoms: list[Atom] = []
        self._cells: list[Cell] = []
        self._open: dict[int, _OpenCell] = {}

    def add(self, piece: Atom, key: int) -> None:
        cell = self._open.pop(key, None) or _OpenCell(piece.start)
        cell.reach(piece, self._beneath)
        if cell.put(piece, piece.data(self._log), len(self._atoms)):
            self._atoms.append(piece)
        self._uses[key] -= 1
        if self._uses[key]:
            self._open[key] = cell
        else:
            self._cells.append(cell.closed(self._compared))

    def doubt(self, moment: Moment) -> Doubt:
        by_write: dict[int, list[int]] = {}
        for number, atom in enumerate(self._atoms):
            by_write.setdefault(atom.write, []).append(number)
        masks = {write: mask_of(bits) for write, bits in by_write.items()}
        return Doubt(
            moment,
            tuple(self._atoms),
            tuple(self._cells),
            critical=_union(
                mask for index, mask in masks.items() if write_at(self._log, index).channel.is_disk
            ),
            by_write=tuple(masks.values()),
            histories=tuple(cell.bits for cell in self._cells if len(cell.bits) > 1),
            flushing=_union(mask for index, mask in masks.items() if index in moment.flushing),
        )


class _OpenCell:
    """A cell while its atoms are being collected."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._bits: list[int] = []
        self._versions = [b""]

    def reach(self, piece: Atom, beneath: Reader) -> None:
        """Widen the cell so that it holds a piece."""
        end = self._start + len(self._versions[0])
        low, high = min(self._start, piece.start), max(end, piece.end)
        before = beneath(low, self._start - low) if low < self._start else b""
        behind = beneath(end, high - end) if end < high else b""
        self._versions = [before + version + behind for version in self._versions]
        self._start = low

    def put(self, piece: Atom, data: bytes, bit: int) -> bool:
        """Add a version in which the piece has landed; False if it changes nothing."""
        last, at = self._versions[-1], piece.start - self._start
        after = last[:at] + data + last[at + len(data) :]
        if after == last:
            return False
        self._bits.append(bit)
        self._versions.append(after)
        return True

    def closed(self, compared: tuple[Reader, ...]) -> Cell:
        wanted = [reader(self._start, len(self._versions[0])) for reader in compared]
        equal = tuple(tuple(version == each for version in self._versions) for each in wanted)
        return Cell(self._start, tuple(self._bits), equal)


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
