"""A private copy of what a trial needs of a disk; the disk itself is only ever read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from partitions.blockio import Access, BlockIO, Extent
from partitions.device import open_device
from partitions.disk import read_table
from partitions.gpt import PRIMARY_LBA, Table, array_sectors
from partitions.layout import Slot, with_active
from updog.crashtest.contents import Span
from updog.crashtest.overlay import Overlay
from updog.errors import DataError, StorageError

_PIECE = 1 << 20
_ZEROS = bytes(_PIECE)
_ENDS = 1 << 20
"""The partition table and what may stand beside it lie in the first and the last MiB."""
_FROM_EACH = 12 << 20
"""More than a trial's images, so that there is an old image's rest behind them to be cleared."""


@contextmanager
def private_copy(disk: Path) -> Iterator[tuple[Path, Overlay]]:
    """Copy what a trial needs of a disk into a temporary sparse file.

    That is the partition table, and the beginning of each partition of the sets, 12 MiB at most:
    time and memory then do not depend on how large the disk is. All else reads as zeros.

    Args:
        disk: an image file or a block device.

    Yields:
        The copy, and a disk in memory that lies over it.

    Raises:
        PartitionError: the disk cannot be read, or is not one of ours.
        StorageError: there is no room for the copy.
    """
    with TemporaryDirectory(prefix="updog-crashtest-") as folder:
        copy = Path(folder, disk.name)
        with open_device(Extent(disk), Access.READ) as source:
            size = source.size
            table = read_table(source).table
            refuse_odd_places(table, size, disk)
            filled = _copy(source, copy, _wanted(table, size))
        descriptor = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield copy, Overlay(size, _Sparse(descriptor, filled).read)
        finally:
            os.close(descriptor)


def refuse_odd_places(table: Table, size: int, disk: Path) -> None:
    """Refuse a disk whose table does not lie where `regions` looks for it.

    Writing such a table is fine (`partitions.disk`); only a proof about it would be wrong here.

    Raises:
        DataError: the backup is not at the end of the disk, or the entries are moved.
    """
    header, last = table.header, size // table.sector_size - 1
    at_the_end = max(header.my_lba, header.alternate_lba) == last
    beside = last - array_sectors(header, table.sector_size)
    if not at_the_end or header.entries_lba not in {PRIMARY_LBA + 1, beside}:
        raise DataError(
            f"{disk}: the partition table does not lie at both ends of the disk (grown or moved).",
            hint="Move it with 'sgdisk -e' (and '-j 2') on a copy of the disk, and explore that.",
        )


@dataclass(frozen=True, slots=True)
class _Sparse:
    """Reads a file that is mostly holes, and asks the kernel for the rest only.

    Attributes:
        descriptor: the file.
        filled: numbers of the pieces that are not holes.
    """

    descriptor: int
    filled: frozenset[int]

    def read(self, offset: int, length: int) -> bytes:
        pieces = range(offset // _PIECE, -(-(offset + length) // _PIECE))
        if self.filled.isdisjoint(pieces):
            return _ZEROS[:length] if length <= _PIECE else bytes(length)
        return os.pread(self.descriptor, length, offset)


def _wanted(table: Table, size: int) -> Iterator[Span]:
    unit = table.sector_size
    yield Span(0, min(_ENDS, size))
    yield Span(max(0, size - _ENDS), size)
    for found in with_active(table, Slot.A).sets:
        for number in (found.boot, found.root, found.hash):
            entry = table.entry(number)
            start, end = entry.first_lba * unit, (entry.last_lba + 1) * unit
            yield Span(start, min(end, start + _FROM_EACH))


def _copy(source: BlockIO, target: Path, spans: Iterator[Span]) -> frozenset[int]:
    """Copy spans; return the numbers of the pieces that hold data."""
    try:
        with target.open("xb") as file:
            file.truncate(source.size)
            return frozenset(
                number for span in spans for number in _copy_span(source, file.fileno(), span)
            )
    except OSError as error:
        raise StorageError(
            f"{source.path} cannot be copied to {target.parent}: {error.strerror}.",
            hint="Set TMPDIR to a place with more room.",
        ) from error


def _copy_span(source: BlockIO, target: int, span: Span) -> Iterator[int]:
    at = span.start
    while at < span.end:
        behind = min((at // _PIECE + 1) * _PIECE, span.end)
        piece = source.pread(at, behind - at)
        # What is not written stays a hole.
        if piece != _ZEROS[: len(piece)]:
            os.pwrite(target, piece, at)
            yield at // _PIECE
        at = behind
