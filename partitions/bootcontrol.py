"""What the agent asks of the boot side of a machine, and the answer for GPT boot bits.

``BootControl`` is the seam: another boot loader gets another implementation, and nothing above
changes. ``GptBootControl`` is the one for GRUB with gptprio (formats 9): every method opens the
disk, reads the table, works out the change in memory, and writes once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from partitions import boot
from partitions.blockio import Access, BlockIO, DeviceOpener, Extent
from partitions.bootstatus import BootStatus, NextBoot, SetExtents, SetStatus
from partitions.device import open_device
from partitions.disk import read_table, repair, write_table
from partitions.errors import DiscoveryError
from partitions.findings import ReadResult
from partitions.gpt import Table
from partitions.layout import Layout, PartitionSet, Slot, discover, with_active
from partitions.sysfs import Located

__all__ = [
    "BootControl",
    "BootStatus",
    "GptBootControl",
    "NextBoot",
    "SetExtents",
    "SetStatus",
]

_Transition: TypeAlias = Callable[[Table, Layout], Table]


class BootControl(Protocol):
    """Boot bits of two partition sets, as the agent sees them.

    Every method may raise ``partitions.errors.PartitionError``; one that refuses has changed
    nothing.
    """

    def status(self) -> BootStatus:
        """Read everything, change nothing."""
        ...

    def clear_inactive(self, *, force: bool = False) -> None:
        """Make the inactive set unbootable; durable when this returns."""
        ...

    def mark_inactive_valid(self, tries: int) -> None:
        """Give the inactive set ``tries`` boots, without choosing it yet."""
        ...

    def activate(self) -> None:
        """Choose the inactive, valid set for the next boot."""
        ...

    def cancel(self) -> None:
        """Undo ``activate``."""
        ...

    def rollback(self) -> None:
        """Choose the inactive set, which must be bootable, for the next boot."""
        ...

    def mark_successful(self) -> None:
        """Confirm the running boot."""
        ...

    def has_ever_succeeded(self) -> bool:
        """Tell whether any boot from this disk was ever confirmed."""
        ...

    def active_set(self) -> SetExtents:
        """Where the running set lies."""
        ...

    def inactive_set(self) -> SetExtents:
        """Where the set to be written lies."""
        ...


class GptBootControl:
    """Boot control by GPT attribute bits, on a disk or an image file.

    Attributes:
        located: the disk, and what is known about the running set. If neither its name nor one of
            its partitions is known (an image file without ``active``), the set that the
            bootloader would boot next counts as the running one.
        open_device: opens the disk; a test gives its own.
    """

    def __init__(self, located: Located, open_device: DeviceOpener = open_device) -> None:
        self.located = located
        self.open_device = open_device

    def status(self) -> BootStatus:
        """Read everything, change nothing."""
        result, layout = self._look()
        return BootStatus(
            disk=self.located.disk,
            sets=tuple(self._set_status(result.table, each) for each in layout.sets),
            active=layout.active,
            next=boot.next_set(result.table, layout),
            ever_succeeded=boot.ever_succeeded(result.table, layout),
            healthy=result.healthy,
            notes=_notes(result),
        )

    def clear_inactive(self, *, force: bool = False) -> None:
        """Make the inactive set unbootable; see ``partitions.boot.clear`` for ``force``."""
        self._change(lambda table, layout: boot.clear(table, layout, force=force))

    def mark_inactive_valid(self, tries: int) -> None:
        """Give the inactive set ``tries`` boots; see ``partitions.boot.mark_valid``."""
        self._change(lambda table, layout: boot.mark_valid(table, layout, tries))

    def activate(self) -> None:
        """Choose the inactive set for the next boot; see ``partitions.boot.activate``."""
        self._change(boot.activate)

    def cancel(self) -> None:
        """Undo ``activate``; see ``partitions.boot.cancel``."""
        self._change(boot.cancel)

    def rollback(self) -> None:
        """Choose the inactive set again; see ``partitions.boot.rollback``."""
        self._change(boot.rollback)

    def mark_successful(self) -> None:
        """Confirm the running boot; see ``partitions.boot.mark_successful``."""
        self._change(boot.mark_successful)

    def rewrite_table(self) -> None:
        """Write the table as it is; this repairs a damaged copy."""
        with self._open(Access.WRITE_SHARED) as io:
            write_table(io, read_table(io).table)

    def repair(self) -> ReadResult:
        """Make both copies of the table whole and equal, whatever the sets look like.

        Returns:
            What was found before the repair.
        """
        with self._open(Access.WRITE_SHARED) as io:
            before = read_table(io)
            repair(io)
        return before

    def has_ever_succeeded(self) -> bool:
        """Tell whether any boot from this disk was ever confirmed."""
        table = self._table()
        return boot.ever_succeeded(table, with_active(table, Slot.A))

    def next_boot(self) -> NextBoot:
        """Say which set the bootloader would boot now, and why; nothing is written."""
        table = self._table()
        with_active(table, Slot.A)  # only to refuse a disk that is not one of ours
        choice = boot.choose_next(table)
        if choice is None:
            return NextBoot(None, "no set has a priority above 0 and a try left or a success mark")
        return NextBoot(choice.slot, choice.why)

    def active_set(self) -> SetExtents:
        """Where the running set lies."""
        result, layout = self._look()
        return self._extents(result.table, layout.active_set)

    def inactive_set(self) -> SetExtents:
        """Where the set to be written lies.

        Raises:
            NoInactiveSet: the disk has one set only.
            GptError: the table is unsound, so these bytes may belong to another partition too.
        """
        result, layout = self._look()
        result.require_sound(self.located.disk)
        return self._extents(result.table, layout.inactive_set)

    def _look(self) -> tuple[ReadResult, Layout]:
        with self._open(Access.READ) as io:
            result = self._read(io)
        return result, self._layout(result.table)

    def _table(self) -> Table:
        """Read the table for a question that does not depend on which set runs."""
        with self._open(Access.READ) as io:
            return self._read(io).table

    def _change(self, transition: _Transition) -> None:
        # One open for reading and writing: the lock is held from the look to the write, so no
        # other run can come between them.
        with self._open(Access.WRITE_SHARED) as io:
            table = self._read(io).table
            self._write(io, transition(table, self._layout(table)))

    def _read(self, io: BlockIO) -> ReadResult:
        """The table with the boot bits; another backend keeps those somewhere else."""
        return read_table(io)

    def _write(self, io: BlockIO, table: Table) -> None:
        """Keep the boot bits of a table."""
        write_table(io, table)

    def _layout(self, table: Table) -> Layout:
        if self.located.active is not None:
            return with_active(table, self.located.active)
        if self.located.active_partition is not None:
            return discover(table, self.located.active_partition)
        layout = with_active(table, Slot.A)
        booting = boot.next_set(table, layout)
        if booting is None:
            raise DiscoveryError(
                f"no set of {self.located.disk} would boot, so none can be taken for the running"
                " one; say which it is with --active, or 'active' in the configuration"
            )
        return layout.with_active(booting)

    def _set_status(self, table: Table, each: PartitionSet) -> SetStatus:
        boot_name, root_name, hash_name = (
            self._name(number) for number in (each.boot, each.root, each.hash)
        )
        return SetStatus(each.slot, boot_name, root_name, hash_name, boot.flags(table, each))

    def _name(self, number: int) -> str:
        node = self.located.nodes.get(number)
        return f"{self.located.disk}#{number}" if node is None else str(node)

    def _extents(self, table: Table, each: PartitionSet) -> SetExtents:
        return SetExtents(
            each.slot,
            self._extent(table, each.boot),
            self._extent(table, each.root),
            self._extent(table, each.hash),
        )

    def _extent(self, table: Table, number: int) -> Extent:
        node = self.located.nodes.get(number)
        entry = table.entry(number)
        length = entry.sectors * table.sector_size
        if node is not None:
            # Not one byte more or less than the table says: a node of another size belongs to
            # another table, or to a disk that was cut.
            return Extent(node, size=length)
        if self.located.nodes:
            # The whole disk is no way around it: its page cache is not that of the partition.
            raise DiscoveryError(
                f"the kernel shows no node for partition {number} of {self.located.disk}; make it"
                " read the partition table again (partprobe) or reboot"
            )
        return Extent(self.located.disk, entry.first_lba * table.sector_size, length)

    def _open(self, access: Access) -> BlockIO:
        return self.open_device(Extent(self.located.disk), access)


def _notes(result: ReadResult) -> tuple[str, ...]:
    if result.unsound:
        refused = f"{result.why}; changes are refused until it is corrected with sgdisk or gdisk"
        return (refused, *map(str, result.findings), *result.notes)
    damage = tuple(f"{found}; the next write repairs it" for found in result.findings)
    return damage + result.notes
