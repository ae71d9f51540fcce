"""The disk that the stage boots from, and the nodes of its partitions."""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from partitions.blockio import Access, Extent
from partitions.device import open_device
from partitions.disk import read_table
from partitions.errors import PartitionError
from partitions.findings import ReadResult
from partitions.guid import Guid
from partitions.layout import PartitionSet, Slot, with_active
from partitions.stage.errors import StageError
from partitions.stage.opening import opened
from partitions.sysfs import from_disk

_BLKRRPART = 0x125F
_LOOK_AGAIN = 0.1


class Found(NamedTuple):
    """A disk with partition sets.

    Attributes:
        path: its node.
        result: its table, and what is wrong with it.
    """

    path: Path
    result: ReadResult


class SetNodes(NamedTuple):
    """The nodes of one set."""

    boot: Path
    root: Path
    hash: Path


def find_disk(guid: Guid | None, root: Path = Path("/"), *, patience: float = 10.0) -> Found:
    """Wait until the disk is there.

    Args:
        guid: of the disk's table; None takes the first disk, in the order of their names, whose
            table has our sets.
        root: where /sys and /dev are.
        patience: seconds; a controller may take some until it shows its disks.

    Raises:
        StageError: there is none; the message says what each disk is.
    """
    deadline = time.monotonic() + patience
    while True:
        said = []
        for node in disks(root):
            try:
                return _look(node, guid)
            except PartitionError as error:
                said.append(str(error))
        if time.monotonic() >= deadline:
            raise StageError("no disk with partition sets: " + ("; ".join(said) or "no disk"))
        time.sleep(_LOOK_AGAIN)


def disks(root: Path = Path("/")) -> Iterator[Path]:
    """The nodes of all disks that are hardware, smaller numbers first."""
    folders = [path for path in (root / "sys/block").iterdir() if (path / "device").exists()]
    for folder in sorted(folders, key=lambda path: _natural(path.name)):
        node = root / "dev" / folder.name
        if node.exists():
            yield node


def set_nodes(disk: Path, partition_set: PartitionSet, root: Path = Path("/")) -> SetNodes:
    """Return the nodes of a set; the kernel is made to read the table again if it has none.

    Raises:
        StageError: the kernel does not show them.
        PartitionError: the disk is gone.
    """
    numbers = (partition_set.boot, partition_set.root, partition_set.hash)
    nodes = from_disk(disk, Slot.A, root).nodes
    if not all(number in nodes for number in numbers):
        _read_again(disk)
        nodes = from_disk(disk, Slot.A, root).nodes
    missing = [number for number in numbers if number not in nodes]
    if missing:
        raise StageError(f"the kernel shows no node for partition {missing[0]} of {disk}")
    return SetNodes(*(nodes[number] for number in numbers))


def _look(node: Path, guid: Guid | None) -> Found:
    with open_device(Extent(node), Access.READ) as io:
        result = read_table(io)
    header = result.table.header
    if guid is not None and header.disk_guid != guid:
        raise StageError(f"{node} is disk {header.disk_guid}, not {guid}")
    with_active(result.table, Slot.A)
    return Found(node, result)


def _read_again(disk: Path) -> None:
    """Let the kernel read the table again: it does not look at a backup copy by itself."""
    with opened(disk, f"{disk} cannot be opened") as descriptor:
        try:
            fcntl.ioctl(descriptor, _BLKRRPART)
        except OSError as error:
            raise StageError(f"the kernel does not read the table of {disk}: {error}") from error


def _natural(name: str) -> list[tuple[str, int]]:
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]
