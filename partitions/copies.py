"""How the two copies of a partition table belong together.

Which one is trusted, whether they say the same, where the other one has to be, and what it must
hold. Pure decisions on values; ``partitions.disk`` does what they say.
"""

from __future__ import annotations

from typing import NamedTuple

from partitions.errors import GptError
from partitions.gpt import PRIMARY_LBA, CopyName, Header, Table

FIRST_ARRAY_LBA = 2
"""Where every known tool and bootloader puts the primary's array unless told otherwise."""


class SeenCopy(NamedTuple):
    """What a look at one copy gave.

    Attributes:
        name: which copy.
        lba: the sector of its header; None if no sector for it is known.
        table: its values, if its header tells the truth about itself and both checksums are
            right. That is what a bootloader asks, so it is what decides whom to follow; whether
            the partitions in it make sense is told by ``faults``.
        header: its header if that alone is whole, even where its entries are not.
        faults: the checks that failed; none for a whole copy.
    """

    name: CopyName
    lba: int | None
    table: Table | None = None
    header: Header | None = None
    faults: tuple[str, ...] = ()

    @property
    def whole(self) -> Table | None:
        """Its values, if and only if every check passed."""
        return None if self.faults else self.table

    @property
    def said(self) -> str:
        """What is wrong with it, in one clause."""
        return "; ".join(self.faults)


def same_content(one: Table, other: Table) -> bool:
    """Tell whether two copies describe the same disk in the same state."""
    return _content(one) == _content(other)


def same_frame(one: Table, other: Table) -> bool:
    """Tell whether two values of the same copy differ in nothing but their entries."""
    return _frame(one) == _frame(other)


def _frame(table: Table) -> tuple[int, Header, bytes, list[int]]:
    slots = [len(entry.tail) for entry in table.entries]
    return table.sector_size, table.header, table.padding, slots


def _content(table: Table) -> Table:
    """Drop what may differ between the copies: their places, and bytes that no checksum covers."""
    header = table.header._replace(my_lba=0, alternate_lba=0, entries_lba=0, remainder=b"")
    return table._replace(header=header, padding=b"")


def twin_of(trusted: Table, other: SeenCopy, device_sectors: int) -> Table:
    """Return what the copy that is not trusted must become, place included.

    Every address comes from the trusted copy or from the format itself and is held inside the
    device and outside the area that partitions may use. The one thing taken from the other copy,
    and only if that passed all of its own checks, is where its array lies and the bytes that no
    checksum covers.

    Args:
        trusted: the table that is to be on disk, with the header of the trusted copy.
        other: the copy to be replaced, as it was seen.
        device_sectors: size of the device.

    Raises:
        GptError: there is no safe place for the other copy.
    """
    if other.name is CopyName.BACKUP:
        lba, entries_lba = _backup_place(trusted, other.whole, device_sectors)
    else:
        lba, entries_lba = PRIMARY_LBA, _primary_array(trusted, other)
    header = trusted.header._replace(
        my_lba=lba,
        alternate_lba=trusted.header.my_lba,
        entries_lba=entries_lba,
    )
    return _with_own_leftovers(trusted._replace(header=header), other.whole)


def _with_own_leftovers(twin: Table, own: Table | None) -> Table:
    """Keep the bytes that no checksum covers as the copy itself has them, where they still fit."""
    if own is None:
        return twin
    header, padding = twin.header, twin.padding
    if len(own.header.remainder) == len(header.remainder):
        header = header._replace(remainder=own.header.remainder)
    if len(own.padding) == len(padding):
        padding = own.padding
    return twin._replace(header=header, padding=padding)


def backup_fault(primary: Table, device_sectors: int) -> str | None:
    """Say why the backup cannot be where the whole primary says; None if it can."""
    lba = primary.header.alternate_lba
    if lba >= device_sectors:
        return f"its place, sector {lba}, lies outside the device of {device_sectors} sectors"
    if lba - primary.array_sectors <= primary.header.last_usable_lba:
        return (
            f"its place, sector {lba}, leaves no room for its entries behind the usable area, "
            f"which ends at {primary.header.last_usable_lba}"
        )
    return None


def _backup_place(primary: Table, own: Table | None, device_sectors: int) -> tuple[int, int]:
    fault = backup_fault(primary, device_sectors)
    if fault is not None:
        raise GptError(
            f"the backup partition table cannot be written: {fault}. Without a second copy a power "
            "cut would lose the table. Move it with 'sgdisk --move-second-header' and try again"
        )
    lba = primary.header.alternate_lba
    latest = lba - primary.array_sectors
    if own is not None and primary.header.last_usable_lba < own.header.entries_lba <= latest:
        return lba, own.header.entries_lba
    return lba, latest


def _primary_array(backup: Table, primary: SeenCopy) -> int:
    if primary.header is not None and primary.header.entries_lba != FIRST_ARRAY_LBA:
        # A moved array (room for a boot loader behind the header). Its place is known only to a
        # copy that failed a check, so it is not followed; and sector 2 may hold that boot loader.
        raise GptError(
            "the primary partition table is damaged and its entries did not stand at sector "
            f"{FIRST_ARRAY_LBA}, so it cannot be restored safely. Restore it by hand with "
            "'gdisk' (recovery menu, 'b')"
        )
    end = FIRST_ARRAY_LBA + backup.array_sectors
    if end > backup.header.first_usable_lba:
        raise GptError(
            f"the primary partition table is damaged and its entries do not fit before the usable "
            f"area, which begins at sector {backup.header.first_usable_lba}. Restore it by hand "
            "with 'gdisk' (recovery menu, 'b')"
        )
    return FIRST_ARRAY_LBA
