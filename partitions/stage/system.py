"""The second life of the initramfs, started for one set: open its root and hand over."""

from __future__ import annotations

from typing import NoReturn

from partitions.boot import flags
from partitions.layout import with_active
from partitions.stage.disks import find_disk, set_nodes
from partitions.stage.errors import StageError
from partitions.stage.machine import Machine
from partitions.stage.thismachine import ThisMachine
from partitions.stage.words import Words


def hand_over(words: Words, machine: Machine | None = None) -> NoReturn:
    """Open the root of the set that the command line names, and become its first process.

    A proven set is mounted once for a look before. Its root is opened as `Words.on_corruption`
    says, and dm-verity may then restart the machine without asking us. On trial that is as good as
    any other end: the try is spent. A proven set would come back at once, and again.

    Args:
        words: of the command line.
        machine: whose system it becomes; None takes the one that really runs this.

    Raises:
        PartitionError: a part of the set is not there or not right.
        OSError: the kernel refused a step.
    """
    machine = machine or ThisMachine()
    if words.slot is None:
        raise StageError("the command line does not say which set this kernel was started for")
    if words.watchdog:
        machine.start_watchdog(words.watchdog)
    found = find_disk(words.disk, machine.root)
    partition_set = with_active(found.result.table, words.slot).active_set
    nodes = set_nodes(found.path, partition_set, machine.root)
    if flags(found.result.table, partition_set).successful:
        machine.check_mount(nodes, words)
    machine.become(nodes, words)
