"""Which partitions make up the two sets of a disk, and which set is the running one.

A set is a BOOT, a ROOT and a HASH partition. Set A is the first of each in table order, set B the
second (formats 9.3). A disk with one of each has set A only.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from partitions.errors import LayoutError, NoInactiveSet
from partitions.gpt import Table
from partitions.guid import PartitionType
from partitions.slot import Slot

__all__ = [
    "Layout",
    "PartitionSet",
    "Slot",
    "discover",
    "numbers_of",
    "with_active",
]


class PartitionSet(NamedTuple):
    """One set; the members are partition numbers, counted from 1.

    Attributes:
        slot: its name.
        boot: carries the kernel and the boot bits.
        root: carries the root file system.
        hash: carries the dm-verity tree of the root.
    """

    slot: Slot
    boot: int
    root: int
    hash: int

    def __contains__(self, number: object) -> bool:
        return number in (self.boot, self.root, self.hash)


class Layout(NamedTuple):
    """The sets of a disk and the running one.

    Attributes:
        active: name of the set that the system runs from.
        sets: A, or A and B.
        private: number of the PRIVATE partition, which remembers whether any boot has succeeded.
    """

    active: Slot
    sets: tuple[PartitionSet, ...]
    private: int

    @property
    def single(self) -> bool:
        """Whether the disk has one set only, so that nothing can be updated in place."""
        return len(self.sets) == 1

    @property
    def active_set(self) -> PartitionSet:
        """The set that the system runs from."""
        return self.set_of(self.active)

    @property
    def inactive_set(self) -> PartitionSet:
        """The other set.

        Raises:
            NoInactiveSet: the disk has one set only.
        """
        if self.single:
            raise NoInactiveSet(
                "this disk has one partition set only, so nothing can be updated in place; "
                "write a new disk image instead"
            )
        return self.set_of(self.active.other)

    def set_of(self, slot: Slot) -> PartitionSet:
        """Return a set by its name.

        Raises:
            LayoutError: the disk has no such set.
        """
        for candidate in self.sets:
            if candidate.slot is slot:
                return candidate
        raise LayoutError(f"the disk has no set {slot}; it has one partition set only")

    def with_active(self, slot: Slot) -> Self:
        """Return the same sets with another one as the running one.

        Raises:
            LayoutError: the disk has no such set.
        """
        self.set_of(slot)
        return self._replace(active=slot)


def discover(table: Table, active_partition: int) -> Layout:
    """Find the sets, and the active one by a partition that it contains.

    Args:
        table: a sound table.
        active_partition: number of a partition that the system runs from: its root, or the hash
            partition of its dm-verity root.

    Raises:
        LayoutError: the disk is not one of ours, or the partition belongs to no set.
    """
    sets, private = _sets(table), _private(table)
    for candidate in sets:
        if active_partition in candidate:
            return Layout(candidate.slot, sets, private)
    raise LayoutError(
        f"partition {active_partition}, which the system runs from, belongs to no partition set "
        f"({_listed(sets)}); name disk and active set in the configuration"
    )


def with_active(table: Table, slot: Slot) -> Layout:
    """Find the sets, with the active one given by name.

    Raises:
        LayoutError: the disk is not one of ours, or has no such set.
    """
    return Layout(Slot.A, _sets(table), _private(table)).with_active(slot)


def numbers_of(table: Table, kind: PartitionType) -> tuple[int, ...]:
    """Return the numbers of the partitions of one type, in table order."""
    return tuple(number for number, entry in table.used() if entry.type_guid == kind.guid)


def _sets(table: Table) -> tuple[PartitionSet, ...]:
    boots, roots, hashes = (
        numbers_of(table, kind)
        for kind in (PartitionType.BOOT, PartitionType.ROOT, PartitionType.HASH)
    )
    wanted = 1 if len(boots) == 1 else 2
    if not boots or len(roots) < wanted or len(hashes) < wanted:
        raise LayoutError(
            f"the disk has {len(boots)} BOOT, {len(roots)} ROOT and {len(hashes)} HASH partitions; "
            "a partition set needs one of each. Is it the right disk?"
        )
    return tuple(PartitionSet(*parts) for parts in zip(Slot, boots, roots, hashes, strict=False))


def _private(table: Table) -> int:
    numbers = numbers_of(table, PartitionType.PRIVATE)
    if not numbers:
        raise LayoutError(
            "the disk has no PRIVATE partition, so it cannot remember that a boot has succeeded. "
            "Is it the right disk?"
        )
    return numbers[0]


def _listed(sets: tuple[PartitionSet, ...]) -> str:
    return ", ".join(f"{each.slot}: {each.boot} {each.root} {each.hash}" for each in sets)
