"""What holds for every table, every damage and every power cut."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.boot import choose_next
from partitions.bootflags import BootFlags
from partitions.copies import same_content
from partitions.disk import read_table, write_table
from partitions.errors import GptError, PartitionError
from partitions.gpt import CopyName, Entry, Header, Table
from partitions.gptcheck import Place, array_faults, entry_faults, header_faults
from partitions.guid import Guid
from partitions.layout import Slot
from tests.fakes.gpt_disk import (
    DEVICE_SECTORS,
    PRIVATE,
    backup_of,
    boot_bits,
    disk_with,
    make_table,
    with_boot,
    with_entry,
    with_header,
)
from tests.fakes.memory_disk import Flush, MemoryDisk, Write

pytestmark = pytest.mark.property

SECTOR_SIZES = st.sampled_from([512, 4096])
U32, U64 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)
GUIDS = st.binary(min_size=16, max_size=16).map(Guid)
FLAGS = st.builds(BootFlags, st.integers(0, 15), st.integers(0, 15), successful=st.booleans())
BITS = st.fixed_dictionaries({Slot.A: FLAGS, Slot.B: FLAGS})


@st.composite
def any_tables(draw: st.DrawFn) -> Table:
    """Tables of every shape, sound or not."""
    sector_size = draw(SECTOR_SIZES)
    entry_size = draw(st.sampled_from([128, 256, 512]))
    slots = draw(
        st.lists(
            st.builds(
                Entry,
                type_guid=GUIDS,
                unique_guid=GUIDS,
                first_lba=U64,
                last_lba=U64,
                attributes=U64,
                name_raw=st.binary(min_size=72, max_size=72),
                tail=st.binary(min_size=entry_size - 128, max_size=entry_size - 128),
            ),
            min_size=1,
            max_size=6,
        )
    )
    extension = draw(st.binary(max_size=40))
    rest = sector_size - 92 - len(extension)
    header = Header(
        my_lba=draw(U64),
        alternate_lba=draw(U64),
        first_usable_lba=draw(U64),
        last_usable_lba=draw(U64),
        disk_guid=draw(GUIDS),
        entries_lba=draw(U64),
        entry_count=len(slots),
        entry_size=entry_size,
        revision=draw(U32),
        reserved=draw(U32),
        extension=extension,
        remainder=draw(st.binary(max_size=16)).ljust(rest, b"\0"),
    )
    padding = -len(slots) * entry_size % sector_size
    return Table(
        sector_size,
        header,
        tuple(slots),
        draw(st.binary(max_size=8)).ljust(padding, b"\1")[:padding],
    )


@given(any_tables())
@settings(max_examples=100, deadline=None)
def test_every_table_survives_the_way_to_bytes_and_back(table: Table) -> None:
    assert Table.from_bytes(table.header_sector(), table.array()) == table


@given(st.binary(min_size=128, max_size=128))
@settings(max_examples=100, deadline=None)
def test_every_slot_survives_the_way_to_values_and_back(slot: bytes) -> None:
    assert Entry.from_bytes(slot).to_bytes() == slot


def resealed(sector: bytearray) -> bytes:
    """Make the checksum right, so that the values behind it are reached."""
    size = min(max(int.from_bytes(sector[12:16], "little"), 92), len(sector))
    sector[16:20] = bytes(4)
    sector[16:20] = zlib.crc32(sector[:size]).to_bytes(4, "little")
    return bytes(sector)


HEADER_FIELDS = [
    (8, 4),
    (12, 4),
    (20, 4),
    (24, 8),
    (32, 8),
    (40, 8),
    (48, 8),
    (72, 8),
    (80, 4),
    (84, 4),
]


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """New values for some header fields, near the old ones or wild."""
    fields = draw(st.lists(st.sampled_from(HEADER_FIELDS), min_size=1, max_size=3, unique=True))
    wild = st.one_of(st.integers(0, 300), U64, st.sampled_from([1 << 31, 1 << 32, 1 << 63]))
    return [(at, (draw(wild) % (1 << 8 * size)).to_bytes(size, "little")) for at, size in fields]


@given(mutations(), st.sampled_from(list(CopyName)), SECTOR_SIZES)
@settings(max_examples=300, deadline=None)
def test_a_mutated_header_with_a_right_checksum_never_surprises(
    fields: list[tuple[int, bytes]], name: CopyName, sector_size: int
) -> None:
    table = make_table(sector_size=sector_size)
    table = table if name is CopyName.PRIMARY else backup_of(table)
    sector = bytearray(table.header_sector())
    for at, value in fields:
        sector[at : at + len(value)] = value
    disk = disk_with(make_table(sector_size=sector_size))
    lba = 1 if name is CopyName.PRIMARY else DEVICE_SECTORS - 1
    disk.data[lba * sector_size : (lba + 1) * sector_size] = resealed(sector)
    result = read_table(disk)
    expected = make_table(sector_size=sector_size)
    assert boot_bits(result.table) == boot_bits(expected)
    assert all(offset + length <= disk.size for offset, length in disk.reads)


@given(sector=st.binary(min_size=512, max_size=512), signed=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_sector_at_all_is_judged_without_a_surprise(sector: bytes, *, signed: bool) -> None:
    if signed:
        sector = resealed(bytearray(b"EFI PART\0\0\1\0\x5c\0\0\0" + sector[16:]))
    place = Place(CopyName.PRIMARY, 1, DEVICE_SECTORS)
    assert header_faults(sector, place) or array_faults(sector, bytes(1 << 20))


# Damage.


@given(
    bits=BITS,
    stale=BITS,
    number=st.integers(1, 13),
    first=st.integers(0, DEVICE_SECTORS + 10) | U64,
    length=st.integers(0, DEVICE_SECTORS) | U64,
    twin=st.none() | st.integers(1, 13),
)
@settings(max_examples=200, deadline=None)
def test_any_sealed_primary_is_followed_and_written_only_if_sound(
    bits: dict[Slot, BootFlags],
    stale: dict[Slot, BootFlags],
    number: int,
    first: int,
    length: int,
    twin: int | None,
) -> None:
    table = make_table(bits)
    entry = table.entry(number)
    theirs = entry.unique_guid if twin is None else table.entry(twin).unique_guid
    last = min(first + length, (1 << 64) - 1)
    odd = with_entry(table, number, first_lba=first, last_lba=last, unique_guid=theirs)
    disk = disk_with(odd, backup_of(make_table(stale)))
    result = read_table(disk)
    assert picks(result.table) == picks(table)
    try:
        write_table(disk, result.table)
    except GptError:
        assert result.unsound
        assert disk.writes == []
        return
    assert entry_faults(odd) == ()
    assert read_table(disk).healthy


@st.composite
def damage(draw: st.DrawFn, sectors: range) -> list[tuple[int, int]]:
    """One to 64 bytes, each with what is xored onto it, anywhere in these sectors."""
    at = st.integers(sectors.start * 512, sectors.stop * 512 - 1)
    spots = draw(
        st.one_of(
            st.lists(at, min_size=1, max_size=64, unique=True),
            st.builds(
                lambda start, length: [
                    spot for spot in range(start, start + length) if spot < sectors.stop * 512
                ],
                at,
                st.integers(1, 64),
            ),
        )
    )
    return [(spot, draw(st.integers(1, 255))) for spot in spots]


PRIMARY_SECTORS = range(1, 34)
BACKUP_SECTORS = range(DEVICE_SECTORS - 33, DEVICE_SECTORS)


def in_gpt(write: Write) -> bool:
    first, last = write.offset // 512, (write.offset + len(write.data) - 1) // 512
    return any(first in part and last in part for part in (PRIMARY_SECTORS, BACKUP_SECTORS))


def picks(table: Table) -> tuple[Slot | None, dict[Slot, BootFlags]]:
    choice = choose_next(table)
    return (None if choice is None else choice.slot), boot_bits(table)


@given(BITS, st.one_of(damage(PRIMARY_SECTORS), damage(BACKUP_SECTORS)))
@settings(max_examples=150, deadline=None)
def test_damage_in_one_copy_changes_nothing_and_is_repaired(
    bits: dict[Slot, BootFlags], spots: list[tuple[int, int]]
) -> None:
    table = make_table(bits)
    disk = disk_with(table)
    for at, flip in spots:
        disk.data[at] ^= flip
    result = read_table(disk)
    assert picks(result.table) == picks(table)
    write_table(disk, result.table)
    assert all(in_gpt(write) for write in disk.writes)
    after = read_table(disk)
    assert after.healthy
    assert picks(after.table) == picks(table)


@given(BITS, damage(PRIMARY_SECTORS), damage(BACKUP_SECTORS))
@settings(max_examples=150, deadline=None)
def test_damage_in_both_copies_is_refused_or_changes_nothing(
    bits: dict[Slot, BootFlags],
    primary_spots: list[tuple[int, int]],
    backup_spots: list[tuple[int, int]],
) -> None:
    table = make_table(bits)
    disk = disk_with(table)
    for at, flip in (*primary_spots, *backup_spots):
        disk.data[at] ^= flip
    try:
        result = read_table(disk)
        write_table(disk, result.table)
    except PartitionError:
        assert disk.writes == []
        return
    assert picks(result.table) == picks(table)
    assert all(in_gpt(write) for write in disk.writes)


# Power cuts.


def torn_pieces(write: Write, unit: int) -> Iterator[Write]:
    for at in range(0, len(write.data), unit):
        yield Write(write.offset + at, write.data[at : at + unit])


def after_every_power_cut(start: bytes, disk: MemoryDisk, unit: int) -> Iterator[bytearray]:
    """Every disk that a cut could leave: durable writes, and any subset of the others' sectors."""
    durable = bytearray(start)
    pending: list[Write] = []
    for event in (*disk.log, Flush()):
        if isinstance(event, Write):
            pending.extend(torn_pieces(event, unit))
            continue
        # A piece that says what is there already makes no difference, written or not.
        telling = [w for w in pending if durable[w.offset : w.offset + len(w.data)] != w.data]
        subsets = chain.from_iterable(
            combinations(telling, size) for size in range(len(telling) + 1)
        )
        for subset in subsets:
            left = bytearray(durable)
            for write in subset:
                left[write.offset : write.offset + len(write.data)] = write.data
            yield left
        for write in pending:
            durable[write.offset : write.offset + len(write.data)] = write.data
        pending.clear()


@given(
    old=BITS,
    new=BITS,
    sector_size=SECTOR_SIZES,
    damaged=st.sampled_from([None, *CopyName]),
    stale=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_every_power_cut_during_a_write_leaves_the_old_table_or_the_new(
    old: dict[Slot, BootFlags],
    new: dict[Slot, BootFlags],
    sector_size: int,
    damaged: CopyName | None,
    *,
    stale: bool,
) -> None:
    table = make_table(old, sector_size=sector_size)
    other = make_table({Slot.A: BootFlags(3, 3)}, sector_size=sector_size)
    disk = disk_with(table, backup_of(other if stale and damaged is None else table))
    if damaged is not None:
        lba = 1 if damaged is CopyName.PRIMARY else DEVICE_SECTORS - 1
        disk.data[lba * sector_size + 60] ^= 1
    start = bytes(disk.data)
    wanted = with_boot(read_table(disk).table, new)
    private = wanted.entry(PRIVATE).attributes | 1 << 57
    write_table(disk, wanted.with_entry_attributes(PRIVATE, private))
    outcomes = (boot_bits(table), boot_bits(wanted))
    for left in after_every_power_cut(start, disk, 512):
        cut = MemoryDisk(left)
        found = read_table(cut).table
        assert boot_bits(found) in outcomes
        write_table(cut, found)
        assert read_table(cut).healthy


@given(old=BITS, new=BITS, then=BITS)
@settings(max_examples=25, deadline=None)
def test_a_power_cut_and_then_another_during_the_next_write_leave_a_table(
    old: dict[Slot, BootFlags], new: dict[Slot, BootFlags], then: dict[Slot, BootFlags]
) -> None:
    table = make_table(old)
    disk = disk_with(table)
    start = bytes(disk.data)
    write_table(disk, with_boot(table, new))
    for left in after_every_power_cut(start, disk, 512):
        again = MemoryDisk(bytearray(left))
        found = read_table(again).table
        write_table(again, with_boot(found, then))
        for twice in after_every_power_cut(bytes(left), again, 512):
            assert boot_bits(read_table(MemoryDisk(twice)).table) in (boot_bits(found), then)


@given(old=BITS, new=BITS, then=BITS, killed_after=st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_a_killed_run_leaves_nothing_that_the_next_write_wrongly_leans_on(
    old: dict[Slot, BootFlags],
    new: dict[Slot, BootFlags],
    then: dict[Slot, BootFlags],
    killed_after: int,
) -> None:
    # A killed process leaves its writes in the page cache: the next run sees them, the disk may not
    # have them. So both logs are one to the disk, and every cut through the joined log must do.
    table = make_table(old)
    disk = disk_with(table)
    disk.data[512 + 60] ^= 1  # the worst case: only the backup is whole
    start = bytes(disk.data)
    first = MemoryDisk(bytearray(start))
    write_table(first, with_boot(read_table(first).table, new))
    second = MemoryDisk(bytearray(start))
    for event in first.log[:killed_after]:
        second.flush() if isinstance(event, Flush) else second.pwrite(event.offset, event.data)
    write_table(second, with_boot(read_table(second).table, then))
    for left in after_every_power_cut(start, second, 512):
        assert boot_bits(read_table(MemoryDisk(left)).table) in (old, new, then)


@given(BITS)
@settings(max_examples=50, deadline=None)
def test_the_twin_of_a_table_is_its_equal(bits: dict[Slot, BootFlags]) -> None:
    table = make_table(bits)
    assert same_content(table, backup_of(table))
    assert not same_content(table, with_header(table, reserved=7))
    assert same_content(table, table._replace(padding=b"x"))
