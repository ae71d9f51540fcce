"""Each check of one copy, by a copy that fails that check and no other."""

from __future__ import annotations

import zlib

import pytest

from partitions.gpt import CopyName, Table
from partitions.gptcheck import Place, array_faults, entry_faults, header_faults
from tests.fakes.gpt_disk import (
    BOOT_A,
    DEVICE_SECTORS,
    EMPTY,
    ROOT_A,
    backup_of,
    guid,
    make_table,
    with_entry,
    with_header,
)

PRIMARY = Place(CopyName.PRIMARY, 1, DEVICE_SECTORS)
BACKUP = Place(CopyName.BACKUP, DEVICE_SECTORS - 1, DEVICE_SECTORS)


def faults(table: Table, place: Place = PRIMARY) -> str:
    sector = table.header_sector()
    found = header_faults(sector, place) or array_faults(sector, table.array())
    return " / ".join(found or entry_faults(table))


def primary_with(**changes: object) -> str:
    return faults(with_header(make_table(), **changes))


def backup_with(**changes: object) -> str:
    return faults(with_header(backup_of(make_table()), **changes), BACKUP)


def patched(at: int, value: bytes, *, sealed: bool = True) -> bytes:
    """A header sector with other bytes, and a right checksum all the same."""
    sector = bytearray(make_table().header_sector())
    sector[at : at + len(value)] = value
    if sealed:
        sector[16:20] = bytes(4)
        sector[16:20] = zlib.crc32(sector[:92]).to_bytes(4, "little")
    return bytes(sector)


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_whole_primary_has_no_faults(sector_size: int) -> None:
    assert faults(make_table(sector_size=sector_size)) == ""


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_whole_backup_has_no_faults(sector_size: int) -> None:
    assert faults(backup_of(make_table(sector_size=sector_size)), BACKUP) == ""


def test_the_signature_is_checked() -> None:
    assert header_faults(patched(0, b"EFI PARX"), PRIMARY) == ("it does not begin with 'EFI PART'",)


def test_the_revision_is_checked() -> None:
    assert "0x00020000, not 1.0" in header_faults(patched(8, b"\0\0\2\0"), PRIMARY)[0]


@pytest.mark.parametrize("size", [0, 91, 513, 0xFFFFFFFF])
def test_the_header_size_is_checked_before_it_is_used(size: int) -> None:
    sector = patched(12, size.to_bytes(4, "little"), sealed=False)
    assert header_faults(sector, PRIMARY) == (f"its header size {size} is not in 92..512",)


def test_the_checksum_of_the_header_is_checked() -> None:
    sector = patched(56, b"\xff", sealed=False)
    assert header_faults(sector, PRIMARY) == ("the checksum of its header is wrong",)


def test_bytes_behind_the_header_are_under_no_checksum() -> None:
    assert header_faults(patched(92, b"\xff", sealed=False), PRIMARY) == ()


def test_the_checksum_covers_a_longer_header() -> None:
    table = with_header(make_table(), extension=b"more", remainder=bytes(416))
    sector = bytearray(table.header_sector())
    assert header_faults(bytes(sector), PRIMARY) == ()
    sector[93] ^= 1
    assert header_faults(bytes(sector), PRIMARY) == ("the checksum of its header is wrong",)


def test_a_header_must_lie_where_it_says() -> None:
    assert "says that it is sector 2, but it was read from 1" in primary_with(my_lba=2)


def test_a_backup_must_know_where_the_primary_is() -> None:
    assert "looks for the primary at sector 2" in backup_with(alternate_lba=2)


@pytest.mark.parametrize("lba", [0, 1, 50, DEVICE_SECTORS, 1 << 63])
def test_a_primary_with_a_wild_address_of_the_backup_is_whole(lba: int) -> None:
    assert primary_with(alternate_lba=lba) == ""


@pytest.mark.parametrize("count", [0, 1025, 0xFFFFFFFF])
def test_the_number_of_entries_is_bounded(count: int) -> None:
    assert primary_with(entry_count=count) == f"its {count} entries are not in 1..1024"


@pytest.mark.parametrize("size", [0, 1, 64, 127, 129, 384, 8192, 0x80000000, 0xFFFFFFFF])
def test_the_entry_size_is_a_bounded_power_of_two_times_128(size: int) -> None:
    assert primary_with(entry_size=size) == (
        f"its entry size {size} is not 128 times a power of two up to 4096"
    )


def test_the_usable_area_must_not_be_empty() -> None:
    assert "usable area 41..40 is empty" in primary_with(first_usable_lba=41, last_usable_lba=40)


@pytest.mark.parametrize("last", [DEVICE_SECTORS, (1 << 64) - 1])
def test_the_usable_area_must_end_inside_the_device(last: int) -> None:
    assert f"ends at {last}, but the device has 256 sectors" in primary_with(last_usable_lba=last)


@pytest.mark.parametrize("lba", [0, 1, 9, 100, DEVICE_SECTORS, (1 << 64) - 1])
def test_the_primarys_entries_lie_between_its_header_and_the_usable_area(lba: int) -> None:
    assert "do not lie in 2..39" in primary_with(entries_lba=lba)


@pytest.mark.parametrize("lba", [0, 1, 2, 100, 222, 224, 255, DEVICE_SECTORS, (1 << 64) - 1])
def test_the_backups_entries_lie_between_the_usable_area_and_its_header(lba: int) -> None:
    assert "do not lie in 223..254" in backup_with(entries_lba=lba)


def test_a_backup_inside_its_own_usable_area_is_refused() -> None:
    assert "do not lie in" in backup_with(last_usable_lba=DEVICE_SECTORS - 1)


def test_the_checksum_of_the_entries_is_checked() -> None:
    table = make_table()
    array = bytearray(table.array())
    array[-1] ^= 0x80
    assert array_faults(table.header_sector(), bytes(array)) == (
        "the checksum of its entries is wrong",
    )


def test_bytes_behind_the_last_entry_are_under_no_checksum() -> None:
    table = make_table(entry_count=17)
    array = bytearray(table.array())
    array[-1] ^= 0x80
    assert array_faults(table.header_sector(), bytes(array)) == ()


@pytest.mark.parametrize(
    ("first", "last"), [(39, 70), (200, 223), (70, 69), (0, 0), (1 << 63, (1 << 64) - 1)]
)
def test_a_partition_lies_in_the_usable_area(first: int, last: int) -> None:
    table = with_entry(make_table(), BOOT_A, first_lba=first, last_lba=last)
    assert f"partition 3 at {first}..{last} does not lie in the usable area 40..222" in faults(
        table
    )


def test_partitions_at_both_ends_of_the_usable_area_are_fine() -> None:
    table = with_entry(make_table(), 1, first_lba=40, last_lba=40)
    assert faults(with_entry(table, 13, first_lba=222, last_lba=222)) == ""


def test_partitions_must_not_overlap_even_by_one_sector() -> None:
    boot = make_table().entry(BOOT_A)
    table = with_entry(make_table(), ROOT_A, first_lba=boot.last_lba)
    assert faults(table) == "partitions 3 and 4 overlap"


def test_a_partition_inside_another_overlaps_it_whatever_the_order() -> None:
    table = with_entry(make_table(), 13, first_lba=60, last_lba=70)
    assert "partitions 13 and 1 overlap" in faults(table)


def test_partitions_must_have_guids_of_their_own() -> None:
    table = with_entry(make_table(), ROOT_A, unique_guid=guid(BOOT_A))
    assert faults(table) == f"partitions 3 and 4 have the same GUID {guid(BOOT_A)}"


def test_unused_slots_are_not_judged() -> None:
    table = with_entry(make_table(), 100, unique_guid=guid(BOOT_A), first_lba=70, last_lba=1)
    assert not table.entry(100).used
    assert faults(table) == ""


def test_every_fault_of_the_entries_is_told() -> None:
    table = with_entry(make_table(), ROOT_A, unique_guid=guid(BOOT_A), first_lba=1, last_lba=300)
    assert len(entry_faults(table)) == 3


def test_an_empty_table_is_sound() -> None:
    table = make_table()
    for number, _ in table.used():
        table = with_entry(table, number, type_guid=EMPTY.type_guid)
    assert faults(table) == ""
