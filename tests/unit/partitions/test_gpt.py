from __future__ import annotations

import pytest

from partitions.errors import GptError
from partitions.gpt import CopyName, Entry, Header, Table
from tests.fakes.gpt_disk import BOOT_A, EMPTY, make_table, with_entry, with_header


def reread(table: Table) -> Table:
    return Table.from_bytes(table.header_sector(), table.array())


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_table_survives_the_way_to_bytes_and_back(sector_size: int) -> None:
    table = make_table(sector_size=sector_size)
    assert reread(table) == table


def test_the_first_bytes_are_those_of_the_format() -> None:
    sector = make_table().header_sector()
    assert sector[:16] == b"EFI PART" + bytes.fromhex("00000100 5c000000")
    assert sector[24:32] == (1).to_bytes(8, "little")
    assert len(sector) == 512


def test_unknown_header_fields_are_kept() -> None:
    table = with_header(
        make_table(), reserved=0xDEAD, extension=b"later revision", remainder=b"\x11" * 406
    )
    again = reread(table)
    assert again.header.reserved == 0xDEAD
    assert again.header.extension == b"later revision"
    assert again.header.remainder == b"\x11" * 406


def test_longer_entries_keep_their_tails() -> None:
    table = with_header(make_table(entry_count=4, types=()), entry_size=256)
    entries = tuple(EMPTY._replace(tail=bytes([n]) * 128) for n in range(4))
    table = table._replace(entries=entries)
    assert reread(table) == table


def test_what_follows_the_last_entry_is_kept() -> None:
    table = make_table(entry_count=17)._replace(padding=b"\x22" * 384)
    assert table.array_sectors == 5
    assert reread(table).padding == b"\x22" * 384


def test_an_unused_slot_that_is_not_empty_is_kept() -> None:
    slot = bytes(16) + b"\x33" * 112
    assert not Entry.from_bytes(slot).used
    assert Entry.from_bytes(slot).to_bytes() == slot


def test_partitions_are_numbered_from_one_and_unused_slots_are_left_out() -> None:
    table = with_entry(make_table(), 2, type_guid=EMPTY.type_guid)
    assert [number for number, _ in table.used()] == [1, *range(3, 14)]


@pytest.mark.parametrize("number", [-1, 0, 129])
def test_a_number_outside_the_table_is_refused(number: int) -> None:
    with pytest.raises(GptError, match=f"no partition {number}; it has 128 slots"):
        make_table().entry(number)


def test_new_attributes_change_one_entry_and_nothing_else() -> None:
    before = make_table()
    after = before.with_entry_attributes(BOOT_A, 0x8000000000000001)
    assert after.entry(BOOT_A).attributes == 0x8000000000000001
    assert after.with_entry_attributes(BOOT_A, before.entry(BOOT_A).attributes) == before


@pytest.mark.parametrize("word", [-1, 1 << 64])
def test_attributes_that_do_not_fit_are_refused(word: int) -> None:
    with pytest.raises(GptError, match="64 bits"):
        make_table().with_entry_attributes(BOOT_A, word)


def test_a_label_is_shown_up_to_its_end() -> None:
    assert make_table().entry(BOOT_A).name == "part-3"


def test_a_label_that_fills_its_field_is_shown() -> None:
    assert EMPTY._replace(name_raw="x".encode("utf-16-le") * 36).name == "x" * 36


def test_a_label_that_is_not_text_is_shown_with_marks_and_kept() -> None:
    raw = b"\x00\xd8".ljust(72, b"\0")
    entry = EMPTY._replace(name_raw=raw)
    assert entry.name == "\N{REPLACEMENT CHARACTER}"
    assert entry.to_bytes()[56:] == raw


def test_the_length_of_a_partition_includes_its_last_sector() -> None:
    assert make_table().entry(BOOT_A).sectors == 4


@pytest.mark.parametrize("sector", [b"", b"EFI PART", bytes(512)])
def test_bytes_without_a_header_are_refused(sector: bytes) -> None:
    with pytest.raises(GptError, match="EFI PART"):
        Header.from_sector(sector)


@pytest.mark.parametrize("size", [0, 91, 513, 0xFFFFFFFF])
def test_a_header_size_outside_the_sector_is_refused(size: int) -> None:
    sector = bytearray(make_table().header_sector())
    sector[12:16] = size.to_bytes(4, "little")
    with pytest.raises(GptError, match="header size"):
        Header.from_sector(bytes(sector))


def test_an_array_shorter_than_the_header_says_is_refused() -> None:
    table = make_table()
    with pytest.raises(GptError, match="do not fit"):
        Table.from_bytes(table.header_sector(), table.array()[:-1])


def test_entries_too_short_to_be_entries_are_refused() -> None:
    table = with_header(make_table(), entry_size=64)
    with pytest.raises(GptError, match="do not fit"):
        Table.from_bytes(table.header_sector(), table.array())


def test_each_copy_knows_the_other() -> None:
    assert CopyName.PRIMARY.other is CopyName.BACKUP
    assert CopyName.BACKUP.other is CopyName.PRIMARY
