"""Boot control by systemd-boot, behind the same seam as GRUB's (`partitions.bootcontrol`).

The partition sets are those of the disk's table, as everywhere (formats 9.3). Their boot bits are
not kept there but in the names of boot loader entries. The rules are not written twice: the bits
are read out of the names into the table, the change is worked out there (`partitions.boot`), and
what differs afterwards is turned into steps.
"""

from __future__ import annotations

from partitions import boot
from partitions.blockio import Access, BlockIO, DeviceOpener
from partitions.bootcontrol import GptBootControl
from partitions.bootflags import BootFlags, with_ever_succeeded
from partitions.bootstatus import BootStatus, NextBoot
from partitions.device import open_device
from partitions.disk import read_table
from partitions.findings import ReadResult
from partitions.gpt import Table
from partitions.layout import Slot, with_active
from partitions.sysfs import Located
from partitions.systemdboot.entries import EntryName, counted_best, started_first
from partitions.systemdboot.esp import LOADER_CONF, Esp
from partitions.systemdboot.plan import plan


class SystemdBootControl(GptBootControl):
    """Boot control by the names of boot loader entries.

    Attributes:
        esp: the EFI system partition.
    """

    def __init__(self, located: Located, esp: Esp, open_device: DeviceOpener = open_device) -> None:
        super().__init__(located, open_device)
        self.esp = esp

    def status(self) -> BootStatus:
        """Read everything, change nothing."""
        found = super().status()
        return found._replace(next=self.next_boot().slot, notes=found.notes + self._notes())

    def mark_inactive_valid(self, tries: int) -> None:
        """Bring the inactive set's EFI program along, and give the set ``tries`` boots.

        Raises:
            NoProgram: its boot image is not an EFI program.
            PartitionError: the disk or the EFI system partition failed.
        """
        place = self.inactive_set()
        with self.open_device(place.boot, Access.READ) as io:
            self.esp.bring_program(place.slot, io)
        super().mark_inactive_valid(tries)

    def next_boot(self) -> NextBoot:
        """Say which set systemd-boot would start now, and why; nothing is written."""
        first = started_first(self.esp.names())
        if first is None:
            return NextBoot(None, "systemd-boot has no entry of a partition set")
        slot = next(slot for slot, stem in self.esp.stems.items() if stem == first.stem)
        return NextBoot(slot, f"set {slot} has the first entry, {first.file}; {_proof(first)}")

    def _read(self, io: BlockIO) -> ReadResult:
        result = read_table(io)
        return result._replace(table=self._with_entries(result.table))

    def _write(self, _io: BlockIO, table: Table) -> None:
        layout = with_active(table, Slot.A)
        wanted = {self.esp.stems[each.slot]: boot.flags(table, each) for each in layout.sets}
        self.esp.take(plan(self.esp.names(), wanted))
        if boot.ever_succeeded(table, layout):
            self.esp.remember_success()

    def _with_entries(self, table: Table) -> Table:
        """The table with the boot bits that the entries stand for."""
        layout, names = with_active(table, Slot.A), self.esp.names()
        for each in layout.sets:
            name = counted_best(names, self.esp.stems[each.slot])
            flags = BootFlags() if name is None else name.flags
            word = flags.apply_to(table.entry(each.boot).attributes)
            table = table.with_entry_attributes(each.boot, word)
        if self.esp.ever_succeeded():
            word = with_ever_succeeded(table.entry(layout.private).attributes)
            table = table.with_entry_attributes(layout.private, word)
        return table

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if default := self.esp.default():
            notes.append(
                f"'default {default}' in {self.esp.root / LOADER_CONF} wins over boot counting;"
                " remove that line"
            )
        if foreign := self.esp.foreign():
            notes.append(f"systemd-boot also has entries that are not ours: {', '.join(foreign)}")
        return tuple(notes)


def _proof(name: EntryName) -> str:
    if name.left is None:
        return "it is marked successful"
    if name.bad:
        return "its tries are spent, and there is nothing better"
    spent = "its last try" if name.left == 1 else f"one of its {name.left} tries"
    return f"it is not marked successful; this boot spends {spent}"
