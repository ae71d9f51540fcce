"""What there is to know about the boot side of a machine, as values."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from partitions.blockio import Extent
from partitions.bootflags import BootFlags
from partitions.slot import Slot


class SetExtents(NamedTuple):
    """Where the bytes of one partition set lie.

    Attributes:
        slot: name of the set.
        boot: its BOOT partition.
        root: its ROOT partition.
        hash: its HASH partition.
    """

    slot: Slot
    boot: Extent
    root: Extent
    hash: Extent


class SetStatus(NamedTuple):
    """One partition set, for people.

    Attributes:
        slot: its name.
        boot: node of its BOOT partition; ``disk.img#3`` for partition 3 of an image file.
        root: the same for ROOT.
        hash: the same for HASH.
        flags: its boot bits.
    """

    slot: Slot
    boot: str
    root: str
    hash: str
    flags: BootFlags


class BootStatus(NamedTuple):
    """The state of the boot side.

    Attributes:
        disk: the disk that was read.
        sets: A, or A and B.
        active: the set that the system runs from.
        next: the set that the bootloader would boot now; None if it finds none.
        ever_succeeded: whether any boot from this disk was ever confirmed.
        healthy: whether the partition table needs no repair.
        notes: what deserves attention, one sentence each.
    """

    disk: Path
    sets: tuple[SetStatus, ...]
    active: Slot
    next: Slot | None
    ever_succeeded: bool
    healthy: bool
    notes: tuple[str, ...]

    @property
    def confirmed(self) -> bool:
        """Whether the running boot is marked successful."""
        return self.flags(self.active).successful

    def flags(self, slot: Slot) -> BootFlags:
        """Return the boot bits of a set.

        Raises:
            KeyError: the disk has no such set.
        """
        return {each.slot: each.flags for each in self.sets}[slot]


class NextBoot(NamedTuple):
    """What the bootloader would do now.

    Attributes:
        slot: the set that it would boot; None if none.
        why: the reason, a sentence.
    """

    slot: Slot | None
    why: str
