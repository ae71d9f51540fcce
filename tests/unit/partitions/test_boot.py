from __future__ import annotations

from collections.abc import Callable

import pytest

from partitions import boot
from partitions.bootflags import BootFlags
from partitions.errors import (
    AlreadyMarked,
    BootUnconfirmed,
    LayoutError,
    NoInactiveSet,
    NotBootable,
    TransitionRefused,
)
from partitions.gpt import Table
from partitions.guid import PartitionType
from partitions.layout import Layout, Slot
from tests.fakes.gpt_disk import (
    BOOT_A,
    BOOT_B,
    PRIVATE,
    SINGLE_SET_TYPES,
    TYPES,
    boot_bits,
    layout_of,
    make_table,
)

A, B = Slot.A, Slot.B
Bits = tuple[int, int, int]

PROVEN: Bits = (1, 0, 1)
CLEAR: Bits = (0, 0, 0)
STAGED: Bits = (0, 1, 0)
CHOSEN: Bits = (2, 1, 0)
TRIED: Bits = (2, 0, 0)

FOREIGN = ~(0x1FF << 48) & ((1 << 64) - 1)


def flags(bits: Bits) -> BootFlags:
    priority, tries, successful = bits
    return BootFlags(priority, tries, successful=bool(successful))


def table(a: Bits, b: Bits = CLEAR) -> Table:
    return make_table({A: flags(a), B: flags(b)})


def bits(of: Table) -> tuple[Bits, ...]:
    return tuple((f.priority, f.tries_left, int(f.successful)) for f in boot_bits(of).values())


def activate(of: Table, active: Slot = A) -> Table:
    return boot.activate(of, layout_of(of, active))


def cancel(of: Table, active: Slot = A) -> Table:
    return boot.cancel(of, layout_of(of, active))


def rollback(of: Table, active: Slot = A) -> Table:
    return boot.rollback(of, layout_of(of, active))


def clear(of: Table, active: Slot = A, *, force: bool = False) -> Table:
    return boot.clear(of, layout_of(of, active), force=force)


def mark_valid(of: Table, active: Slot = A, tries: int = 1) -> Table:
    return boot.mark_valid(of, layout_of(of, active), tries)


def mark_successful(of: Table, active: Slot = A) -> Table:
    return boot.mark_successful(of, layout_of(of, active))


def boots(of: Table) -> tuple[Slot, Table]:
    choice = boot.choose_next(of)
    assert choice is not None
    return choice.slot, choice.table


TWO_SET_TRANSITIONS: list[Callable[[Table, Layout], Table]] = [
    boot.clear,
    lambda table, layout: boot.mark_valid(table, layout, 1),
    boot.activate,
    boot.cancel,
    boot.rollback,
]


# The normal life of formats 9.4, step by step.


def test_an_update_is_staged_activated_booted_and_confirmed() -> None:
    now = table(PROVEN, PROVEN)
    now = clear(now)
    assert bits(now) == (PROVEN, CLEAR)
    now = mark_valid(now)
    assert bits(now) == (PROVEN, STAGED)
    now = activate(now)
    assert bits(now) == (PROVEN, CHOSEN)
    slot, now = boots(now)
    assert (slot, bits(now)) == (B, (PROVEN, TRIED))
    now = mark_successful(now, B)
    assert bits(now) == (PROVEN, (2, 0, 1))
    assert boots(now)[0] is B


def test_an_update_that_does_not_confirm_falls_back() -> None:
    slot, now = boots(table(PROVEN, CHOSEN))
    assert slot is B
    slot, now = boots(now)
    assert slot is A
    assert bits(now) == (PROVEN, TRIED)


def test_an_update_with_three_tries_is_tried_three_times() -> None:
    now = activate(mark_valid(table(PROVEN), tries=3))
    seen = []
    for _ in range(5):
        slot, now = boots(now)
        seen.append(slot)
    assert seen == [B, B, B, A, A]


def test_a_cancelled_update_can_be_activated_again() -> None:
    now = cancel(table(PROVEN, CHOSEN))
    assert bits(now) == ((2, 0, 1), STAGED)
    assert bits(activate(now)) == (PROVEN, CHOSEN)


def test_rollback_goes_back_and_forth() -> None:
    now = rollback(table(PROVEN, (2, 0, 1)), B)
    assert bits(now) == ((2, 0, 1), PROVEN)
    assert bits(rollback(now)) == (PROVEN, (2, 0, 1))


def test_the_second_update_goes_the_other_way() -> None:
    now = activate(mark_valid(clear(table(PROVEN, (2, 0, 1)), B), B), B)
    assert bits(now) == (CHOSEN, PROVEN)


# What is kept.


@pytest.mark.parametrize(
    ("transition", "before"),
    [
        (clear, (PROVEN, PROVEN)),
        (mark_valid, (PROVEN, CLEAR)),
        (activate, (PROVEN, STAGED)),
        (cancel, (PROVEN, CHOSEN)),
        (rollback, (PROVEN, PROVEN)),
        (mark_successful, (TRIED, PROVEN)),
    ],
)
def test_foreign_bits_and_other_partitions_are_kept(
    transition: Callable[[Table], Table], before: tuple[Bits, Bits]
) -> None:
    start = table(*before)
    for number in (BOOT_A, BOOT_B, 1, 13):
        word = start.entry(number).attributes | FOREIGN
        start = start.with_entry_attributes(number, word)
    after = transition(start)
    for number in (BOOT_A, BOOT_B, PRIVATE):
        kept = after.entry(number).attributes & FOREIGN & ~(1 << 57)
        assert kept == start.entry(number).attributes & FOREIGN & ~(1 << 57)
        after = after.with_entry_attributes(number, start.entry(number).attributes)
    assert after == start


def test_mark_valid_changes_tries_alone() -> None:
    assert bits(mark_valid(table(PROVEN, (3, 2, 1)), tries=15)) == (PROVEN, (3, 15, 1))


def test_mark_successful_changes_success_alone() -> None:
    assert bits(mark_successful(table((2, 3, 0), PROVEN))) == ((2, 3, 1), PROVEN)


def test_mark_successful_is_remembered_on_private() -> None:
    before = table(TRIED, PROVEN)
    after = mark_successful(before)
    assert not boot.ever_succeeded(before, layout_of(before))
    assert boot.ever_succeeded(after, layout_of(after))
    assert after.entry(PRIVATE).attributes == 1 << 57


def test_the_memory_of_a_success_outlives_every_transition() -> None:
    now = mark_successful(table(PROVEN, PROVEN))
    for transition in (clear, mark_valid, activate, cancel):
        now = transition(now)
        assert boot.ever_succeeded(now, layout_of(now))


# What is refused.


@pytest.mark.parametrize("transition", TWO_SET_TRANSITIONS)
def test_a_disk_with_one_set_has_nothing_to_change(
    transition: Callable[[Table, Layout], Table],
) -> None:
    single = make_table({A: flags(PROVEN)}, types=SINGLE_SET_TYPES)
    with pytest.raises(NoInactiveSet):
        transition(single, layout_of(single))


def test_a_disk_with_one_set_can_be_marked_successful() -> None:
    single = make_table({A: flags(TRIED)}, types=SINGLE_SET_TYPES)
    assert bits(boot.mark_successful(single, layout_of(single))) == ((2, 0, 1),)


@pytest.mark.parametrize("other", [PROVEN, CLEAR, STAGED, CHOSEN])
def test_nothing_is_cleared_before_the_running_boot_is_confirmed(other: Bits) -> None:
    with pytest.raises(BootUnconfirmed, match="signpost mark-successful-boot"):
        clear(table((2, 1, 0), other))


def test_force_clears_while_another_try_remains() -> None:
    assert bits(clear(table((2, 1, 0), PROVEN), force=True)) == ((2, 1, 0), CLEAR)


@pytest.mark.parametrize("running", [TRIED, (0, 3, 0), CLEAR])
def test_force_does_not_clear_the_last_bootable_set(running: Bits) -> None:
    with pytest.raises(BootUnconfirmed, match="signpost mark-successful-boot"):
        clear(table(running, PROVEN), force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_running_set_without_priority_is_no_fallback(*, force: bool) -> None:
    with pytest.raises(TransitionRefused, match="signpost cancel-upgrade") as refused:
        clear(table((0, 0, 1), PROVEN), force=force)
    assert not isinstance(refused.value, BootUnconfirmed)


def test_the_way_out_that_the_refusal_names_works() -> None:
    ready = cancel(table((0, 0, 1), PROVEN))
    assert bits(clear(ready)) == ((2, 0, 1), CLEAR)


@pytest.mark.parametrize("tries", [-1, 0, 16])
def test_tries_that_cannot_be_granted_are_refused(tries: int) -> None:
    with pytest.raises(TransitionRefused, match="give 1 to 15"):
        mark_valid(table(PROVEN), tries=tries)


@pytest.mark.parametrize("other", [CHOSEN, TRIED, PROVEN, (0, 0, 1), (0, 1, 1), (1, 0, 0)])
def test_a_set_that_is_marked_is_not_activated_again(other: Bits) -> None:
    with pytest.raises(AlreadyMarked, match="set B is already marked"):
        activate(table(PROVEN, other))


def test_a_set_that_is_not_valid_is_not_activated() -> None:
    with pytest.raises(NotBootable, match="set B is not valid"):
        activate(table(PROVEN, CLEAR))


def test_rollback_to_a_cleared_set_is_refused() -> None:
    with pytest.raises(NotBootable, match="nothing to go back to"):
        rollback(table(PROVEN, CLEAR))


def test_rollback_to_a_set_that_failed_its_tries_is_refused() -> None:
    with pytest.raises(NotBootable, match="nothing to go back to"):
        rollback(table(PROVEN, TRIED))


def test_rollback_to_a_staged_update_is_refused_with_the_right_command() -> None:
    with pytest.raises(NotBootable, match="signpost upgrade-to-inactive"):
        rollback(table(PROVEN, STAGED))


@pytest.mark.parametrize(
    ("other", "after"),
    [((0, 0, 1), (2, 0, 1)), ((0, 2, 1), (2, 2, 1)), ((1, 2, 0), (2, 2, 0)), (CHOSEN, CHOSEN)],
)
def test_rollback_takes_any_set_that_has_booted_or_still_may(other: Bits, after: Bits) -> None:
    assert bits(rollback(table(PROVEN, other))) == (PROVEN, after)


def test_an_unconfirmed_boot_may_be_rolled_back() -> None:
    assert bits(rollback(table(PROVEN, TRIED), B)) == ((2, 0, 1), (1, 0, 0))


def test_cancel_does_not_leave_a_set_without_tries_alone() -> None:
    with pytest.raises(BootUnconfirmed, match=r"no set that boots.*mark-successful-boot"):
        cancel(table(PROVEN, TRIED), B)


def test_cancel_does_not_give_up_the_proven_set_for_one_with_tries() -> None:
    with pytest.raises(BootUnconfirmed, match=r"only set that has proven.*mark-successful-boot"):
        cancel(table(PROVEN, (2, 2, 0)), B)


def test_cancel_is_allowed_when_there_was_nothing_proven_to_lose() -> None:
    assert bits(cancel(table((1, 1, 0), CHOSEN))) == (CHOSEN, STAGED)


@pytest.mark.parametrize("running", [CLEAR, TRIED, (0, 0, 1)])
def test_marking_the_running_set_successful_is_never_refused(running: Bits) -> None:
    assert bits(mark_successful(table(running)))[0][2] == 1


# The bootloader's rule.


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        (PROVEN, CLEAR, A),
        (PROVEN, CHOSEN, B),
        (PROVEN, TRIED, A),
        (PROVEN, PROVEN, A),
        ((2, 0, 1), (2, 1, 0), A),
        ((1, 0, 1), (2, 0, 1), B),
        ((15, 0, 0), (1, 0, 1), B),
        ((0, 15, 1), (1, 1, 0), B),
        ((0, 15, 1), (0, 15, 1), None),
        (CLEAR, CLEAR, None),
        (TRIED, TRIED, None),
    ],
)
def test_the_highest_bootable_priority_wins_and_the_earlier_of_equals(
    a: Bits, b: Bits, winner: Slot | None
) -> None:
    of = table(a, b)
    assert boot.next_set(of, layout_of(of)) is winner


def test_a_try_is_spent_even_on_a_successful_set() -> None:
    choice = boot.choose_next(table(CLEAR, (2, 3, 1)))
    assert choice is not None
    assert bits(choice.table)[1] == (2, 2, 1)
    assert choice.spent_try


def test_without_a_try_nothing_is_written() -> None:
    before = table(PROVEN)
    choice = boot.choose_next(before)
    assert choice is not None
    assert choice.table is before
    assert not choice.spent_try


def test_spending_a_try_changes_nothing_else() -> None:
    before = table(PROVEN, CHOSEN)
    word = before.entry(BOOT_B).attributes | FOREIGN
    before = before.with_entry_attributes(BOOT_B, word)
    choice = boot.choose_next(before)
    assert choice is not None
    assert choice.number == BOOT_B
    assert choice.table.entry(BOOT_B).attributes == word - (1 << 52)
    assert choice.table.with_entry_attributes(BOOT_B, word) == before


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (PROVEN, CLEAR, "set A is the only bootable set (priority 1); it is marked successful"),
        (
            PROVEN,
            CHOSEN,
            (
                "set B is the first set of highest priority (priority 2); "
                "it is not marked successful; this boot spends its last try"
            ),
        ),
        (
            CLEAR,
            (2, 3, 0),
            (
                "set B is the only bootable set (priority 2); it is not marked successful; "
                "this boot spends one of its 3 tries"
            ),
        ),
    ],
)
def test_the_choice_says_why(a: Bits, b: Bits, said: str) -> None:
    choice = boot.choose_next(table(a, b))
    assert choice is not None
    assert choice.why == said


def test_a_single_set_is_chosen() -> None:
    single = make_table({A: flags(PROVEN)}, types=SINGLE_SET_TYPES)
    assert boot.next_set(single, layout_of(single)) is A


def with_third_boot(priority: int) -> Table:
    of = make_table(types=(*TYPES, PartitionType.BOOT))
    third = BootFlags(priority, 1).apply_to(0)
    return of.with_entry_attributes(14, third)


def test_a_third_boot_partition_that_would_win_is_refused() -> None:
    with pytest.raises(LayoutError, match="third BOOT partition"):
        boot.choose_next(with_third_boot(3))


def test_a_third_boot_partition_that_loses_does_no_harm() -> None:
    assert boots(with_third_boot(1))[0] is A


def test_a_transition_that_would_leave_the_choice_to_a_third_boot_is_refused() -> None:
    of = with_third_boot(1)
    layout = layout_of(of)
    with pytest.raises(LayoutError, match="third BOOT partition"):
        boot.clear(of.with_entry_attributes(BOOT_A, 1 << 56), layout)


def test_flags_of_a_set_are_those_of_its_boot_partition() -> None:
    of = table(PROVEN, CHOSEN)
    layout = layout_of(of)
    assert boot.flags(of, layout.inactive_set) == flags(CHOSEN)
    assert boot.flags(of, layout.active_set._replace(root=1)) == flags(PROVEN)
