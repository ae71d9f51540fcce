"""What happens after a power cut: the bootloader boots, and the agent runs again, for real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from partitions.errors import PartitionError
from partitions.layout import Slot
from updog.crashtest.cases import Case, record
from updog.crashtest.images import KIB, Sizes
from updog.crashtest.machine import Machine
from updog.crashtest.oracle import View
from updog.crashtest.overlay import Overlay
from updog.crashtest.prove import Outcome, Thoroughness, prove
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
            again = [prove(second, self.how) for second in _second_cuts(case, left, view.picked)]
        except (PartitionError, UpdogError) as error:
            return Outcome(f"the next run fails: {error}")
        lost = [f"a second power cut is lost:\n{each.smallest}" for each in again if each.failures]
        return Outcome("\n".join([problem, *lost]).strip(), sum(each.states for each in again))


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


def _second_cuts(case: Case, left: Overlay, picked: Slot) -> Iterator[Case]:
    """The first writes to the partition table after a power cut, and after a process was killed.

    A killed process leaves such disks as well, but no bootloader looks at them before the next run.
    """
    for title, running, reboots in (
        ("the next boot and run", picked, True),
        ("the next run without a boot", case.running, False),
    ):
        machine = Machine(quiet_disk(case.path, left), running)
        yield record(
            f"{case.operation}, then {title}",
            case.path,
            left,
            running,
            partial(_first_writes, machine, reboots=reboots),
        )


def _first_writes(machine: Machine, disk: RecordedDisk, *, reboots: bool) -> None:
    recovering = replace(machine, disk=disk)
    if reboots:
        disk.note("the bootloader boots")
        recovering.reboot()
    recovering.confirm()
    recovering.control.clear_inactive()
