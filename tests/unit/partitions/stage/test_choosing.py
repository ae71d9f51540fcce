from __future__ import annotations

import pytest

from partitions.boot import choose_next
from partitions.bootflags import BootFlags
from partitions.gpt import Table
from partitions.layout import Slot
from partitions.stage.choosing import (
    LAST_PAUSE,
    PAUSES,
    SHORT_PAUSE,
    Way,
    after_failed_hand_over,
    choose,
)
from tests.fakes.gpt_disk import BOOT_A, BOOT_B, boot_bits, make_table

PROVEN = BootFlags(1, 0, successful=True)
CHOSEN = BootFlags(2, 1)
NOTHING: frozenset[int] = frozenset()


def table(a: BootFlags, b: BootFlags) -> Table:
    return make_table({Slot.A: a, Slot.B: b})


@pytest.mark.parametrize("a", [PROVEN, BootFlags(1, 2), BootFlags(), BootFlags(3, 1)])
@pytest.mark.parametrize("b", [BootFlags(), CHOSEN, BootFlags(2, 0, successful=True)])
def test_before_anything_failed_it_is_the_rule_of_the_bootloader(
    a: BootFlags, b: BootFlags
) -> None:
    assert choose(table(a, b), NOTHING) == choose_next(table(a, b))


def test_a_set_that_failed_is_passed_over() -> None:
    choice = choose(table(PROVEN, CHOSEN), {BOOT_B})
    assert choice is not None
    assert choice.slot is Slot.A


def test_the_one_that_failed_keeps_its_bits_on_the_disk() -> None:
    before = table(BootFlags(1, 3), BootFlags(2, 2, successful=True))
    choice = choose(before, {BOOT_B})
    assert choice is not None
    assert boot_bits(choice.table) == {
        Slot.A: BootFlags(1, 2),
        Slot.B: BootFlags(2, 2, successful=True),
    }


def test_even_a_proven_set_that_cannot_be_loaded_is_passed_over() -> None:
    choice = choose(table(PROVEN, BootFlags(2, 0, successful=True)), {BOOT_B})
    assert choice is not None
    assert (choice.slot, choice.spent_try) == (Slot.A, False)


def test_if_nothing_else_would_boot_it_is_taken_again() -> None:
    both = table(PROVEN, BootFlags(2, 0, successful=True))
    choice = choose(both, {BOOT_A, BOOT_B})
    assert choice is not None
    assert choice.slot is Slot.B


def test_tries_that_are_spent_stay_spent() -> None:
    choice = choose(table(BootFlags(), BootFlags(2, 1)), {BOOT_B})
    assert choice is not None
    assert boot_bits(choice.table)[Slot.B] == BootFlags(2, 0)


def test_nothing_to_boot_is_nothing() -> None:
    assert choose(table(BootFlags(), BootFlags(2, 0)), NOTHING) is None


def test_pauses_grow_and_never_spin() -> None:
    assert PAUSES[0] == 0
    assert list(PAUSES) == sorted(PAUSES)
    assert all(pause >= 1 for pause in PAUSES[1:])
    assert max(PAUSES) <= LAST_PAUSE
    assert 1 <= SHORT_PAUSE < LAST_PAUSE


SECOND = BootFlags(1, 0, successful=True)
FIRST = BootFlags(2, 0, successful=True)


@pytest.mark.parametrize(
    ("a", "b", "way"),
    [
        (SECOND, BootFlags(2, 0), Way.RESET),  # on trial, its last try spent
        (SECOND, BootFlags(2, 2), Way.RESET),  # on trial, with tries left
        (BootFlags(), BootFlags(2, 0), Way.RESET),
        (SECOND, FIRST, Way.OTHER_SET),
        (BootFlags(1, 1), FIRST, Way.OTHER_SET),  # the other is on trial
        (SECOND, BootFlags(2, 3, successful=True), Way.OTHER_SET),  # proven, with tries
        (BootFlags(), FIRST, Way.LATE_RESET),  # no other set
        (BootFlags(1, 0), FIRST, Way.LATE_RESET),  # the other has failed
        (FIRST, SECOND, Way.LATE_RESET),  # this one was the replacement
    ],
)
def test_what_follows_when_the_root_of_b_cannot_be_opened(
    a: BootFlags, b: BootFlags, way: Way
) -> None:
    assert after_failed_hand_over(table(a, b), Slot.B) is way


def test_a_set_that_nothing_would_boot_any_more_is_reset_late() -> None:
    gone = table(BootFlags(), BootFlags(0, 0, successful=True))
    assert after_failed_hand_over(gone, Slot.B) is Way.LATE_RESET
