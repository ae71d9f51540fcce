"""What happens after a power cut: the bootloader boots, and the agent runs again, for real."""

from __future__ import annotations

from dataclasses import dataclass, replace

from partitions.errors import PartitionError
from partitions.layout import Slot
from updog.crashtest.cases import Case, record
from updog.crashtest.images import KIB, Sizes
from updog.crashtest.machine import Machine
from updog.crashtest.oracle import View
from updog.crashtest.overlay import Overlay
from updog.crashtest.prove import Outcome, Tally, Thoroughness, prove
from updog.crashtest.recorder import RecordedDisk, quiet_disk
from updog.errors import UpdogError

SMALL = Sizes(root=68 * KIB, boot=36 * KIB, hash=20 * KIB)
"""The next update can be small: what counts is that it can be made."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Runs the real code on the disk that a power cut has left.

    Attributes:
        how: how much is tried for a second power cut in the middle of it.
    """

    how: Thoroughness

    def __call__(self, case: Case, left: Overlay, view: View) -> Outcome:
        """Boot, confirm, update again, boot that; then cut the power in the middle of it."""
        if view.picked is None:
            return Outcome(view.trouble)
        machine = Machine(quiet_disk(case.path, left.fork()), view.picked, sizes=SMALL)
        try:
            problem = _life_goes_on(machine)
            again = prove(_cut_again(case, left, view.picked), self.how)
        except (PartitionError, UpdogError) as error:
            return Outcome(f"the next run fails: {error}")
        return Outcome(problem or _told(again), again.states)


def _life_goes_on(machine: Machine) -> str:
    """Boot, confirm, update, boot and confirm again; say what was not as it should be."""
    first = machine.running
    machine.reboot()
    if machine.running is not first:
        return f"set {machine.running} was booted, not {first}"
    machine.confirm()
    made = machine.stage("next")
    machine.control.activate()
    status = machine.control.status()
    if not status.healthy:
        return f"the table is still damaged after an update: {'; '.join(status.notes)}"
    machine.reboot()
    if machine.running is first:
        return f"set {first} is still booted, although the next update was made"
    machine.confirm()
    lacking = machine.lacks(made, machine.running)
    return f"after the next update, {lacking}" if lacking else ""


def _cut_again(case: Case, left: Overlay, running: Slot) -> Case:
    """The writes to the partition table that come first after a power cut."""
    machine = Machine(quiet_disk(case.path, left), running)

    def first_writes(disk: RecordedDisk) -> None:
        recovering = replace(machine, disk=disk)
        disk.note("the bootloader boots")
        recovering.reboot()
        recovering.confirm()
        recovering.control.clear_inactive()

    return record(f"{case.operation}, then the next run", case.path, left, running, first_writes)


def _told(again: Tally) -> str:
    return f"a second power cut is lost:\n{again.smallest}" if again.smallest else ""
