from __future__ import annotations

import pytest

from partitions.errors import LayoutError, NoInactiveSet
from partitions.gpt import Table
from partitions.guid import PartitionType
from partitions.layout import Layout, PartitionSet, Slot, discover, numbers_of, with_active
from tests.fakes.gpt_disk import (
    BOOT_A,
    BOOT_B,
    HASH_B,
    PRIVATE,
    ROOT_A,
    SINGLE_SET_TYPES,
    TYPES,
    make_table,
)

SET_A = PartitionSet(Slot.A, 3, 4, 5)
SET_B = PartitionSet(Slot.B, 8, 9, 10)


def without(kind: PartitionType, *, last: bool = False) -> Table:
    """The table with the first or last partition of a type made something else."""
    positions = [at for at, each in enumerate(TYPES) if each is kind]
    at = positions[-1 if last else 0]
    return make_table(types=(*TYPES[:at], PartitionType.RESERVED, *TYPES[at + 1 :]))


def test_set_a_is_the_first_of_each_type_and_set_b_the_second() -> None:
    assert discover(make_table(), ROOT_A).sets == (SET_A, SET_B)


@pytest.mark.parametrize(
    ("active_partition", "slot"), [(BOOT_A, "A"), (ROOT_A, "A"), (5, "A"), (9, "B"), (HASH_B, "B")]
)
def test_the_active_set_contains_the_active_partition(active_partition: int, slot: str) -> None:
    assert discover(make_table(), active_partition).active == slot


@pytest.mark.parametrize("number", [1, 6, PRIVATE, 13, 99, 0, -1])
def test_a_partition_of_no_set_is_refused(number: int) -> None:
    with pytest.raises(LayoutError, match=rf"partition {number}, .* belongs to no partition set"):
        discover(make_table(), number)


def test_the_private_partition_is_found() -> None:
    assert discover(make_table(), ROOT_A).private == PRIVATE


def test_a_disk_without_private_is_refused() -> None:
    with pytest.raises(LayoutError, match="no PRIVATE partition"):
        discover(without(PartitionType.PRIVATE), ROOT_A)


@pytest.mark.parametrize("kind", [PartitionType.ROOT, PartitionType.HASH])
def test_a_second_set_with_a_part_missing_is_refused(kind: PartitionType) -> None:
    with pytest.raises(LayoutError, match=f"1 {kind.name}"):
        discover(without(kind, last=True), BOOT_A)


def test_a_disk_without_boot_partitions_is_refused() -> None:
    with pytest.raises(LayoutError, match="0 BOOT, 0 ROOT and 0 HASH"):
        with_active(make_table(types=(PartitionType.DATA,)), Slot.A)


def test_one_boot_partition_makes_a_single_set() -> None:
    layout = discover(make_table(types=SINGLE_SET_TYPES), ROOT_A)
    assert layout.single
    assert layout.active_set == SET_A


def test_a_single_set_has_no_inactive_one() -> None:
    layout = with_active(make_table(types=SINGLE_SET_TYPES), Slot.A)
    with pytest.raises(NoInactiveSet, match="one partition set only"):
        _ = layout.inactive_set


def test_a_single_set_cannot_be_set_b() -> None:
    with pytest.raises(LayoutError, match="no set B"):
        with_active(make_table(types=SINGLE_SET_TYPES), Slot.B)


def test_a_further_boot_partition_belongs_to_no_set() -> None:
    layout = with_active(make_table(types=(*TYPES, PartitionType.BOOT)), Slot.A)
    assert layout.sets == (SET_A, SET_B)


@pytest.mark.parametrize(("active", "inactive"), [(Slot.A, SET_B), (Slot.B, SET_A)])
def test_the_inactive_set_is_the_other_one(active: Slot, inactive: PartitionSet) -> None:
    assert with_active(make_table(), active).inactive_set == inactive


def test_the_same_sets_can_be_seen_from_the_other_side() -> None:
    layout = with_active(make_table(), Slot.A)
    assert layout.with_active(Slot.B) == Layout(Slot.B, layout.sets, layout.private)


def test_numbers_follow_the_table_and_not_the_disk() -> None:
    types = (PartitionType.BOOT, PartitionType.DATA, PartitionType.BOOT)
    assert numbers_of(make_table(types=types), PartitionType.BOOT) == (1, 3)


def test_boot_partitions_may_have_any_numbers() -> None:
    table = make_table(types=tuple(reversed(TYPES)))
    layout = with_active(table, Slot.B)
    assert [each.boot for each in layout.sets] == [14 - BOOT_B, 14 - BOOT_A]
