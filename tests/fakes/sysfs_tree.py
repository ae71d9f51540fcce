"""Whole machines in a folder: /sys as the kernel lays it out, and /dev.

The links are the kernel's: /sys/dev/block, /sys/class/block and /sys/block point into
/sys/devices, where a partition is a directory inside its disk. Nodes in /dev are plain files, so
that no privileges are needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Machine:
    """A machine under ``root``; each ``add`` puts one more device into it."""

    root: Path
    mounted: tuple[int, int] = (0, 0)
    _places: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in ("sys/dev/block", "sys/class/block", "sys/block", "dev"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    @property
    def stat_root(self) -> Callable[[Path], int]:
        """What the kernel would say about /, for ``locate``."""
        return lambda _root: os.makedev(*self.mounted)

    def add_disk(self, name: str, number: tuple[int, int], bus: str = "pci0000:00") -> Path:
        """Add a whole disk without partitions."""
        place = self.root / "sys/devices" / bus / name
        self._add(name, number, place)
        (self.root / "sys/block" / name).symlink_to(self._up(self.root / "sys/block", place))
        return self.node(name)

    def add_partition(self, disk: str, name: str, index: int, number: tuple[int, int]) -> Path:
        """Add a partition to a disk."""
        place = self._places[disk] / name
        self._add(name, number, place)
        (place / "partition").write_text(f"{index}\n")
        return self.node(name)

    def add_partitions(self, disk: str, infix: str, major: int, minors: range) -> None:
        """Add partitions 1, 2, ... with consecutive minors, named as the kernel names them."""
        for index, minor in enumerate(minors, start=1):
            self.add_partition(disk, f"{disk}{infix}{index}", index, (major, minor))

    def add_mapper(self, name: str, number: tuple[int, int], uuid: str, *slaves: str) -> None:
        """Add a device-mapper device on top of others."""
        place = self.root / "sys/devices/virtual/block" / name
        self._add(name, number, place)
        (self.root / "sys/block" / name).symlink_to(self._up(self.root / "sys/block", place))
        (place / "dm").mkdir()
        (place / "dm/uuid").write_text(f"{uuid}\n")
        (place / "dm/name").write_text("root\n")
        (place / "slaves").mkdir()
        for slave in slaves:
            link = place / "slaves" / slave
            link.symlink_to(self._up(link.parent, self._places[slave]))

    def node(self, name: str) -> Path:
        """The node of a device."""
        return self.root / "dev" / name.replace("!", "/")

    def mount_root(self, number: tuple[int, int]) -> Machine:
        """Say which device number the root file system has."""
        self.mounted = number
        return self

    def _add(self, name: str, number: tuple[int, int], place: Path) -> None:
        place.mkdir(parents=True)
        self._places[name] = place
        major_minor = f"{number[0]}:{number[1]}"
        (place / "dev").write_text(f"{major_minor}\n")
        for link in (
            self.root / "sys/dev/block" / major_minor,
            self.root / "sys/class/block" / name,
        ):
            link.symlink_to(self._up(link.parent, place))
        node = self.node(name)
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()

    @staticmethod
    def _up(start: Path, place: Path) -> Path:
        return Path(os.path.relpath(place, start))


def nvme_with_verity(root: Path) -> Machine:
    """A cloud machine: 13 partitions on NVMe, root is dm-verity over set A (4 root, 5 hash)."""
    machine = Machine(root)
    machine.add_disk("nvme0n1", (259, 0))
    machine.add_partitions("nvme0n1", "p", 259, range(1, 14))
    machine.add_mapper("dm-0", (253, 0), "CRYPT-VERITY-5e1f-root", "nvme0n1p4", "nvme0n1p5")
    return machine.mount_root((253, 0))


def virtio_plain(root: Path) -> Machine:
    """A virtual machine whose root is partition 9, set B, without dm-verity."""
    machine = Machine(root)
    machine.add_disk("vda", (254, 0), bus="pci0000:00/0000:00:02.0/virtio1/block")
    machine.add_partitions("vda", "", 254, range(1, 14))
    return machine.mount_root((254, 9))


def sata_with_two_disks(root: Path) -> Machine:
    """Two SATA disks with the same layout; the system runs from the second one, set A."""
    machine = Machine(root)
    for name, first in (("sda", 0), ("sdb", 16)):
        machine.add_disk(name, (8, first), bus=f"pci0000:00/ata/{name}/block")
        machine.add_partitions(name, "", 8, range(first + 1, first + 14))
    return machine.mount_root((8, 20))


def many_disks(root: Path) -> Machine:
    """A storage server: the minors of the system disk's partitions are above 255."""
    machine = Machine(root)
    machine.add_disk("nvme7n1", (259, 300))
    machine.add_partitions("nvme7n1", "p", 259, range(301, 314))
    machine.add_disk("sda", (259, 45))  # the disk that a minor cut to 8 bits would name
    machine.add_partition("sda", "sda1", 1, (259, 48))
    return machine.mount_root((259, 304))


def single_set(root: Path) -> Machine:
    """A machine without in-place updates: one set, root is partition 4."""
    machine = Machine(root)
    machine.add_disk("mmcblk0", (179, 0))
    machine.add_partitions("mmcblk0", "p", 179, range(1, 9))
    return machine.mount_root((179, 4))


def multipath(root: Path) -> Machine:
    """A machine on a storage network: two paths to one disk, partitions made by kpartx."""
    machine = Machine(root)
    for name, first in (("sda", 0), ("sdb", 16)):
        machine.add_disk(name, (8, first))
        machine.add_partitions(name, "", 8, range(first + 1, first + 14))
    machine.add_mapper("dm-0", (253, 0), "mpath-3600508b4000156d7", "sda", "sdb")
    machine.add_mapper("dm-1", (253, 1), "part4-mpath-3600508b4000156d7", "dm-0")
    machine.add_mapper("dm-2", (253, 2), "CRYPT-VERITY-77aa-root", "dm-1")
    return machine.mount_root((253, 2))
