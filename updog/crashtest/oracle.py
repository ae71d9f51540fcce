"""What a bootloader finds on a disk, and whether that is what was promised.

The bootloader reads both copies of the partition table, repairs a damaged one, and takes the set
that `partitions.boot.choose_next` takes (formats 9.7). The kernel alone would read the primary
only, but it never meets a damaged one: the bootloader has been there first. How many tables lean on
that is counted in the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

from partitions.blockio import Access, Extent
from partitions.boot import choose_next, ever_succeeded, flags
from partitions.bootflags import BootFlags
from partitions.disk import read_table, repair, write_table
from partitions.errors import GptError, LayoutError
from partitions.gpt import CopyName, Table
from partitions.layout import Slot, with_active
from updog.crashtest.contents import Contents, Span
from updog.crashtest.overlay import Overlay
from updog.crashtest.recorder import RecordedDisk, quiet_disk

MOST_BOOTS = 16
"""Tries are at most 15, so that by then they are all spent."""


@dataclass(frozen=True, slots=True)
class Bits:
    """All boot bits of a disk.

    Attributes:
        sets: the bits of set A, and of set B where there is one.
        ever: whether any boot from this disk was ever confirmed.
    """

    sets: tuple[BootFlags, ...]
    ever: bool

    def of(self, slot: Slot) -> BootFlags:
        """The bits of one set."""
        return self.sets[tuple(Slot).index(slot)]

    def by_slot(self) -> Iterator[tuple[Slot, BootFlags]]:
        """Each set with its bits."""
        return zip(Slot, self.sets, strict=False)


@dataclass(frozen=True, slots=True)
class View:
    """What a bootloader finds.

    Attributes:
        trouble: why it cannot go on; empty if it can.
        bits: the boot bits; None if there is trouble.
        boots: the set it takes now, and at each further reset while nobody confirms, with the tries
            it leaves to that set; ends where nothing changes any more.
        primary_whole: False where the kernel depends on the bootloader's repair.
    """

    trouble: str
    bits: Bits | None = None
    boots: tuple[tuple[Slot, int], ...] = ()
    primary_whole: bool = False

    @property
    def picked(self) -> Slot | None:
        """The set that is booted now."""
        return self.boots[0][0] if self.boots else None


Holdings: TypeAlias = Mapping[Slot, tuple[Contents, bool]]
"""For each set what it holds, and whether that is a complete image."""


def look(disk: RecordedDisk) -> View:
    """Read a disk as the bootloader does, and follow its resets to the end."""
    try:
        with disk.open(Extent(disk.path), Access.READ) as io:
            found = read_table(io)
        boots = tuple(_boots(found.table))
        bits = bits_of(found.table)
    except (GptError, LayoutError) as error:
        return View(trouble=str(error))
    whole = found.trusted is CopyName.PRIMARY
    if not boots:
        return View("the bootloader finds no set that it may boot", bits, (), whole)
    return View("", bits, boots, whole)


def bits_of(table: Table) -> Bits:
    """The boot bits in a table.

    Raises:
        LayoutError: it is not a disk of ours.
    """
    layout = with_active(table, Slot.A)
    return Bits(
        tuple(flags(table, each) for each in layout.sets),
        ever_succeeded(table, layout),
    )


def _boots(table: Table) -> Iterator[tuple[Slot, int]]:
    """Each reset in turn, until one leaves the table as it was."""
    for _ in range(2 * MOST_BOOTS):
        choice = choose_next(table)
        if choice is None:
            return
        yield choice.slot, bits_of(choice.table).of(choice.slot).tries_left
        if not choice.spent_try:
            return
        table = choice.table


def play_bootloader(disk: RecordedDisk) -> Slot:
    """Do what the bootloader does: repair, pick, spend a try. Returns the set that runs then.

    A damaged backup is left as it is, although GRUB repairs that too: the harder case for what the
    agent writes next.

    Raises:
        GptError: no whole copy of the table, or nothing to boot.
    """
    with disk.open(Extent(disk.path), Access.WRITE_SHARED) as io:
        found = read_table(io)
        if found.trusted is CopyName.BACKUP:
            found = repair(io)
        choice = choose_next(found.table)
        if choice is None:
            raise GptError(f"{disk.path}: no set would boot")
        if choice.spent_try:
            write_table(io, choice.table)
    return choice.slot


def judge(view: View, holdings: Holdings, steps: frozenset[Bits]) -> str:
    """Say which promise a disk breaks; empty if none.

    Args:
        view: what a bootloader finds on it.
        holdings: what its partition sets hold.
        steps: the boot bits from before the operation, and after each of its steps.
    """
    if view.trouble or view.bits is None:
        return f"nothing boots: {view.trouble}"
    return (
        _torn_boot(view, holdings)
        or _torn_claim(view.bits, holdings)
        or _grown_tries(view, view.bits, steps)
        or _foreign_bits(view.bits, steps)
    )


def _torn_boot(view: View, holdings: Holdings) -> str:
    for number, (slot, _) in enumerate(view.boots):
        if not _whole(holdings, slot):
            when = "the bootloader boots" if number == 0 else f"reset {number} later boots"
            return f"{when} set {slot}, which holds {_held(holdings, slot)}"
    return ""


def _torn_claim(bits: Bits, holdings: Holdings) -> str:
    """A set with tries or a success mark may be booted by one more step: it must be whole now."""
    for slot, found in bits.by_slot():
        if (found.tries_left or found.successful) and not _whole(holdings, slot):
            return f"set {slot} is marked as good ({found}), but holds {_held(holdings, slot)}"
    return ""


def _grown_tries(view: View, bits: Bits, steps: frozenset[Bits]) -> str:
    for slot, found in bits.by_slot():
        most = max(step.of(slot).tries_left for step in steps)
        if found.tries_left > most:
            return f"set {slot} has {found.tries_left} tries, but never had more than {most}"
    spent = {slot: found.tries_left for slot, found in bits.by_slot()}
    for slot, left in view.boots:
        if left > spent[slot]:
            return f"the tries of set {slot} grow from {spent[slot]} to {left} by booting"
        spent[slot] = left
    return ""


def _foreign_bits(bits: Bits, steps: frozenset[Bits]) -> str:
    if bits in steps:
        return ""
    found = ", ".join(f"{slot}({flags_})" for slot, flags_ in bits.by_slot())
    return f"the boot bits are {found}: no step of the operation wrote that"


def _whole(holdings: Holdings, slot: Slot) -> bool:
    return holdings[slot][1]


def _held(holdings: Holdings, slot: Slot) -> str:
    contents, whole = holdings[slot]
    return contents.value if whole or contents is Contents.MIXED else "no complete image"


@dataclass(frozen=True, slots=True)
class Copies:
    """Both copies of a partition table, as bytes and where they lie.

    Attributes:
        path: the file that the real code believes to read.
        size: bytes of the disk.
        parts: first byte and bytes of each copy.
    """

    path: Path
    size: int
    parts: tuple[tuple[int, bytes], ...]

    @property
    def digest(self) -> bytes:
        """The same for the same bytes."""
        digest = blake2b(digest_size=16)
        for _, data in self.parts:
            digest.update(data)
        return digest.digest()


def copies_on(disk: RecordedDisk, spans: Iterable[Span]) -> Copies:
    """Take both copies of the table from a disk."""
    parts = ((span.start, disk.bytes.read(span.start, span.end - span.start)) for span in spans)
    return Copies(disk.path, disk.bytes.size, tuple(parts))


@lru_cache(maxsize=512)
def view_of(copies: Copies) -> View:
    """What a bootloader finds; it depends on the table alone, and few tables make many disks."""
    disk = Overlay(copies.size, lambda _offset, length: bytes(length))
    for start, data in copies.parts:
        disk.write(start, data)
    return look(quiet_disk(copies.path, disk))
