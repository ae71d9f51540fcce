"""The boot stage: an initramfs whose ``/init`` does what GRUB with gptprio does, and starts a set.

Any firmware or bootloader that can start one Linux kernel gets partition sets from it
(docs/boot-stage.md). One program has two lives, told apart by the kernel command line:

    power-on ── firmware, bootloader ── kernel + initramfs: `choose and start`
                    repair the partition table, choose the set, spend the try on disk,
                    load its kernel, see that dm-verity takes its root, kexec
                 ── kernel of the set + initramfs of the set: `hand over`
                    open the root by dm-verity, switch to it, run its init

Whatever fails, the machine never stands still and never spins: a failed set is passed over, pauses
grow, and after the last one the machine is reset (`partitions.stage.choosing`). If the root of a
set on trial cannot be opened, the machine is reset after a moment; its try is spent, so that leads
to the other set. A proven set spends none: the other one is started from there, and if that cannot
be, the reset comes after a long pause.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NoReturn

from partitions.blockio import Access, Extent
from partitions.boot import BootChoice
from partitions.device import open_device
from partitions.disk import read_table, repair, write_table
from partitions.errors import PartitionError
from partitions.layout import with_active
from partitions.slot import Slot
from partitions.stage import syscalls
from partitions.stage.choosing import (
    LAST_PAUSE,
    PAUSES,
    SHORT_PAUSE,
    Way,
    after_failed_hand_over,
    choose,
)
from partitions.stage.disks import Found, find_disk, set_nodes
from partitions.stage.errors import StageError
from partitions.stage.machine import Machine
from partitions.stage.modules import load_modules
from partitions.stage.starting import Start
from partitions.stage.system import hand_over
from partitions.stage.thismachine import ThisMachine
from partitions.stage.words import Words, parse

_QUIET = syscalls.MS_NOSUID | syscalls.MS_NOEXEC


def main() -> NoReturn:
    """Be ``/init``.

    Raises:
        SystemExit: this is not the first process of a machine.
    """
    if os.getpid() != 1:
        sys.exit("bootstage: this is the first program of an initramfs; see docs/boot-stage.md")
    machine = ThisMachine()
    try:
        words = prepare()
    except Exception as error:  # noqa: BLE001 - a first process that ends stops the kernel
        say(f"failed: {error}")
        give_up(machine, LAST_PAUSE)
    if words.slot is None:
        choose_and_start(words, machine)
    run_set(words.slot, words, machine)


def prepare() -> Words:
    """Mount what the kernel offers, load the modules, and read the command line.

    Raises:
        StageError: a module is missing or refused, or the command line makes no sense.
        OSError: a mount failed.
    """
    syscalls.mount("dev", "/dev", "devtmpfs", syscalls.MS_NOSUID)
    syscalls.mount("proc", "/proc", "proc", _QUIET | syscalls.MS_NODEV)
    syscalls.mount("sys", "/sys", "sysfs", _QUIET | syscalls.MS_NODEV)
    load_modules("always")
    return parse(Path("/proc/cmdline").read_text(encoding="ascii", errors="replace"))


def say(message: str) -> None:
    """Tell people on the console."""
    sys.stderr.write(f"bootstage: {message}\n")
    sys.stderr.flush()


def choose_and_start(words: Words, machine: Machine) -> NoReturn:
    """Try sets until one starts; in the end the machine is reset."""
    passed_over: set[int] = set()
    _guard(words, machine)
    for pause in PAUSES:
        machine.pause(pause)
        try:
            _attempt(words, passed_over, machine)
        except Exception as error:  # noqa: BLE001 - whatever a set is made of, the other one is tried
            say(f"failed: {error}")
    say("nothing could be started")
    give_up(machine, LAST_PAUSE)


def run_set(slot: Slot, words: Words, machine: Machine) -> NoReturn:
    """Hand over to the set that this kernel was started for; if that fails, find another way up."""
    pause = LAST_PAUSE
    try:
        hand_over(words, machine)
    except Exception as error:  # noqa: BLE001 - whatever it is, the machine has to come up
        say(f"failed: {error}")
    try:
        pause = _find_another_way(slot, words, machine)
    except Exception as error:  # noqa: BLE001 - the same
        say(f"failed: {error}")
    give_up(machine, pause)


def give_up(machine: Machine, pause: int) -> NoReturn:
    """Reset the machine after so many seconds."""
    say(f"the machine is reset in {pause} seconds")
    machine.pause(pause)
    machine.reset()


def _find_another_way(slot: Slot, words: Words, machine: Machine) -> int:
    """Start the other set if a reset would only lead here again; else return seconds until it."""
    found = find_disk(words.disk, machine.root)
    way = after_failed_hand_over(found.result.table, slot)
    if way is Way.OTHER_SET:
        say(f"set {slot} has proven to boot before, so the other set is started in its place")
        machine.pause(SHORT_PAUSE)
        failed = with_active(found.result.table, slot).active_set
        _attempt(words, {failed.boot}, machine)
    return SHORT_PAUSE if way is Way.RESET else LAST_PAUSE


def _guard(words: Words, machine: Machine) -> None:
    """Have the machine reset if a disk or driver does not answer; a boot goes on without."""
    if words.watchdog:
        try:
            machine.start_watchdog(words.watchdog)
        except (PartitionError, OSError) as error:
            say(f"no watchdog: {error}")


def _attempt(words: Words, passed_over: set[int], machine: Machine) -> NoReturn:
    found = find_disk(words.disk, machine.root)
    if not found.result.healthy:
        put_right(found)
    choice = spend(found.path, passed_over)
    say(choice.why)
    passed_over.add(choice.number)
    layout = with_active(choice.table, choice.slot)
    nodes = set_nodes(found.path, layout.active_set, machine.root)
    machine.start(Start(choice.table.header.disk_guid, choice.slot, nodes))


def put_right(found: Found) -> None:
    """Repair the partition table; if that fails the boot goes on with the whole copy."""
    for finding in (*found.result.findings, *found.result.unsound):
        say(f"{found.path}: {finding}")
    try:
        with open_device(Extent(found.path), Access.WRITE_SHARED) as io:
            repair(io)
    except PartitionError as error:
        say(f"the partition table stays as it is: {error}")
    else:
        say(f"{found.path}: the partition table is repaired")


def spend(disk: Path, passed_over: AbstractSet[int]) -> BootChoice:
    """Choose a set and make the try that it costs durable, before anything of it is touched.

    A set that needs no try is taken also from a disk that cannot be written.

    Raises:
        StageError: no set would boot.
        PartitionError: the disk failed, or the table cannot be trusted.
    """
    with open_device(Extent(disk), Access.READ) as io:
        choice = choose(read_table(io).table, passed_over)
    if choice is None:
        raise StageError("no set has a priority above 0 and a try left or a success mark")
    if choice.spent_try:
        with open_device(Extent(disk), Access.WRITE_SHARED) as io:
            write_table(io, choice.table)
    return choice


if __name__ == "__main__":
    main()
