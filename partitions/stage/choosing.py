"""Which set the stage takes, try after try, and how long it waits between them. PURE.

The rule is the bootloader's (`partitions.boot.choose_next`). One thing is added that can only be
added by something that sees a set fail: a set that could not be started is passed over for the
rest of this power-on, as long as another one would boot. A proven set with a broken boot partition
therefore does not keep the machine from the other one. Nothing of that is written to the disk; the
tries that were spent are.

The same holds one step later, when the kernel of a set runs and cannot open its root
(`after_failed_hand_over`). Nothing but the table outlives a reset, and the table is not ours to
change, so everything is decided from what it says.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import Enum, auto

from partitions.boot import BootChoice, choose_next, flags
from partitions.bootflags import BootFlags
from partitions.gpt import Table
from partitions.layout import with_active
from partitions.slot import Slot

PAUSES = (0, 1, 2, 4, 8, 16, 30, 30)
"""Seconds before each attempt of one power-on; after the last one the machine is reset.

The reset comes half a minute after the last failure (`LAST_PAUSE`), so a machine with nothing to
boot tries about every two minutes and a half, and a person can read why on the console."""

LAST_PAUSE = 60
"""Seconds before that reset."""

SHORT_PAUSE = 5
"""Seconds before a reset that leads on, because a try is spent each time."""


class Way(Enum):
    """What follows when the kernel of a set could not open its root."""

    RESET = auto()
    """A reset soon: the try that was spent brings the machine nearer to its other set."""
    OTHER_SET = auto()
    """The other set is started from here: a reset would lead to the same failure for ever."""
    LATE_RESET = auto()
    """A reset after a long pause: nothing else is left that could be tried."""


def choose(table: Table, passed_over: AbstractSet[int]) -> BootChoice | None:
    """Return what to boot now, or None if no set would.

    Args:
        table: what is on the disk.
        passed_over: numbers of BOOT partitions that failed in this power-on. If nothing else
            would boot, they are taken again.

    Returns:
        The choice; its table differs from ``table`` by the try that it spends only.

    Raises:
        LayoutError: the choice belongs to neither set.
    """
    choice = choose_next(_without(table, passed_over))
    if choice is None:
        return choose_next(table)
    word = choice.table.entry(choice.number).attributes
    return choice._replace(table=table.with_entry_attributes(choice.number, word))


def after_failed_hand_over(table: Table, slot: Slot) -> Way:
    """Say what to do for a set whose kernel runs, and whose root cannot be opened.

    Args:
        table: what is on the disk.
        slot: the set.

    Returns:
        What brings the machine up if anything does. There are at most as many resets in a row that
        come soon as tries on the disk, and the other set is started at most once a power-on.

    Raises:
        LayoutError: the table has no such set, or the choice belongs to none.
    """
    failed = with_active(table, slot).active_set
    if not flags(table, failed).successful:
        return Way.RESET
    first = choose_next(table)
    if first is None or first.number != failed.boot:
        # It was itself started because the first choice had failed.
        return Way.LATE_RESET
    other = choose(table, {failed.boot})
    if other is None or other.number == failed.boot:
        return Way.LATE_RESET
    return Way.OTHER_SET


def _without(table: Table, numbers: AbstractSet[int]) -> Table:
    """Return the table as it would be if these BOOT partitions could not be booted."""
    for number in sorted(numbers):
        word = BootFlags().apply_to(table.entry(number).attributes)
        table = table.with_entry_attributes(number, word)
    return table
