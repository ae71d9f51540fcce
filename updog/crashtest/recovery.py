"""What happens after a power cut: the bootloader boots, and the agent runs again, for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from partitions.errors import PartitionError, TransitionRefused
from partitions.layout import Slot
from updog.crashtest.cases import Case, record
from updog.crashtest.images import KIB, Sizes
from updog.crashtest.machine import Agent, Machine
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
        agent: the code under trial.
    """

    how: Thoroughness
    agent: Agent = field(default_factory=Agent)

    def __call__(self, case: Case, left: Overlay, view: View) -> Outcome:
        """Boot, confirm, update again, boot that; then cut the power in the middle of it."""
        if view.picked is None:
            return Outcome(view.trouble)
        machine = self._machine(case, left.fork(), view.picked)
        try:
            problem = _life_goes_on(machine)
            again = [
                prove(second, self.how) for second in self._second_cuts(case, left, view.picked)
            ]
        except (PartitionError, UpdogError) as error:
            return Outcome(f"the next run fails: {error}")
        lost = [f"a second power cut is lost:\n{each.smallest}" for each in again if each.failures]
        return Outcome("\n".join([problem, *lost]).strip(), sum(each.states for each in again))

    def _second_cuts(self, case: Case, left: Overlay, picked: Slot) -> Iterator[Case]:
        """Each write to the partition table that may come first after a power cut.

        Once after a boot, and once as if the bootloader were one that repairs nothing.
        """
        for boots, running in ((True, picked), (False, case.running)):
            for title, act in _NEXT.items():
                machine = self._machine(case, left, running)
                first = partial(_first_write, machine, act, boots=boots)
                try:
                    yield record(f"{case.operation}, then {title}", case.path, left, running, first)
                except TransitionRefused:
                    continue

    def _machine(self, case: Case, contents: Overlay, running: Slot) -> Machine:
        disk = quiet_disk(case.path, contents)
        return Machine(disk, running, sizes=SMALL, agent=self.agent)


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


def _first_write(
    machine: Machine, act: Callable[[Machine], None], disk: RecordedDisk, *, boots: bool
) -> None:
    again = replace(machine, disk=disk)
    if boots:
        disk.note("the bootloader boots")
        again.reboot()
    act(again)


def _clear(machine: Machine) -> None:
    machine.confirm()
    machine.control.clear_inactive()


_NEXT: Mapping[str, Callable[[Machine], None]] = {
    "mark-successful": lambda machine: machine.control.mark_successful(),
    "update": _clear,
    "activate": lambda machine: machine.control.activate(),
    "rollback": lambda machine: machine.control.rollback(),
    "revert": lambda machine: machine.control.cancel(),
}
"""What may be done next; what is refused in a state is passed over."""
