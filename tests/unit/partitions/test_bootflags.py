from __future__ import annotations

import pytest

from partitions.bootflags import BootFlags, has_ever_succeeded, with_ever_succeeded

EVERY_BIT = (1 << 64) - 1
FOREIGN = EVERY_BIT & ~(0x1FF << 48)

WORDS = [
    (BootFlags(1, 0, successful=True), 0x0101000000000000),
    (BootFlags(0, 1, successful=False), 0x0010000000000000),
    (BootFlags(2, 1, successful=False), 0x0012000000000000),
    (BootFlags(2, 0, successful=False), 0x0002000000000000),
    (BootFlags(2, 0, successful=True), 0x0102000000000000),
    (BootFlags(15, 15, successful=True), 0x01FF000000000000),
]


@pytest.mark.parametrize(("flags", "word"), WORDS)
def test_flags_make_their_word(flags: BootFlags, word: int) -> None:
    assert flags.apply_to(0) == word


@pytest.mark.parametrize(("flags", "word"), WORDS)
def test_a_word_makes_its_flags(flags: BootFlags, word: int) -> None:
    assert BootFlags.from_attributes(word) == flags


@pytest.mark.parametrize(("flags", "word"), WORDS)
def test_foreign_bits_are_neither_read_nor_changed(flags: BootFlags, word: int) -> None:
    assert BootFlags.from_attributes(word | FOREIGN) == flags
    assert flags.apply_to(EVERY_BIT) == word | FOREIGN


@pytest.mark.parametrize(
    ("flags", "will_boot"),
    [
        (BootFlags(0, 15, successful=True), False),
        (BootFlags(1, 0, successful=False), False),
        (BootFlags(1, 1, successful=False), True),
        (BootFlags(1, 0, successful=True), True),
    ],
)
def test_a_set_boots_with_a_priority_and_either_a_try_or_success(
    flags: BootFlags, *, will_boot: bool
) -> None:
    assert flags.will_boot is will_boot


@pytest.mark.parametrize(("priority", "tries"), [(16, 0), (-1, 0), (0, 16), (0, -1)])
def test_numbers_that_do_not_fit_are_refused(priority: int, tries: int) -> None:
    with pytest.raises(ValueError, match=r"is not in 0\.\.15"):
        BootFlags(priority, tries)


@pytest.mark.parametrize("word", [-1, 1 << 64])
def test_a_word_that_does_not_fit_is_refused(word: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        BootFlags().apply_to(word)


def test_the_memory_of_a_success_is_bit_57_alone() -> None:
    assert with_ever_succeeded(0) == 0x0200000000000000
    assert has_ever_succeeded(0x0200000000000000)
    assert not has_ever_succeeded(EVERY_BIT & ~0x0200000000000000)


def test_flags_print_as_the_status_command_shows_them() -> None:
    assert str(BootFlags(2, 1)) == "priority=2 tries_left=1 successful=false"
    assert str(BootFlags(1, 0, successful=True)) == "priority=1 tries_left=0 successful=true"
