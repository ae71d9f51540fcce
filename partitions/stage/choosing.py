"""Which set the stage takes, try after try, and how long it waits between them. PURE.

The rule is the bootloader's (`partitions.boot.choose_next`). One thing is added that can only be
added by something that sees a set fail: a set that could not be started is passed over for the
rest of this power-on, as long as another one would boot. A proven set with a broken boot partition
therefore does not keep the machine from the other one. Nothing of that is written to the disk; the
tries that were spent are.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from partitions.boot import BootChoice, choose_next
from partitions.bootflags import BootFlags
from partitions.gpt import Table

PAUSES = (0, 1, 2, 4, 8, 16, 30, 30)
"""Seconds before each attempt of one power-on; after the last one the machine is reset.

The reset comes half a minute after the last failure (`LAST_PAUSE`), so a machine with nothing to
boot tries about every two minutes and a half, and a person can read why on the console."""

LAST_PAUSE = 60
"""Seconds before that reset."""


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


def _without(table: Table, numbers: AbstractSet[int]) -> Table:
    """Return the table as it would be if these BOOT partitions could not be booted."""
    for number in sorted(numbers):
        word = BootFlags().apply_to(table.entry(number).attributes)
        table = table.with_entry_attributes(number, word)
    return table
