"""The only place where a partition table is read from a disk or written to one.

Reading looks at both copies and says which one it trusts and why. Writing is ordered so that a
power cut at any moment leaves at least one whole copy, with the old content or the new.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from partitions.blockio import BlockIO
from partitions.copies import SeenCopy, backup_fault, same_frame, twin_of
from partitions.errors import DeviceError, GptError
from partitions.findings import BOOT_SECTOR_BYTES, Finding, Look, ReadResult, judge
from partitions.gpt import (
    PRIMARY_LBA,
    SECTOR_SIZES,
    CopyName,
    Header,
    Table,
    array_sectors,
)
from partitions.gptcheck import Place, array_faults, entry_faults, header_faults

__all__ = ["Finding", "ReadResult", "read_table", "repair", "write_table"]


def read_table(io: BlockIO) -> ReadResult:
    """Read both copies and return the one to trust.

    The primary is trusted if its checksums are right, as the bootloader does, even where a whole
    backup says something else (a write was cut between the two). Otherwise the backup, under the
    same condition. Partitions that make no sense (``ReadResult.unsound``) change nothing in that:
    the bootloader does not look at them, and an answer from the other copy would be about a disk
    that is never booted. Such a table can be looked at and not be written.

    Raises:
        GptError: no copy with right checksums; the message says what is wrong with each.
        DeviceError: the device cannot be read.
    """
    _, result = _look(io)
    return result


def write_table(io: BlockIO, table: Table) -> None:
    """Make both copies on the disk say what ``table`` says.

    Only sectors that change are written; on a disk that already says it, none are. Damage in one
    copy is repaired on the way.

    Args:
        io: the whole disk, open for writing.
        table: what ``read_table`` gave, with changes in entries only.

    Raises:
        GptError: the disk has no whole copy, an unsound one that the bootloader follows, or a
            table other than the one that was read; the changed entries fail a check; or there is
            no safe place for the second copy. Nothing has been written.
        DeviceError: the device failed, or read back something else than was written. One whole
            copy, old or new, is still there.
    """
    look, current = _look(io)
    current.require_sound(io.path)
    _refuse_bad(current.table, table)
    twin = twin_of(table, look.untrusted, look.device_sectors)
    # What was just found whole may be whole in the page cache only: an earlier run may have died
    # between its writes and its flush. Everything below leans on the trusted copy being whole on
    # the disk itself.
    io.flush()
    # First the copy that nobody trusts: a damaged primary, or the backup. Whatever a power cut
    # leaves of it, the trusted copy still stands with the old content, and stays the trusted one.
    if look.primary.table is None:
        _restore_primary(io, twin)
    else:
        _write_copy(io, twin)
    # Then the trusted copy. The other one is whole, flushed and read back by now, so a cut in the
    # middle of this falls back to it, and to the new content.
    _write_copy(io, table)


def repair(io: BlockIO) -> ReadResult:
    """Make both copies equal to the trusted one, and return what the disk says after that.

    ``read_table`` before it tells what there was to repair.

    Raises:
        GptError: no whole and sound copy to repair from, no safe place for the other one, or the
            copies still differ afterwards.
        DeviceError: the device failed.
    """
    write_table(io, read_table(io).table)
    after = read_table(io)
    if not after.healthy:
        raise GptError(f"{io.path}: the partition table is still damaged: {after.findings[0]}")
    return after


def _look(io: BlockIO) -> tuple[Look, ReadResult]:
    """Look with the sector size of the device, or with each one possible for an image file."""
    said = []
    for sector_size in SECTOR_SIZES if io.sector_size is None else (io.sector_size,):
        look = _Reader(io, sector_size).look()
        result = judge(look)
        if result is not None:
            return look, result
        said.append(
            f"with sectors of {sector_size} bytes, primary: {look.primary.said}, "
            f"backup: {look.backup.said}"
        )
    raise GptError(
        f"{io.path}: no whole partition table ({'; '.join(said)}). "
        f"{_other_size_hint(io)}Restore it from a backup or make a new one"
    )


def _other_size_hint(io: BlockIO) -> str:
    """Say so if the table was made for another sector size than the device has."""
    for sector_size in SECTOR_SIZES:
        if io.sector_size in (None, sector_size):
            continue
        if _Reader(io, sector_size).look().trusted is not None:
            return (
                f"There is a table for sectors of {sector_size} bytes, but this device has "
                f"sectors of {io.sector_size}: the image was made for another kind of disk. "
            )
    return ""


class _Reader(NamedTuple):
    """Reads copies of a table with one sector size; never outside the device."""

    io: BlockIO
    sector_size: int

    @property
    def device_sectors(self) -> int:
        return self.io.size // self.sector_size

    def look(self) -> Look:
        primary = self._copy(CopyName.PRIMARY, PRIMARY_LBA)
        boot_sector = self.io.pread(0, min(BOOT_SECTOR_BYTES, self.io.size))
        return Look(boot_sector, self.device_sectors, primary, self._backup(primary))

    def _backup(self, primary: SeenCopy) -> SeenCopy:
        if primary.table is not None:
            fault = backup_fault(primary.table, self.device_sectors)
            if fault is not None:
                return SeenCopy(CopyName.BACKUP, None, faults=(fault,))
            return self._copy(CopyName.BACKUP, primary.table.header.alternate_lba)
        # Places worth a look when the primary cannot be trusted. Reading is all that is done with
        # the address of a header that lost its entries; what is found must prove itself.
        last = self.device_sectors - 1
        hinted = last if primary.header is None else primary.header.alternate_lba
        looks = [self._copy(CopyName.BACKUP, lba) for lba in dict.fromkeys((hinted, last))]
        return next((look for look in looks if look.table is not None), looks[-1])

    def _copy(self, name: CopyName, lba: int) -> SeenCopy:
        if not PRIMARY_LBA <= lba < self.device_sectors:
            return SeenCopy(name, None, faults=("the device is too small to hold it",))
        sector = self._sectors(lba, 1)
        faults = header_faults(sector, Place(name, lba, self.device_sectors))
        if faults:
            return SeenCopy(name, lba, faults=faults)
        header = Header.from_sector(sector)
        array = self._sectors(header.entries_lba, array_sectors(header, self.sector_size))
        faults = array_faults(sector, array)
        if faults:
            return SeenCopy(name, lba, header=header, faults=faults)
        table = Table.from_bytes(sector, array)
        return SeenCopy(name, lba, table, header, entry_faults(table))

    def _sectors(self, lba: int, count: int) -> bytes:
        return self.io.pread(lba * self.sector_size, count * self.sector_size)


def _refuse_bad(current: Table, table: Table) -> None:
    """Refuse to write what is not a change of the table on the disk, or is unsound in itself."""
    if not same_frame(current, table):
        raise GptError(
            "the partition table on the disk is not the one that was read before (changed "
            "meanwhile?); nothing was written, read it again"
        )
    faults = entry_faults(table)
    if faults:
        raise GptError(f"the changed partition table is unsound: {faults[0]}; nothing was written")


class _Part(NamedTuple):
    """Bytes of one copy and where they go."""

    start: int
    wanted: bytes
    sector_size: int


def _parts(table: Table) -> tuple[_Part, _Part]:
    """Return array and header of a copy."""
    size = table.sector_size
    return (
        _Part(table.header.entries_lba * size, table.array(), size),
        _Part(table.header.my_lba * size, table.header_sector(), size),
    )


def _write_copy(io: BlockIO, table: Table) -> None:
    """Write one copy while the other one is whole on the disk, make it durable, and prove it.

    Entries come before the header that vouches for them. No flush is needed between the two: a
    header on disk without its entries, or entries without their header, fail the checksum, and
    the other copy, which is whole, is taken.
    """
    array, header = _parts(table)
    entries_changed = _put(io, array)
    header_changed = _put(io, header)
    if entries_changed or header_changed:
        io.flush()
        _prove(io, array, header)


def _restore_primary(io: BlockIO, table: Table) -> None:
    """Write a damaged primary while the backup is whole on the disk.

    Here the header comes first, and alone. The damaged primary may still have the sound header of
    an earlier state whose entries were half replaced when the power was cut. New entries landing
    one by one could complete just that earlier state, and a whole primary is believed before the
    backup: the disk would jump back two steps. Once the new header is durable, the primary stays
    damaged, and the backup trusted, until the last of the new entries is there.
    """
    array, header = _parts(table)
    if _put(io, header):
        io.flush()
    if _put(io, array):
        io.flush()
    _prove(io, array, header)


def _put(io: BlockIO, part: _Part) -> bool:
    """Write the sectors of a part that change; tell whether there were any."""
    changes = list(_changes(io, part))
    for offset, data in changes:
        io.pwrite(offset, data)
    return bool(changes)


def _prove(io: BlockIO, *parts: _Part) -> None:
    """Find out that the device lost a write before the other copy is touched."""
    for part in parts:
        if io.reread(part.start, len(part.wanted)) != part.wanted:
            raise DeviceError(
                f"{io.path}: the partition table reads back differently from what was written at "
                f"byte {part.start}; the other copy is whole. Check the device"
            )


def _changes(io: BlockIO, part: _Part) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of each run of sectors that differs from what is there."""
    wanted, step = part.wanted, part.sector_size
    there = io.pread(part.start, len(wanted))
    run = None
    for at in range(0, len(wanted) + step, step):
        differs = there[at : at + step] != wanted[at : at + step]
        if differs and run is None:
            run = at
        elif not differs and run is not None:
            yield part.start + run, wanted[run:at]
            run = None
