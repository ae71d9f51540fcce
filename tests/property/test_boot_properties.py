"""What holds for every state of the boot bits and every sequence of commands and boots."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions import boot
from partitions.bootflags import BootFlags, has_ever_succeeded
from partitions.errors import TransitionRefused
from partitions.gpt import Table
from partitions.layout import Layout, Slot
from tests.fakes.gpt_disk import PRIVATE, boot_bits, layout_of, make_table

pytestmark = pytest.mark.property

FLAGS = st.builds(BootFlags, st.integers(0, 15), st.integers(0, 15), successful=st.booleans())
# Small numbers are where sets tie and run out.
NEAR = st.builds(BootFlags, st.integers(0, 3), st.integers(0, 2), successful=st.booleans())
ANY_FLAGS = st.one_of(FLAGS, NEAR)
BITS = st.fixed_dictionaries({Slot.A: ANY_FLAGS, Slot.B: ANY_FLAGS})
SLOTS = st.sampled_from(list(Slot))

Transition = Callable[[Table, Layout], Table]
SAFE: dict[str, Transition] = {
    "clear": boot.clear,
    "valid 1": lambda table, layout: boot.mark_valid(table, layout, 1),
    "valid 3": lambda table, layout: boot.mark_valid(table, layout, 3),
    "activate": boot.activate,
    "cancel": boot.cancel,
    "rollback": boot.rollback,
    "successful": boot.mark_successful,
}
FORCED: dict[str, Transition] = {
    **SAFE,
    "forced clear": lambda table, layout: boot.clear(table, layout, force=True),
}


def proven(table: Table) -> bool:
    return any(each.successful and each.will_boot for each in boot_bits(table).values())


def bootable(table: Table) -> bool:
    return boot.choose_next(table) is not None


@given(BITS, SLOTS, st.sampled_from(sorted(SAFE)))
@settings(max_examples=400, deadline=None)
def test_no_transition_gives_up_the_last_proven_set(
    bits: dict[Slot, BootFlags], active: Slot, name: str
) -> None:
    table = make_table(bits)
    try:
        after = SAFE[name](table, layout_of(table, active))
    except TransitionRefused:
        return
    assert proven(after) or not proven(table)


@given(BITS, SLOTS, st.sampled_from(sorted(FORCED)))
@settings(max_examples=400, deadline=None)
def test_no_transition_makes_a_bootable_disk_unbootable_even_if_forced(
    bits: dict[Slot, BootFlags], active: Slot, name: str
) -> None:
    table = make_table(bits)
    try:
        after = FORCED[name](table, layout_of(table, active))
    except TransitionRefused:
        return
    assert bootable(after) or not bootable(table)


@given(BITS, SLOTS, st.sampled_from(["clear", "forced clear", "activate", "cancel", "rollback"]))
@settings(max_examples=400, deadline=None)
def test_what_takes_away_or_chooses_always_ends_with_a_bootable_disk(
    bits: dict[Slot, BootFlags], active: Slot, name: str
) -> None:
    table = make_table(bits)
    try:
        after = FORCED[name](table, layout_of(table, active))
    except TransitionRefused:
        return
    assert bootable(after)


def refusal(name: str, table: Table, active: Slot) -> str:
    try:
        FORCED[name](table, layout_of(table, active))
    except TransitionRefused as refused:
        return str(refused)
    return ""


@given(BITS, SLOTS, st.sampled_from(sorted(FORCED)))
@settings(max_examples=200, deadline=None)
def test_the_way_out_that_a_refusal_names_leads_out(
    bits: dict[Slot, BootFlags], active: Slot, name: str
) -> None:
    table = make_table(bits)
    if "signpost mark-successful-boot" in refusal(name, table, active):
        confirmed = boot.mark_successful(table, layout_of(table, active))
        assert "signpost mark-successful-boot" not in refusal(name, confirmed, active)


@st.composite
def lives(draw: st.DrawFn) -> list[str]:
    return draw(st.lists(st.sampled_from([*sorted(SAFE), "boot", "boot"]), max_size=30))


@given(lives())
@settings(max_examples=300, deadline=None)
def test_no_life_loses_the_last_proven_set(life: list[str]) -> None:
    table, active = make_table(), Slot.A
    for step in life:
        if step == "boot":
            choice = boot.choose_next(table)
            assert choice is not None
            table, active = choice.table, choice.slot
            continue
        try:
            table = SAFE[step](table, layout_of(table, active))
        except TransitionRefused:
            continue
    assert proven(table)


@given(lives())
@settings(max_examples=100, deadline=None)
def test_only_boot_bits_ever_change(life: list[str]) -> None:
    start = make_table()
    table, active = start, Slot.A
    for step in life:
        try:
            if step == "boot":
                choice = boot.choose_next(table)
                assert choice is not None
                table, active = choice.table, choice.slot
            else:
                table = SAFE[step](table, layout_of(table, active))
        except TransitionRefused:
            continue
    for number, entry in start.used():
        word = table.entry(number).attributes
        table = table.with_entry_attributes(number, word & ~(0x3FF << 48))
        start = start.with_entry_attributes(number, entry.attributes & ~(0x3FF << 48))
    assert table == start


@given(BITS)
@settings(max_examples=200, deadline=None)
def test_booting_again_and_again_settles(bits: dict[Slot, BootFlags]) -> None:
    table = make_table(bits)
    # Thirty tries at most are on the disk, each boot spends one or the choice is final.
    for _ in range(31):
        choice = boot.choose_next(table)
        if choice is None or not choice.spent_try:
            break
        table = choice.table
    final = boot.choose_next(table)
    assert final is None or not final.spent_try


@given(BITS)
@settings(max_examples=200, deadline=None)
def test_tries_never_grow_by_themselves(bits: dict[Slot, BootFlags]) -> None:
    table = make_table(bits)
    choice = boot.choose_next(table)
    after = bits if choice is None else boot_bits(choice.table)
    spent = 0 if choice is None else int(choice.spent_try)
    assert sum(f.tries_left for f in after.values()) + spent == sum(
        f.tries_left for f in bits.values()
    )


def grubs_rule(bits: dict[Slot, BootFlags]) -> Slot | None:
    """The loop of formats 9.7, word for word, to hold the other wording against."""
    best, winner = 0, None
    for slot in Slot:
        each = bits[slot]
        if (each.tries_left > 0 or each.successful) and each.priority > best:
            best, winner = each.priority, slot
    return winner


@given(BITS)
@settings(max_examples=400, deadline=None)
def test_the_choice_is_that_of_the_bootloaders_loop(bits: dict[Slot, BootFlags]) -> None:
    table = make_table(bits)
    assert boot.next_set(table, layout_of(table)) is grubs_rule(bits)


@given(BITS, SLOTS)
@settings(max_examples=100, deadline=None)
def test_the_memory_of_a_success_is_set_by_confirming_alone(
    bits: dict[Slot, BootFlags], active: Slot
) -> None:
    table = make_table(bits)
    for name, transition in FORCED.items():
        try:
            after = transition(table, layout_of(table, active))
        except TransitionRefused:
            continue
        assert has_ever_succeeded(after.entry(PRIVATE).attributes) is (name == "successful")


@given(BITS, SLOTS)
@settings(max_examples=200, deadline=None)
def test_activate_then_cancel_leaves_the_update_ready(
    bits: dict[Slot, BootFlags], active: Slot
) -> None:
    table = make_table(bits)
    layout = layout_of(table, active)
    try:
        activated = boot.activate(table, layout)
        cancelled = boot.cancel(activated, layout)
    except TransitionRefused:
        return
    inactive = layout.inactive_set
    assert boot.flags(cancelled, inactive) == boot.flags(table, inactive)
    assert boot.flags(boot.activate(cancelled, layout), inactive) == boot.flags(activated, inactive)
