"""What systemd-boot would start from disks that a power cut has left, and whether that is whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from partitions.slot import Slot
from tests.fakes.systemd_boot import menu
from tests.vm.drive import Event
from tests.vm.fat import Extent, Fat, Reader
from tests.vm.powercuts import SECTOR, Bounds, Bytes, State, Stretch, states, stretches
from tests.vm.wholeness import Known, Wholeness

_PROGRAMS = "EFI/updog"
_ENTRIES = "loader/entries"
_ELSEWHERE = Bounds(complete=4, cuts=2, alone=0, samples=3)
"""How much of a stretch in which nothing of the EFI system partition is in doubt."""


class EspCuts:
    """Looks at the disks, one after the other.

    Args:
        image: the disk at the beginning.
        esp: where its EFI system partition lies.
        known: the versions that there are; a boot image is an EFI program with zeros behind it.
        sets: which program starts which set.
    """

    def __init__(
        self, image: Path, esp: Extent, known: Iterable[Known], sets: Mapping[str, Slot]
    ) -> None:
        self._disk: Bytes = np.memmap(image, np.uint8, "c").reshape(-1, SECTOR)
        self._esp, self._size = esp
        known = tuple(known)
        self._wholeness = Wholeness(image, self._disk, known)
        self._versions = {each.boot.read_bytes().rstrip(b"\0"): each.version for each in known}
        self._sets = sets
        self._settled: dict[tuple[Extent, ...], str | None] = {}
        self.states = 0
        self.started: set[str] = set()
        self.bad: list[str] = []

    def run(self, log: list[Event], bounds: Bounds) -> None:
        """Look at the disks that power cuts could have left of a log."""
        chance = np.random.default_rng(0)
        for stretch in stretches(log, self._disk):
            self._wholeness.look(stretch)
            self._settled.clear()
            touched = self._in_doubt(stretch, (0, self._size))
            for state in states(stretch, bounds if touched else _ELSEWHERE, chance):
                self.states += 1
                self._judge(stretch, state)

    def _judge(self, stretch: Stretch, state: State) -> None:
        def read(offset: int, length: int) -> bytes:
            first, last = (
                (self._esp + offset) // SECTOR,
                -(-(self._esp + offset + length) // SECTOR),
            )
            rows = stretch.contents(state, np.arange(first, last)).tobytes()
            return rows[self._esp + offset - first * SECTOR :][:length]

        fat = Fat(read)
        files = fat.files(_ENTRIES)
        told = {name: data.decode("utf-8", "replace") for name, data in files.items()}
        programs = fat.extents(_PROGRAMS)
        shown = menu(told, {f"/{_PROGRAMS}/{name}" for name in programs})
        if not shown:
            self.bad.append(f"event {stretch.position}: nothing to start of {sorted(told)}")
            return
        name = shown[0].program.rpartition("/")[2]
        version = self._version(stretch, programs[name], read)
        slot = self._sets[name]
        if version is None or not self._wholeness.holds(slot, version, state):
            self.bad.append(f"event {stretch.position}: {shown[0]} starts {version} of set {slot}")
        else:
            self.started.add(version)

    def _version(self, stretch: Stretch, place: tuple[Extent, ...], read: Reader) -> str | None:
        """The version of a program; remembered where none of its bytes is in doubt."""
        touched = any(self._in_doubt(stretch, extent) for extent in place)
        if touched or place not in self._settled:
            content = b"".join(read(*extent) for extent in place)
            found = self._versions.get(content.rstrip(b"\0"))
            if touched:
                return found
            self._settled[place] = found
        return self._settled[place]

    def _in_doubt(self, stretch: Stretch, extent: Extent) -> bool:
        first = (self._esp + extent[0]) // SECTOR
        last = (self._esp + sum(extent) - 1) // SECTOR
        low, high = np.searchsorted(stretch.sectors, [first, last + 1])
        return bool(high > low)
