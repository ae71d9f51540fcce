"""Small disks in memory with a real partition table of our thirteen partitions.

The first partition starts at sector 64; nothing but the table is on the disk. Sizes are a few
sectors, so that a whole disk is copied and compared in no time.
"""

from __future__ import annotations

from collections.abc import Mapping

from partitions.bootflags import BootFlags
from partitions.copies import SeenCopy, twin_of
from partitions.gpt import PRIMARY_LBA, CopyName, Entry, Header, Table
from partitions.guid import Guid, PartitionType
from partitions.layout import Layout, Slot, numbers_of, with_active
from tests.fakes.memory_disk import MemoryDisk

BOOT_A, ROOT_A, HASH_A = 3, 4, 5
BOOT_B, ROOT_B, HASH_B = 8, 9, 10
PRIVATE = 12

TYPES = (
    PartitionType.BIOS_BOOT,
    PartitionType.EFI_SYSTEM,
    PartitionType.BOOT,
    PartitionType.ROOT,
    PartitionType.HASH,
    PartitionType.RESERVED,
    PartitionType.EFI_BACKUP,
    PartitionType.BOOT,
    PartitionType.ROOT,
    PartitionType.HASH,
    PartitionType.RESERVED,
    PartitionType.PRIVATE,
    PartitionType.DATA,
)
SINGLE_SET_TYPES = (*TYPES[:5], *TYPES[11:])

FRESH = {Slot.A: BootFlags(1, 0, successful=True), Slot.B: BootFlags()}

FIRST_USABLE = 40
FIRST_PARTITION = 64
PARTITION_SECTORS = 4
DEVICE_SECTORS = 256


def guid(number: int) -> Guid:
    """A made-up GUID, different for each number."""
    return Guid.from_text(f"{number:08x}-1111-4222-8333-0123456789ab")


def entry(number: int, kind: PartitionType) -> Entry:
    """The used entry of a partition; partitions lie one behind the other in table order."""
    first = FIRST_PARTITION + (number - 1) * PARTITION_SECTORS
    return Entry(
        type_guid=kind.guid,
        unique_guid=guid(number),
        first_lba=first,
        last_lba=first + PARTITION_SECTORS - 1,
        name_raw=f"part-{number}".encode("utf-16-le").ljust(72, b"\0"),
    )


EMPTY = Entry.from_bytes(bytes(128))


def make_table(
    boot: Mapping[Slot, BootFlags] | None = None,
    *,
    types: tuple[PartitionType, ...] = TYPES,
    sector_size: int = 512,
    device_sectors: int = DEVICE_SECTORS,
    entry_count: int = 128,
) -> Table:
    """The primary copy of a table with these partitions and boot bits."""
    sectors = -(-entry_count * 128 // sector_size)
    header = Header(
        my_lba=PRIMARY_LBA,
        alternate_lba=device_sectors - 1,
        first_usable_lba=FIRST_USABLE,
        last_usable_lba=device_sectors - 2 - sectors,
        disk_guid=guid(0),
        entries_lba=2,
        entry_count=entry_count,
        entry_size=128,
        remainder=bytes(sector_size - 92),
    )
    used = tuple(entry(number, kind) for number, kind in enumerate(types, 1))
    unused = (EMPTY,) * (entry_count - len(used))
    padding = bytes(sectors * sector_size - entry_count * 128)
    table = Table(sector_size, header, used + unused, padding)
    return with_boot(table, FRESH if boot is None else boot)


def with_boot(table: Table, boot: Mapping[Slot, BootFlags]) -> Table:
    """The table with these boot bits, by set."""
    for slot, number in zip(Slot, numbers_of(table, PartitionType.BOOT), strict=False):
        if slot in boot:
            word = boot[slot].apply_to(table.entry(number).attributes)
            table = table.with_entry_attributes(number, word)
    return table


def boot_bits(table: Table) -> dict[Slot, BootFlags]:
    """The boot bits of each set."""
    numbers = numbers_of(table, PartitionType.BOOT)
    return {
        slot: BootFlags.from_attributes(table.entry(number).attributes)
        for slot, number in zip(Slot, numbers, strict=False)
    }


def layout_of(table: Table, active: Slot = Slot.A) -> Layout:
    """The sets of the table, with this one running."""
    return with_active(table, active)


def with_header(table: Table, **changes: object) -> Table:
    """The table with other header fields."""
    return table._replace(header=table.header._replace(**changes))  # type: ignore[arg-type]


def with_entry(table: Table, number: int, **changes: object) -> Table:
    """The table with other fields in one entry."""
    changed = table.entry(number)._replace(**changes)  # type: ignore[arg-type]
    return table._replace(entries=(*table.entries[: number - 1], changed, *table.entries[number:]))


def backup_of(table: Table, device_sectors: int | None = None) -> Table:
    """The backup copy that belongs to a primary."""
    sectors = device_sectors or table.header.alternate_lba + 1
    return twin_of(table, SeenCopy(CopyName.BACKUP, None), sectors)


def place(data: bytearray, table: Table) -> None:
    """Put one copy where its own header says, whatever it says."""
    size = table.sector_size
    header, array = table.header_sector(), table.array()
    at = table.header.my_lba * size
    data[at : at + size] = header
    at = table.header.entries_lba * size
    data[at : at + len(array)] = array


def protective_mbr() -> bytes:
    """A boot sector that says: this disk has a GPT."""
    sector = bytearray(512)
    sector[446 + 4] = 0xEE
    sector[446 + 8 : 446 + 12] = (1).to_bytes(4, "little")
    sector[446 + 12 : 446 + 16] = (0xFFFFFFFF).to_bytes(4, "little")
    sector[510:] = b"\x55\xaa"
    return bytes(sector)


def disk_with(
    primary: Table,
    backup: Table | None = None,
    *,
    device_sectors: int | None = None,
    native: bool = False,
) -> MemoryDisk:
    """A disk with both copies; without ``backup`` it is the one that belongs to the primary.

    ``native`` gives it the sector size of the table, as a block device has; else it is an image.
    """
    sectors = device_sectors or primary.header.alternate_lba + 1
    data = bytearray(sectors * primary.sector_size)
    data[:512] = protective_mbr()
    place(data, backup or backup_of(primary))
    place(data, primary)
    return MemoryDisk(data, primary.sector_size if native else None)
