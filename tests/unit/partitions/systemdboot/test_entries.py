from __future__ import annotations

import pytest

from partitions.bootflags import BootFlags
from partitions.slot import Slot
from partitions.systemdboot.entries import (
    EntryName,
    after_start,
    counted_best,
    in_order,
    parse,
    started_first,
    text,
)

STEMS = ("os-a", "os-b")


@pytest.mark.parametrize(
    ("file", "name", "flags"),
    [
        ("os-a-1.conf", EntryName("os-a", 1), BootFlags(1, 0, successful=True)),
        ("os-b-2+3.conf", EntryName("os-b", 2, 3), BootFlags(2, 3)),
        ("os-b-2+0-3.conf", EntryName("os-b", 2, 0, 3), BootFlags(2, 0)),
        ("os-b-0+1.conf", EntryName("os-b", 0, 1), BootFlags(0, 1)),
    ],
)
def test_names_are_read_and_written(file: str, name: EntryName, flags: BootFlags) -> None:
    assert parse(file, STEMS) == name
    assert name.file == file
    assert name.flags == flags


def test_letters_of_either_case_are_the_same() -> None:
    assert parse("OS-A-1.CONF", STEMS) == EntryName("os-a", 1)


@pytest.mark.parametrize(
    "file",
    ["other-1.conf", "os-a.conf", "os-a-1.conf.new", "os-a-1+.conf", "os-a-16.conf", "os-a-1+1-"],
)
def test_other_names_are_not_ours(file: str) -> None:
    assert parse(file, STEMS) is None


def test_more_tries_than_boot_bits_can_hold_count_as_the_most() -> None:
    assert EntryName("os-a", 1, 99).flags.tries_left == 15


def test_the_highest_rank_is_started_and_spent_entries_go_last() -> None:
    spent, chosen, behind = (
        EntryName("os-b", 2, 0, 1),
        EntryName("os-a", 1, 1),
        EntryName("os-a", 0),
    )
    assert in_order([spent, chosen]) == [chosen, spent]
    assert started_first([spent, chosen, behind]) == chosen
    assert started_first([spent, behind]) == spent
    assert started_first([behind]) is None


def test_a_start_spends_a_try_only_where_they_are_counted() -> None:
    assert after_start(EntryName("os-a", 2, 3, 1)) == EntryName("os-a", 2, 2, 2)
    assert after_start(EntryName("os-a", 2)) == EntryName("os-a", 2)
    assert after_start(EntryName("os-a", 2, 0, 3)) == EntryName("os-a", 2, 0, 3)


def test_of_two_entries_of_a_set_the_one_that_starts_counts() -> None:
    old, new = EntryName("os-b", 2, 0, 1), EntryName("os-b", 2)
    assert counted_best([old, new], "os-b") == new
    assert counted_best([old, new], "os-a") is None


def test_the_content_orders_and_names_the_program() -> None:
    lines = text(EntryName("os-b", 2, 1), Slot.B, "/EFI/updog/os-b.efi").splitlines()
    assert lines == ["sort-key updog-13", "title Partition set B", "efi /EFI/updog/os-b.efi"]
