"""The boot stage's choice, for any bits and any failures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.boot import choose_next
from partitions.bootflags import BootFlags
from partitions.gpt import Table
from partitions.layout import Slot
from partitions.stage.choosing import Way, after_failed_hand_over, choose
from partitions.stage.words import image_command_line, next_command_line, parse
from tests.fakes.gpt_disk import BOOT_A, BOOT_B, boot_bits, guid, make_table

pytestmark = pytest.mark.property

NUMBERS = {Slot.A: BOOT_A, Slot.B: BOOT_B}
FLAGS = st.builds(BootFlags, st.integers(0, 15), st.integers(0, 15), successful=st.booleans())
TABLES = st.builds(lambda a, b: make_table({Slot.A: a, Slot.B: b}), FLAGS, FLAGS)
FAILED = st.frozensets(st.sampled_from(sorted(NUMBERS.values())))
WORDS = st.lists(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=9).filter(
        lambda word: not word.startswith(("updog.", "#")) and word != "--"
    ),
    min_size=1,
    max_size=9,
)


@given(TABLES, FAILED)
@settings(max_examples=300)
def test_nothing_but_a_try_of_the_chosen_set_is_ever_written(
    table: Table, failed: frozenset[int]
) -> None:
    choice = choose(table, failed)
    if choice is None:
        return
    before, after = boot_bits(table), boot_bits(choice.table)
    won = before[choice.slot]
    spent = won.but(tries_left=won.tries_left - 1) if choice.spent_try else won
    assert after == {**before, choice.slot: spent}
    assert choice.spent_try == (won.tries_left > 0)


@given(TABLES, FAILED)
@settings(max_examples=300)
def test_a_machine_that_can_boot_something_else_does(table: Table, failed: frozenset[int]) -> None:
    choice = choose(table, failed)
    others = [
        slot
        for slot, flags in boot_bits(table).items()
        if flags.will_boot and NUMBERS[slot] not in failed
    ]
    if others:
        assert choice is not None
        assert choice.slot in others
    assert (choice is None) == (choose_next(table) is None)


def tries_on(table: Table) -> int:
    return sum(flags.tries_left for flags in boot_bits(table).values())


@given(TABLES)
@settings(max_examples=300)
def test_where_no_root_can_be_opened_resets_that_come_soon_run_out_with_the_tries(
    table: Table,
) -> None:
    """Power-on after power-on, until a reset comes late or nothing is left that would boot."""
    for _ in range(tries_on(table) + 1):
        choice = choose(table, frozenset())
        if choice is None:
            return
        way = after_failed_hand_over(choice.table, choice.slot)
        if way is Way.OTHER_SET:
            choice = choose(choice.table, {NUMBERS[choice.slot]})
            assert choice is not None
            way = after_failed_hand_over(choice.table, choice.slot)
            assert way is not Way.OTHER_SET
        if way is Way.LATE_RESET:
            return
        assert tries_on(choice.table) < tries_on(table)
        table = choice.table
    pytest.fail("a reset came soon, and no try was spent")


@given(WORDS, st.sampled_from(Slot))
@settings(max_examples=200)
def test_what_an_image_says_arrives_behind_what_the_stage_says(
    words: list[str], slot: Slot
) -> None:
    image = image_command_line(" ".join(words).encode())
    line = next_command_line(image, guid(1), slot)
    assert line.split()[2:] == words
    said = parse(line)
    assert (said.slot, said.disk) == (slot, guid(1))
