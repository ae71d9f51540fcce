"""A machine for the boot stage: /sys and /dev in a folder, no time goes by, a log of its deeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from partitions.bootflags import BootFlags
from partitions.gpt import Table
from partitions.slot import Slot
from partitions.stage.disks import SetNodes
from partitions.stage.errors import StageError
from partitions.stage.starting import Start, load
from partitions.stage.words import Words
from tests.fakes.gpt_disk import disk_with, make_table
from tests.fakes.sysfs_tree import Machine

NODES = {"sda3": Slot.A, "sda8": Slot.B}


class Ended(BaseException):
    """What runs goes on in another program, or not at all."""


@dataclass
class StagedMachine:
    """What the stage did is in ``log``, one line for each deed; times are in seconds.

    Attributes:
        root: its folder.
        boots: sets whose kernel starts; the boot partitions of others hold nothing, really.
        opens: sets whose root can be opened.
        watchdog: whether it has one.
    """

    root: Path
    boots: frozenset[Slot] = frozenset(Slot)
    opens: frozenset[Slot] = frozenset(Slot)
    watchdog: bool = True
    log: list[str] = field(default_factory=list)

    @property
    def disk(self) -> Path:
        """The only one."""
        return self.root / "dev/sda"

    @property
    def pauses(self) -> list[int]:
        """What was waited for, in order."""
        return [int(line.split()[1]) for line in self.log if line.startswith("pause")]

    def start_watchdog(self, seconds: int) -> None:
        """Log it, or refuse."""
        self.log.append(f"watchdog {seconds}")
        if not self.watchdog:
            raise StageError("there is no watchdog")

    def pause(self, seconds: int) -> None:
        """Log it; no time goes by."""
        self.log.append(f"pause {seconds}")

    def start(self, wanted: Start) -> NoReturn:
        """Log it, and end if the set boots; else load it really, which fails."""
        self.log.append(f"start {wanted.slot}")
        if wanted.slot not in self.boots:
            load(wanted)
        raise Ended(f"kernel of {wanted.slot}")

    def check_mount(self, nodes: SetNodes, words: Words) -> None:
        """Log it, and fail for a set whose root does not open."""
        del words
        slot = NODES[nodes.boot.name]
        self.log.append(f"look at {slot}")
        if slot not in self.opens:
            raise StageError(f"the root of {slot} is damaged")

    def become(self, nodes: SetNodes, words: Words) -> NoReturn:
        """Log it, and end if the root opens."""
        slot = NODES[nodes.boot.name]
        self.log.append(f"become {slot} {words.on_corruption}")
        if slot not in self.opens:
            raise StageError(f"the root of {slot} is damaged")
        raise Ended(f"system of {slot}")

    def reset(self) -> NoReturn:
        """End."""
        self.log.append("reset")
        raise Ended("reset")


def staged(
    folder: Path,
    a: BootFlags,
    b: BootFlags,
    *,
    boots: str = "AB",
    opens: str = "AB",
    watchdog: bool = True,
) -> StagedMachine:
    """A machine with two sets, and what of them works."""
    sysfs = Machine(folder)
    node = sysfs.add_disk("sda", (8, 0))
    (folder / "sys/block/sda/device").mkdir()
    sysfs.add_partitions("sda", "", 8, range(1, 14))
    node.write_bytes(disk_with(table(a, b)).data)
    return StagedMachine(folder, frozenset(map(Slot, boots)), frozenset(map(Slot, opens)), watchdog)


def table(a: BootFlags, b: BootFlags) -> Table:
    """A partition table with these boot bits."""
    return make_table({Slot.A: a, Slot.B: b})
