"""A machine with a disk in memory: what the agent, the bootloader and a power cut do to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from partitions.blockio import DeviceOpener
from partitions.bootcontrol import BootControl, GptBootControl, SetExtents
from partitions.bootstatus import BootStatus
from partitions.layout import Slot
from partitions.sysfs import from_image
from updog import install
from updog.crashtest.images import Sizes, TrialImages, missing_from, trial_images
from updog.crashtest.oracle import look, play_bootloader
from updog.crashtest.overlay import Overlay
from updog.crashtest.recorder import RecordedDisk, quiet_disk
from updog.errors import InternalError

ControlOf: TypeAlias = Callable[[Path, Slot, DeviceOpener], BootControl]
"""The disk, the running set and the opener to the boot side of a machine."""


class Stage(Protocol):
    """The signature of `updog.install.stage`, as far as a trial needs it."""

    def __call__(
        self,
        images: install.ImageSet,
        control: BootControl,
        open_device: DeviceOpener,
        /,
        *,
        tries: int,
    ) -> object:
        """Write the images to the inactive set and mark it valid."""
        ...


def gpt_control(path: Path, running: Slot, open_device: DeviceOpener) -> BootControl:
    """The real boot control, on a disk image."""
    return GptBootControl(from_image(path, running), open_device)


@dataclass(frozen=True, slots=True)
class Agent:
    """The code under trial.

    Attributes:
        control: makes the boot control.
        stage: puts an update onto the inactive set.
    """

    control: ControlOf = gpt_control
    stage: Stage = install.stage


@dataclass(slots=True)
class Machine:
    """A machine that runs.

    Attributes:
        disk: its disk.
        running: the set that it runs from.
        tries: how many boots an update is given.
        sizes: how large its updates are.
        agent: the code that it runs.
    """

    disk: RecordedDisk
    running: Slot
    tries: int = 1
    sizes: Sizes = field(default_factory=Sizes)
    agent: Agent = field(default_factory=Agent)

    @property
    def control(self) -> BootControl:
        """Its boot bits; each step is noted in the log."""
        inner = self.agent.control(self.disk.path, self.running, self.disk.open)
        return _Noting(inner, self.disk)

    def stage(self, seed: str) -> TrialImages:
        """Put a made-up update onto the inactive set."""
        control = self.control
        made = trial_images(control.inactive_set(), self.disk.open, self.sizes, seed)
        self.agent.stage(made.images, control, self.disk.open, tries=self.tries)
        return made

    def confirm(self) -> None:
        """Mark the running boot successful, if it is not."""
        if not self.control.status().confirmed:
            self.control.mark_successful()

    def reboot(self) -> None:
        """Let the bootloader choose."""
        self.running = play_bootloader(self.disk)

    def lacks(self, made: TrialImages, slot: Slot) -> str:
        """Say what a set lacks of an update; empty if it holds it whole."""
        control = gpt_control(self.disk.path, slot, self.disk.open)
        return missing_from(control.active_set(), self.disk.open, made)


def started(path: Path, contents: Overlay, active: Slot | None) -> Machine:
    """A machine with this disk, running and confirmed; nothing of that is recorded.

    Args:
        path: the file that the real code shall believe to write.
        contents: its bytes; they are not changed.
        active: the running set; None: the one that the bootloader would boot next.

    Raises:
        InternalError: nothing on the disk would boot.
        PartitionError: it is not a disk of ours.
    """
    disk = quiet_disk(path, contents.fork())
    view = look(disk)
    running = active or view.picked
    if running is None:
        raise InternalError(f"{path}: {view.trouble}.", hint="Say which set runs with --active.")
    machine = Machine(disk, running)
    machine.confirm()
    return machine


class _Noting:
    """A boot control that tells the log what is about to be done."""

    def __init__(self, inner: BootControl, disk: RecordedDisk) -> None:
        self._inner = inner
        self._disk = disk

    def status(self) -> BootStatus:
        return self._inner.status()

    def clear_inactive(self, *, force: bool = False) -> None:
        self._disk.note("clear the bits of the other set")
        self._inner.clear_inactive(force=force)
        self._disk.note("write the images")

    def mark_inactive_valid(self, tries: int) -> None:
        self._disk.note("mark the other set valid")
        self._inner.mark_inactive_valid(tries)
        self._disk.note("after the set was marked valid")

    def activate(self) -> None:
        self._disk.note("choose the other set for the next boot")
        self._inner.activate()

    def cancel(self) -> None:
        self._disk.note("choose the running set again")
        self._inner.cancel()

    def rollback(self) -> None:
        self._disk.note("choose the old set again")
        self._inner.rollback()

    def mark_successful(self) -> None:
        self._disk.note("mark the running set successful")
        self._inner.mark_successful()

    def has_ever_succeeded(self) -> bool:
        return self._inner.has_ever_succeeded()

    def active_set(self) -> SetExtents:
        return self._inner.active_set()

    def inactive_set(self) -> SetExtents:
        return self._inner.inactive_set()
