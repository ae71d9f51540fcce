"""Which of the disks that a power cut could leave would boot a whole system.

The bootloader's rule picks a set (and the next one, when its tries are spent, and so on to the
end); each set it comes to has to hold the three images of one known version, byte for byte. Those
images are what was built and signed, so that dm-verity accepts them; `hashed` checks that anew, the
slow way, for as many disks as there is time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partitions.bootcontrol import GptBootControl, SetExtents
from partitions.gpt import PRIMARY_LBA
from partitions.slot import Slot
from partitions.sysfs import from_image
from partitions.verity import matches, read_root_hash
from tests.fakes.memory_disk import MemoryDisk
from tests.vm.powercuts import SECTOR, Bytes, Sectors, State, Stretch
from updog.crashtest.oracle import Copies, View, view_of


@dataclass(frozen=True, slots=True)
class Known:
    """A version whose images are known.

    Attributes:
        version: its name.
        boot: its boot image.
        root: its root image.
        hash: its hash image.
    """

    version: str
    boot: Path
    root: Path
    hash: Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a disk.

    Attributes:
        boots: the set that is booted now, and those after further resets; empty: none.
        versions: what each of them holds; None: nothing whole.
    """

    boots: tuple[Slot, ...]
    versions: tuple[str | None, ...]

    @property
    def good(self) -> bool:
        """Whether each boot finds a whole set."""
        return bool(self.boots) and None not in self.versions


class Wholeness:
    """Judges the states of one replay; stretches have to be shown in their order.

    Args:
        image: the disk image at the beginning.
        known: the versions that there are.
    """

    def __init__(self, image: Path, disk: Bytes, known: Iterable[Known]) -> None:
        self._image = image
        self._known = tuple(known)
        self._tables = _table_sectors(len(disk))
        self._sets = {slot: _extents(image, slot) for slot in Slot}
        self._likenesses = [
            _Likeness(slot, each, self._sets[slot], disk) for slot in Slot for each in self._known
        ]

    def look(self, stretch: Stretch) -> None:
        """Get ready for the states of a stretch."""
        for each in self._likenesses:
            each.look(stretch)

    def judge(self, stretch: Stretch, state: State) -> Verdict:
        """Say what would boot."""
        boots = tuple(slot for slot, _ in self._view(stretch, state).boots)
        return Verdict(boots, tuple(self._held(slot, state) for slot in boots))

    def hashed(self, stretch: Stretch, state: State) -> Verdict:
        """Say the same the slow way: by the hashes of all bytes, and by dm-verity's rule."""
        boots = tuple(slot for slot, _ in self._view(stretch, state).boots)
        return Verdict(boots, tuple(self._hashed(stretch, state, slot) for slot in boots))

    def _hashed(self, stretch: Stretch, state: State, slot: Slot) -> str | None:
        parts = [
            stretch.contents(state, _sectors(extent.offset, extent.size or 0)).tobytes()
            for extent in self._sets[slot][1:]
        ]
        for known in self._known:
            if all(map(_begins_with, parts, (known.boot, known.root, known.hash))):
                root, tree = (MemoryDisk(bytearray(part)) for part in parts[1:])
                assert matches(root, tree, read_root_hash(parts[2]))
                return known.version
        return None

    def holds(self, slot: Slot, version: str, state: State) -> bool:
        """Whether a set holds a version."""
        likeness = {(each.slot, each.version): each for each in self._likenesses}[slot, version]
        return likeness.holds(state)

    def _held(self, slot: Slot, state: State) -> str | None:
        return next((v.version for v in self._known if self.holds(slot, v.version, state)), None)

    def _view(self, stretch: Stretch, state: State) -> View:
        rows = stretch.contents(state, self._tables)
        half = len(rows) // 2
        behind = int(self._tables[half]) * SECTOR
        parts = ((0, rows[:half].tobytes()), (behind, rows[half:].tobytes()))
        return view_of(Copies(self._image, len(stretch.disk) * SECTOR, parts))


class _Likeness:
    """Whether a set holds a version, in any state of a stretch."""

    def __init__(self, slot: Slot, known: Known, extents: SetExtents, disk: Bytes) -> None:
        self.slot = slot
        self.version = known.version
        # Ascending, as sectors are looked up by bisection.
        images = sorted(_images(known, extents), key=lambda image: int(image[0][0]))
        self._sectors = np.concatenate([sectors for sectors, _ in images])
        self._wanted = np.concatenate([rows for _, rows in images])
        self._wrong = np.concatenate(
            [_differ(disk[each[0] : each[-1] + 1], rows) for each, rows in images]
        )
        self._possible = False
        self._right: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)

    def look(self, stretch: Stretch) -> None:
        place, inside = self._places(stretch.settled)
        self._wrong[place] = (stretch.disk[stretch.settled[inside]] != self._wanted[place]).any(
            axis=1
        )
        place, inside = self._places(stretch.sectors)
        self._possible = not np.delete(self._wrong, place).any()
        if self._possible:
            self._compare(stretch, place, inside)

    def holds(self, state: State) -> bool:
        return self._possible and bool(self._right[state, np.arange(len(state))].all())

    def _compare(self, stretch: Stretch, place: Sectors, inside: NDArray[np.bool_]) -> None:
        """Work out for each sector in doubt and each of its versions whether it is right."""
        most = int(stretch.counts.max(initial=0))
        right = np.ones((most + 1, len(stretch.sectors)), np.bool_)
        right[0, inside] = ~self._wrong[place]
        row = np.full(len(stretch.sectors), -1)
        row[inside] = place
        rows = row[stretch.cell]
        ours = rows >= 0
        same = (stretch.data[ours] == self._wanted[rows[ours]]).all(axis=1)
        right[stretch.version[ours], stretch.cell[ours]] = same
        self._right = right

    def _places(self, sectors: Sectors) -> tuple[Sectors, NDArray[np.bool_]]:
        """Where sectors of the disk lie in the images, and which of them do at all."""
        place = np.searchsorted(self._sectors, sectors)
        place[place == len(self._sectors)] = 0
        inside = self._sectors[place] == sectors
        return place[inside], inside


def _images(known: Known, extents: SetExtents) -> Iterator[tuple[Sectors, Bytes]]:
    pairs = zip((known.boot, known.root, known.hash), extents[1:], strict=True)
    for image, extent in pairs:
        rows = np.fromfile(image, np.uint8).reshape(-1, SECTOR)
        yield np.arange(len(rows)) + extent.offset // SECTOR, rows


def _differ(some: Bytes, others: Bytes) -> NDArray[np.bool_]:
    """Which rows differ; compared in words of eight bytes, as there are millions of them."""
    differ: NDArray[np.bool_] = (some.view(np.uint64) != others.view(np.uint64)).any(axis=1)
    return differ


def _sectors(offset: int, length: int) -> Sectors:
    return np.arange(offset // SECTOR, (offset + length) // SECTOR)


def _begins_with(part: bytes, image: Path) -> bool:
    wanted = image.read_bytes()
    return sha256(part[: len(wanted)]).digest() == sha256(wanted).digest()


def _extents(image: Path, slot: Slot) -> SetExtents:
    return GptBootControl(from_image(image, slot)).active_set()


def _table_sectors(total: int) -> Sectors:
    """The sectors of both copies of the table, as every disk of ours has them."""
    length = PRIMARY_LBA + 1 + 32
    return np.concatenate([np.arange(length), np.arange(total - length, total)])
