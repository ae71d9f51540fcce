"""The GUID partition table: bytes to values and back, nothing lost on the way.

A table lies on a disk twice. Each copy is one header sector and an array of entries; the header
carries a checksum of itself and one of the array. This module only turns one copy into values and
back. ``partitions.gptcheck`` decides whether a copy may be believed, ``partitions.copies`` how the
two belong together, and ``partitions.disk`` does the reads and writes.

What we do not understand (reserved fields, longer headers, longer entries, the rest of a sector,
unused slots that are not empty) is kept and written back as it was.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, Self

from partitions.errors import GptError
from partitions.guid import NIL, Guid

SIGNATURE = b"EFI PART"
REVISION = 0x00010000
HEADER_BYTES = 92
ENTRY_BYTES = 128
ATTRIBUTE_BITS = 64
PRIMARY_LBA = 1
SECTOR_SIZES = (512, 4096)

_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_HEADER_CRC = slice(16, 20)
_ENTRY = struct.Struct("<16s16sQQQ72s")
_U32 = struct.Struct("<I")


class CopyName(Enum):
    """The two places of a table."""

    PRIMARY = "primary"
    BACKUP = "backup"

    @property
    def other(self) -> CopyName:
        """The other place."""
        return CopyName.BACKUP if self is CopyName.PRIMARY else CopyName.PRIMARY


class Header(NamedTuple):
    """The fields of one header sector, its two checksums left out: they follow from the rest.

    Addresses are in sectors of the disk (LBA).

    Attributes:
        my_lba: where this header lies.
        alternate_lba: where the other header lies.
        first_usable_lba: first sector that partitions may use.
        last_usable_lba: last sector that partitions may use.
        disk_guid: name of the disk.
        entries_lba: first sector of this copy's array of entries.
        entry_count: slots in the array, used or not.
        entry_size: bytes of one slot.
        revision: format revision, 0x00010000 for 1.0.
        reserved: the field after the header checksum, unknown to us.
        extension: header bytes after the 92 that we know, covered by the header checksum.
        remainder: the rest of the sector, covered by no checksum.
    """

    my_lba: int
    alternate_lba: int
    first_usable_lba: int
    last_usable_lba: int
    disk_guid: Guid
    entries_lba: int
    entry_count: int
    entry_size: int
    revision: int = REVISION
    reserved: int = 0
    extension: bytes = b""
    remainder: bytes = b""

    @classmethod
    def from_sector(cls, sector: bytes) -> Self:
        """Take a header sector apart without judging its values.

        Raises:
            GptError: no signature, or a header size that does not fit in the sector.
        """
        if len(sector) < HEADER_BYTES or not sector.startswith(SIGNATURE):
            raise GptError("not a GPT header: it does not begin with 'EFI PART'")
        fields = _HEADER.unpack_from(sector)
        (_, revision, size, _, reserved, mine, other, first, last) = fields[:9]
        (guid, entries_lba, count, entry_size, _) = fields[9:]
        if not HEADER_BYTES <= size <= len(sector):
            raise GptError(f"header size {size} is not in {HEADER_BYTES}..{len(sector)}")
        return cls(
            my_lba=mine,
            alternate_lba=other,
            first_usable_lba=first,
            last_usable_lba=last,
            disk_guid=Guid.from_bytes(guid),
            entries_lba=entries_lba,
            entry_count=count,
            entry_size=entry_size,
            revision=revision,
            reserved=reserved,
            extension=sector[HEADER_BYTES:size],
            remainder=sector[size:],
        )

    def to_sector(self, entries_crc: int) -> bytes:
        """Return the header sector for an array with this checksum, with its own checksum made."""
        fields = _HEADER.pack(
            SIGNATURE,
            self.revision,
            HEADER_BYTES + len(self.extension),
            0,  # the header checksum is taken over a header in which it is zero
            self.reserved,
            self.my_lba,
            self.alternate_lba,
            self.first_usable_lba,
            self.last_usable_lba,
            self.disk_guid.bytes_le,
            self.entries_lba,
            self.entry_count,
            self.entry_size,
            entries_crc,
        )
        header = bytearray(fields + self.extension)
        header[_HEADER_CRC] = _U32.pack(zlib.crc32(header))
        return bytes(header) + self.remainder


class Entry(NamedTuple):
    """One slot of the array.

    Attributes:
        type_guid: what the partition is for; NIL marks an unused slot.
        unique_guid: name of this partition (PARTUUID).
        first_lba: its first sector.
        last_lba: its last sector, inclusive.
        attributes: 64-bit attribute word.
        name_raw: the 72 bytes of the label, as on disk.
        tail: bytes after the 128 that we know, for tables with longer entries.
    """

    type_guid: Guid
    unique_guid: Guid
    first_lba: int
    last_lba: int
    attributes: int = 0
    name_raw: bytes = bytes(72)
    tail: bytes = b""

    @classmethod
    def from_bytes(cls, slot: bytes) -> Self:
        """Take one slot apart; any 128 bytes or more are a slot."""
        kind, unique, first, last, attributes, name = _ENTRY.unpack_from(slot)
        return cls(Guid(kind), Guid(unique), first, last, attributes, name, slot[ENTRY_BYTES:])

    def to_bytes(self) -> bytes:
        """Return the slot as it lies on disk."""
        known = _ENTRY.pack(
            self.type_guid.bytes_le,
            self.unique_guid.bytes_le,
            self.first_lba,
            self.last_lba,
            self.attributes,
            self.name_raw,
        )
        return known + self.tail

    @property
    def used(self) -> bool:
        """Whether the slot describes a partition."""
        return self.type_guid.bytes_le != NIL.bytes_le

    @property
    def name(self) -> str:
        """The label, for people; bytes that are not UTF-16 are shown as replacement marks."""
        return self.name_raw.decode("utf-16-le", errors="replace").split("\0", 1)[0]

    @property
    def sectors(self) -> int:
        """Length of the partition in sectors."""
        return self.last_lba - self.first_lba + 1

    def with_attributes(self, attributes: int) -> Self:
        """Return the entry with another attribute word.

        Raises:
            GptError: the word does not fit in 64 bits.
        """
        if attributes >> ATTRIBUTE_BITS:
            raise GptError(f"attribute word {attributes:#x} does not fit in {ATTRIBUTE_BITS} bits")
        return self._replace(attributes=attributes)


class Table(NamedTuple):
    """One copy of a table as values.

    Attributes:
        sector_size: bytes of a sector, the unit of every address.
        header: the header of this copy.
        entries: every slot, used or not; partition number n is ``entries[n - 1]``.
        padding: the rest of the array's last sector, covered by no checksum.
    """

    sector_size: int
    header: Header
    entries: tuple[Entry, ...]
    padding: bytes = b""

    @classmethod
    def from_bytes(cls, sector: bytes, array: bytes) -> Self:
        """Take one copy apart: its header sector and the sectors of its array.

        The values are not judged; see ``partitions.gptcheck``.

        Raises:
            GptError: the header cannot be read, or the array is shorter than it says.
        """
        header = Header.from_sector(sector)
        size, count = header.entry_size, header.entry_count
        if size < ENTRY_BYTES or size * count > len(array):
            raise GptError(f"{count} entries of {size} bytes do not fit in the {len(array)} read")
        slots = (array[at : at + size] for at in range(0, size * count, size))
        entries = tuple(_entry_of(slot) for slot in slots)
        return cls(len(sector), header, entries, array[size * count :])

    def array(self) -> bytes:
        """Return the sectors of the array as they lie on disk."""
        return self._slots() + self.padding

    def header_sector(self) -> bytes:
        """Return the header sector, both checksums made from the values."""
        return self.header.to_sector(zlib.crc32(self._slots()))

    def _slots(self) -> bytes:
        return b"".join(entry.to_bytes() for entry in self.entries)

    @property
    def array_sectors(self) -> int:
        """Sectors that the array takes."""
        return array_sectors(self.header, self.sector_size)

    def entry(self, number: int) -> Entry:
        """Return the entry of a partition by its number, counted from 1.

        Raises:
            GptError: the table has no such slot.
        """
        if not 1 <= number <= len(self.entries):
            raise GptError(f"the table has no partition {number}; it has {len(self.entries)} slots")
        return self.entries[number - 1]

    def used(self) -> Iterator[tuple[int, Entry]]:
        """Yield number and entry of every partition, in table order."""
        return ((number, entry) for number, entry in enumerate(self.entries, 1) if entry.used)

    def with_entry_attributes(self, number: int, attributes: int) -> Self:
        """Return the table with another attribute word on one partition; all else is kept.

        Raises:
            GptError: the table has no such slot.
        """
        changed = self.entry(number).with_attributes(attributes)
        entries = (*self.entries[: number - 1], changed, *self.entries[number:])
        return self._replace(entries=entries)


@lru_cache(maxsize=1024)
def _entry_of(slot: bytes) -> Entry:
    """Parse a slot once: most slots are empty, and both copies hold the same ones."""
    return Entry.from_bytes(slot)


def array_sectors(header: Header, sector_size: int) -> int:
    """Return how many sectors the array of entries takes."""
    return -(-header.entry_count * header.entry_size // sector_size)


def header_is_sealed(sector: bytes) -> bool:
    """Tell whether the header's checksum of itself is right; its size must have been checked."""
    (_, _, size, stored, *_) = _HEADER.unpack_from(sector)
    header = bytearray(sector[:size])
    header[_HEADER_CRC] = bytes(4)
    return zlib.crc32(header) == int(stored)


def array_is_sealed(sector: bytes, array: bytes) -> bool:
    """Tell whether the header's checksum of the entries is right for this array."""
    (*_, count, size, stored) = _HEADER.unpack_from(sector)
    return zlib.crc32(array[: count * size]) == int(stored)
