"""What may be done to the boot bits, and what the bootloader makes of them.

Each transition takes a table and gives a new one, or raises ``TransitionRefused`` and changes
nothing; the caller writes the result once. Rules common to all (formats 9.4 and 16):

1. A transition that takes something away never leaves a disk that the bootloader would not boot.
   Nothing overrides this.
2. It never takes away the last proven set either, one that is bootable and has booted before.
   ``force`` overrides this where it is offered, as long as rule 1 holds.
3. Bits of other partitions, and attribute bits that are not ours, are kept.

``mark_successful`` takes nothing away and is never refused: the system runs, and saying so must
not fail.

The life of an update, A running, as (priority, tries left, successful)::

                 A        B
    built     (1,0,1)  (0,0,0)
    clear     (1,0,1)  (0,0,0)   B may be overwritten now
    mark_valid         (0,1,0)   B is written and checked, still not chosen
    activate  (1,0,1)  (2,1,0)   B is chosen; cancel goes back to A(2,0,1) B(0,1,0)
    the bootloader     (2,0,0)   spends the try and boots B
    mark_successful    (2,0,1)   without it, the next reset boots A
"""

from __future__ import annotations

from typing import NamedTuple

from partitions.bootflags import MAX_TRIES, BootFlags, has_ever_succeeded, with_ever_succeeded
from partitions.errors import (
    AlreadyMarked,
    BootUnconfirmed,
    LayoutError,
    NotBootable,
    TransitionRefused,
)
from partitions.gpt import Table
from partitions.guid import PartitionType
from partitions.layout import Layout, PartitionSet, Slot, numbers_of

CHOSEN_PRIORITY = 2
FALLBACK_PRIORITY = 1

# The names of commands are put in by whoever shows the refusal: `partitions.errors.Verbs`.
_CONFIRM = "confirm it with '{confirm}'"


def flags(table: Table, partition_set: PartitionSet) -> BootFlags:
    """Return the boot bits of a set."""
    return BootFlags.from_attributes(table.entry(partition_set.boot).attributes)


def ever_succeeded(table: Table, layout: Layout) -> bool:
    """Tell whether any boot from this disk was ever confirmed (PRIVATE, bit 57)."""
    return has_ever_succeeded(table.entry(layout.private).attributes)


def clear(table: Table, layout: Layout, *, force: bool = False) -> Table:
    """Make the inactive set unbootable, so that it may be overwritten.

    Args:
        table: the table.
        layout: its sets.
        force: allow it although the running boot is not confirmed, as long as the bootloader
            would still boot the running set.

    Raises:
        NoInactiveSet: the disk has one set only.
        BootUnconfirmed: the running boot is not confirmed, and ``force`` was not given or does
            not help because no try is left.
        TransitionRefused: nothing would be left to boot.
    """
    inactive = layout.inactive_set
    if not flags(table, layout.active_set).successful and not force:
        raise BootUnconfirmed(
            f"set {layout.active} runs but is not marked successful yet, and clearing set "
            f"{inactive.slot} would leave nothing proven to boot; {_CONFIRM} first"
        )
    after = _with_flags(table, inactive, BootFlags())
    return _still_bootable(table, after, layout, force=force)


def mark_valid(table: Table, layout: Layout, tries: int) -> Table:
    """Give the inactive set its tries: it is completely written and checked.

    Its priority stays as it is, 0 after ``clear``, so the bootloader does not choose it yet.

    Args:
        table: the table.
        layout: its sets.
        tries: 1-15, how often the bootloader may try the set before it is confirmed.

    Raises:
        NoInactiveSet: the disk has one set only.
        TransitionRefused: ``tries`` is out of range.
    """
    if not 1 <= tries <= MAX_TRIES:
        raise TransitionRefused(f"{tries} tries cannot be granted; give 1 to {MAX_TRIES}")
    inactive = layout.inactive_set
    return _with_flags(table, inactive, flags(table, inactive).but(tries_left=tries))


def activate(table: Table, layout: Layout) -> Table:
    """Choose the inactive set for the next boot ("upgrade to inactive").

    Raises:
        NoInactiveSet: the disk has one set only.
        AlreadyMarked: the inactive set is chosen already, or it is an old set that was not
            cleared.
        NotBootable: the inactive set was not marked valid.
    """
    inactive = layout.inactive_set
    theirs = flags(table, inactive)
    if theirs.priority or theirs.successful:
        raise AlreadyMarked(
            f"set {inactive.slot} is already marked ({theirs}); reboot into it, undo with "
            "'{cancel}', or go back to it with '{rollback}'"
        )
    if not theirs.tries_left:
        raise NotBootable(
            f"set {inactive.slot} is not valid ({theirs}); an update has to be written to it first"
        )
    raised = BootFlags(CHOSEN_PRIORITY, theirs.tries_left, successful=False)
    return _swap(table, layout, raised)


def cancel(table: Table, layout: Layout) -> Table:
    """Undo ``activate``: the running set is chosen again, the other keeps its tries.

    Raises:
        NoInactiveSet: the disk has one set only.
        BootUnconfirmed: the running boot is not confirmed, and nothing bootable or nothing proven
            would be left.
    """
    inactive, active = layout.inactive_set, layout.active_set
    lowered = _with_flags(table, inactive, flags(table, inactive).but(priority=0))
    ours = flags(table, active).but(priority=CHOSEN_PRIORITY)
    return _still_bootable(table, _with_flags(lowered, active, ours), layout, force=False)


def rollback(table: Table, layout: Layout) -> Table:
    """Choose the inactive set for the next boot because it has booted before or still may.

    Raises:
        NoInactiveSet: the disk has one set only.
        NotBootable: the bootloader would not boot the inactive set, or it holds an update that
            was never activated.
    """
    inactive = layout.inactive_set
    theirs = flags(table, inactive)
    if not (theirs.successful or theirs.will_boot):
        hint = (
            "it holds an update that was never activated, apply it with '{apply}'"
            if theirs.tries_left
            else "there is nothing to go back to"
        )
        raise NotBootable(f"set {inactive.slot} would not boot ({theirs}); {hint}")
    return _swap(table, layout, theirs.but(priority=CHOSEN_PRIORITY))


def mark_successful(table: Table, layout: Layout) -> Table:
    """Confirm the running boot: the set is proven, and the disk remembers that one ever was."""
    active = layout.active_set
    marked = _with_flags(table, active, flags(table, active).but(successful=True))
    private = marked.entry(layout.private).attributes
    return marked.with_entry_attributes(layout.private, with_ever_succeeded(private))


class BootChoice(NamedTuple):
    """What the bootloader does with a table.

    Attributes:
        table: the table that it leaves behind; the same one if no try is spent.
        number: the BOOT partition that it boots.
        slot: the set of that partition.
        spent_try: whether it takes a try off the set, and so writes the table.
        why: the reason, a sentence for people.
    """

    table: Table
    number: int
    slot: Slot
    spent_try: bool
    why: str


def choose_next(table: Table) -> BootChoice | None:
    """Apply the bootloader's rule (formats 9.7), or return None if it finds nothing to boot.

    Over all BOOT partitions in table order, the winner is the first with the highest priority
    above 0 among those that have a try left or are successful. A try is spent whenever there is
    one, even on a successful set.

    Raises:
        LayoutError: it would boot a third BOOT partition, which belongs to neither set.
    """
    numbers = numbers_of(table, PartitionType.BOOT)
    candidates = [number for number in numbers if _boot_flags(table, number).will_boot]
    if not candidates:
        return None
    # max() keeps the first of equals, which is the bootloader's "strictly greater".
    winner = max(candidates, key=lambda number: _boot_flags(table, number).priority)
    won = _boot_flags(table, winner)
    slot = _slot_of(numbers.index(winner), winner)
    after = table
    if won.tries_left:
        spent = won.but(tries_left=won.tries_left - 1)
        word = spent.apply_to(table.entry(winner).attributes)
        after = table.with_entry_attributes(winner, word)
    return BootChoice(after, winner, slot, bool(won.tries_left), _why(slot, won, len(candidates)))


def next_set(table: Table, layout: Layout) -> Slot | None:
    """Return the set that the bootloader would boot now, or None if it finds none.

    Raises:
        LayoutError: it would boot a partition that belongs to no set of the layout.
    """
    choice = choose_next(table)
    return None if choice is None else layout.set_of(choice.slot).slot


def _boot_flags(table: Table, number: int) -> BootFlags:
    return BootFlags.from_attributes(table.entry(number).attributes)


def _slot_of(position: int, number: int) -> Slot:
    slots = tuple(Slot)
    if position >= len(slots):
        raise LayoutError(
            f"the bootloader would boot partition {number}, a third BOOT partition that belongs to "
            "no set; clear its attribute bits with 'sgdisk -A'"
        )
    return slots[position]


def _why(slot: Slot, won: BootFlags, candidates: int) -> str:
    rank = "the only bootable set" if candidates == 1 else "the first set of highest priority"
    proof = "it is marked successful" if won.successful else "it is not marked successful"
    if not won.tries_left:
        return f"set {slot} is {rank} (priority {won.priority}); {proof}"
    spent = "its last try" if won.tries_left == 1 else f"one of its {won.tries_left} tries"
    return f"set {slot} is {rank} (priority {won.priority}); {proof}; this boot spends {spent}"


def _with_flags(table: Table, partition_set: PartitionSet, wanted: BootFlags) -> Table:
    word = table.entry(partition_set.boot).attributes
    return table.with_entry_attributes(partition_set.boot, wanted.apply_to(word))


def _swap(table: Table, layout: Layout, raised: BootFlags) -> Table:
    """Put the inactive set first and the running one behind it.

    The result always has a bootable set: the callers have checked that the raised one is. The
    running set keeps its tries and its success mark, so it stays the fallback if it was one.
    """
    active = layout.active_set
    behind = flags(table, active).but(priority=FALLBACK_PRIORITY)
    return _with_flags(_with_flags(table, layout.inactive_set, raised), active, behind)


def _still_bootable(before: Table, after: Table, layout: Layout, *, force: bool) -> Table:
    """Return ``after`` if rules 1 and 2 of this module hold for it, else raise."""
    active = flags(before, layout.active_set)
    refusal = BootUnconfirmed if not active.successful else TransitionRefused
    if next_set(after, layout) is None:
        way_out = (
            f"{_CONFIRM} first"
            if not active.successful
            else "raise the running set first with '{cancel}'"
        )
        raise refusal(
            f"this would leave no set that boots: set {layout.active} runs with {active}; {way_out}"
        )
    if not force and _has_proven(before, layout) and not _has_proven(after, layout):
        raise refusal(
            f"this would give up the only set that has proven to boot while set {layout.active} "
            f"runs with {active}; {_CONFIRM} first"
        )
    return after


def _has_proven(table: Table, layout: Layout) -> bool:
    found = (flags(table, each) for each in layout.sets)
    return any(each.successful and each.will_boot for each in found)
