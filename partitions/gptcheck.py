"""Whether one copy of a partition table may be believed.

Each copy is judged alone, from its own bytes, the place where it was read and the size of the
device. Every check that fails is a sentence in the answer; an empty answer means that the copy is
whole. The order matters: a value is only looked at when the checks that make it meaningful have
passed, so that no address of a damaged copy is ever followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from partitions.gpt import (
    ENTRY_BYTES,
    HEADER_BYTES,
    PRIMARY_LBA,
    REVISION,
    SIGNATURE,
    CopyName,
    Entry,
    Header,
    Table,
    array_is_sealed,
    array_sectors,
    header_is_sealed,
)
from partitions.guid import Guid

MAX_ENTRIES = 1024
MAX_ENTRY_BYTES = 4096

_REVISION_FIELD = slice(8, 12)
_SIZE_FIELD = slice(12, 16)


class Place(NamedTuple):
    """Where a copy was read, and on what.

    Attributes:
        name: which copy it should be.
        lba: the sector its header was read from.
        device_sectors: size of the device.
    """

    name: CopyName
    lba: int
    device_sectors: int


def header_faults(sector: bytes, place: Place) -> tuple[str, ...]:
    """Return what is wrong with a header, first by its bytes and then by its values."""
    return _seal_faults(sector) or tuple(_value_faults(sector, place))


def array_faults(sector: bytes, array: bytes) -> tuple[str, ...]:
    """Return what is wrong with the array as bytes, for a header that has no faults."""
    return () if array_is_sealed(sector, array) else ("the checksum of its entries is wrong",)


def entry_faults(table: Table) -> tuple[str, ...]:
    """Return what is wrong with the partitions, for an array that has no faults.

    The writer asks this too, before it puts a changed table on a disk.
    """
    used = list(table.used())
    return (
        *_range_faults(used, table.header),
        *_overlap_faults(used),
        *_name_faults(used),
    )


def _seal_faults(sector: bytes) -> tuple[str, ...]:
    if not sector.startswith(SIGNATURE):
        return ("it does not begin with 'EFI PART'",)
    revision = int.from_bytes(sector[_REVISION_FIELD], "little")
    if revision != REVISION:
        return (f"its revision is {revision:#010x}, not 1.0",)
    size = int.from_bytes(sector[_SIZE_FIELD], "little")
    # A wild size must be caught before the checksum, which is taken over that many bytes.
    if not HEADER_BYTES <= size <= len(sector):
        return (f"its header size {size} is not in {HEADER_BYTES}..{len(sector)}",)
    if not header_is_sealed(sector):
        return ("the checksum of its header is wrong",)
    return ()


def _value_faults(sector: bytes, place: Place) -> Iterator[str]:
    header = Header.from_sector(sector)
    if header.my_lba != place.lba:
        yield f"it says that it is sector {header.my_lba}, but it was read from {place.lba}"
    if place.name is CopyName.BACKUP and header.alternate_lba != PRIMARY_LBA:
        yield f"it looks for the primary at sector {header.alternate_lba}, not {PRIMARY_LBA}"
    # A primary whose alternate address is wild is still whole: the bootloader takes it too. That
    # address is judged where it would be used, in partitions.copies.
    shape = tuple(_shape_faults(header))
    yield from shape
    if not shape:
        yield from _area_faults(header, array_sectors(header, len(sector)), place)


def _shape_faults(header: Header) -> Iterator[str]:
    if not 1 <= header.entry_count <= MAX_ENTRIES:
        yield f"its {header.entry_count} entries are not in 1..{MAX_ENTRIES}"
    steps, rest = divmod(header.entry_size, ENTRY_BYTES)
    power_of_two = steps > 0 and steps & (steps - 1) == 0
    if rest or not power_of_two or header.entry_size > MAX_ENTRY_BYTES:
        yield (
            f"its entry size {header.entry_size} is not {ENTRY_BYTES} times a power of two "
            f"up to {MAX_ENTRY_BYTES}"
        )


def _area_faults(header: Header, array: int, place: Place) -> Iterator[str]:
    first, last = header.first_usable_lba, header.last_usable_lba
    start, end = header.entries_lba, header.entries_lba + array
    if first > last:
        yield f"its usable area {first}..{last} is empty"
    if last >= place.device_sectors:
        yield f"its usable area ends at {last}, but the device has {place.device_sectors} sectors"
    # Primary: header, array, usable area. Backup: usable area, array, header. Held so, the four
    # areas of a disk cannot lie on each other.
    if place.name is CopyName.PRIMARY:
        low, high = PRIMARY_LBA + 1, min(first, place.device_sectors)
    else:
        low, high = last + 1, place.lba
    if start < low or end > high:
        yield f"its entries at {start}..{end - 1} do not lie in {low}..{high - 1}"


def _range_faults(used: Iterable[tuple[int, Entry]], header: Header) -> Iterator[str]:
    first, last = header.first_usable_lba, header.last_usable_lba
    for number, entry in used:
        if not first <= entry.first_lba <= entry.last_lba <= last:
            yield (
                f"partition {number} at {entry.first_lba}..{entry.last_lba} does not lie in the "
                f"usable area {first}..{last}"
            )


def _overlap_faults(used: Iterable[tuple[int, Entry]]) -> Iterator[str]:
    by_start = sorted(used, key=lambda numbered: numbered[1].first_lba)
    for (number, entry), (next_number, following) in pairwise(by_start):
        if following.first_lba <= entry.last_lba:
            yield f"partitions {number} and {next_number} overlap"


def _name_faults(used: Iterable[tuple[int, Entry]]) -> Iterator[str]:
    seen: dict[Guid, int] = {}
    for number, entry in used:
        first = seen.setdefault(entry.unique_guid, number)
        if first != number:
            yield f"partitions {first} and {number} have the same GUID {entry.unique_guid}"
