"""Make disk images with our partitions, and read them back through libparted.

libparted does geometry and alignment and writes a table that every tool accepts. What it cannot
set (attribute bits, and, before version 3.6, type GUIDs; docs/libparted.md) is set afterwards by
our own table code. pyparted compiles against libparted, so it is an extra (``images``) and is
imported only here, when a disk is made or read back: a device that only updates does without.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from partitions.blockio import Access, BlockIO, Extent
from partitions.copies import SeenCopy, twin_of
from partitions.device import open_device
from partitions.deviceerrors import device_error
from partitions.disk import read_table
from partitions.errors import (
    DeviceBusy,
    DeviceError,
    DeviceMissing,
    PartitionError,
    ToolMissing,
)
from partitions.gpt import CopyName, Entry, Table
from partitions.guid import Guid
from partitions.plan import MIB, PlannedPartition, disk_size

_Untyped: TypeAlias = Any  # pyparted has no type hints

GuidSource: TypeAlias = Callable[[], Guid]
"""Gives a new GUID with every call."""


def random_guid() -> Guid:
    """Draw a GUID from the system's random source."""
    return Guid.from_text(str(uuid.uuid4()))


def seeded_guids(seed: str) -> GuidSource:
    """Return a source that gives the same GUIDs, in the same order, for the same seed."""

    def numbered() -> Iterator[Guid]:
        count = 0
        while True:
            digest = hashlib.sha256(f"{seed}/{count}".encode()).digest()
            yield Guid.from_text(str(uuid.UUID(bytes=digest[:16], version=4)))
            count += 1

    return numbered().__next__


def create_image(
    path: Path,
    partitions: Sequence[PlannedPartition],
    *,
    new_guid: GuidSource = random_guid,
    sector_size: int = 512,
) -> None:
    """Make a sparse disk image file with these partitions; nothing is ever overwritten.

    Args:
        path: the file to make; it must not exist.
        partitions: what to put on it, from ``partitions.plan``.
        new_guid: gives the GUID of the disk first, then of each partition that has none fixed.
        sector_size: 512 or 4096, for a disk that the image is meant for.

    Raises:
        DeviceBusy: the file exists.
        DeviceError: it cannot be written; no file is left behind.
        PartitionError: libparted refused.
        ToolMissing: libparted is not installed.
    """
    _parted()  # before a file exists: without libparted there must be nothing to clean up
    _make_sparse(path, disk_size(partitions))
    try:
        format_disk(path, partitions, new_guid=new_guid, sector_size=sector_size)
    except BaseException:
        path.unlink()
        raise


def check_creatable(path: Path) -> None:
    """Find out what `create_image` would stumble over before it writes anything.

    Raises:
        DeviceBusy: the file exists.
        DeviceMissing: the folder that it would lie in does not.
        ToolMissing: libparted is not installed.
    """
    _parted()
    if os.path.lexists(path):
        raise _exists(path)
    if not path.parent.is_dir():
        raise DeviceMissing(f"{path.parent}: no such folder to create {path.name} in; make it")


def format_disk(
    path: Path,
    partitions: Sequence[PlannedPartition],
    *,
    new_guid: GuidSource = random_guid,
    sector_size: int = 512,
) -> None:
    """Write a new partition table to an image file or a whole disk; what was there is lost.

    Args:
        path: image file or node of a whole disk, large enough for the plan.
        partitions: what to put on it.
        new_guid: see ``create_image``.
        sector_size: for an image file; a block device knows its own.

    Raises:
        DeviceError: it cannot be opened or written, or a partition is in use.
        PartitionError: libparted refused.
        ToolMissing: libparted is not installed.
    """
    with _sectors_of(sector_size):
        _commit(path, partitions)
    with open_device(Extent(path), Access.WRITE_SHARED) as io:
        _finish(io, partitions, new_guid)


@dataclass(frozen=True, slots=True)
class ReadBack:
    """One partition as libparted sees it.

    Attributes:
        number: its number.
        label: its name.
        start: first byte.
        size: length in bytes.
    """

    number: int
    label: str
    start: int
    size: int


def read_back(path: Path, *, sector_size: int = 512) -> tuple[ReadBack, ...]:
    """Read the partitions of a disk or image file through libparted.

    Raises:
        PartitionError: libparted sees no GPT.
        ToolMissing: libparted is not installed.
    """
    with _sectors_of(sector_size), _libparted(path) as parted:
        disk = parted.newDisk(_device(parted, path))
        if disk.type != "gpt":
            raise PartitionError(f"{path} has a partition table of type {disk.type}, not gpt")
        unit = disk.device.sectorSize
        return tuple(
            ReadBack(
                each.number,
                each.name or "",
                each.geometry.start * unit,
                each.geometry.length * unit,
            )
            for each in disk.partitions
        )


def _make_sparse(path: Path, size: int) -> None:
    # The one place that creates a file; O_EXCL so that it can never be an existing one.
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise device_error(error, path, "create") from error
    try:
        os.truncate(descriptor, size)
    except OSError as error:
        path.unlink()
        raise device_error(error, path, "size") from error
    finally:
        os.close(descriptor)


def _exists(path: Path) -> DeviceBusy:
    return DeviceBusy(
        f"{path} exists already and is not overwritten; remove it or choose another name"
    )


def _commit(path: Path, partitions: Sequence[PlannedPartition]) -> None:
    """Let libparted place the partitions and write the table."""
    with _libparted(path) as parted:
        device = _device(parted, path)
        _check_room(path, device, partitions)
        disk = parted.freshDisk(device, "gpt")
        for each in partitions:
            _add(parted, disk, each)
        disk.commitToDevice()
        if path.is_block_device():
            disk.commitToOS()  # new geometry: the one time that the kernel has to be told


def _device(parted: _Untyped, path: Path) -> _Untyped:
    # libparted remembers devices by path for as long as the process lives: without forgetting,
    # this would be the size and sector size of whatever lay there when it looked first.
    parted.getDevice(str(path)).removeFromCache()
    return parted.getDevice(str(path))


def _check_room(path: Path, device: _Untyped, partitions: Sequence[PlannedPartition]) -> None:
    available = device.length * device.sectorSize
    if available < disk_size(partitions):
        raise DeviceError(
            f"{path} has {available // MIB} MiB, the plan needs {disk_size(partitions) // MIB}"
        )


def _add(parted: _Untyped, disk: _Untyped, planned: PlannedPartition) -> None:
    unit = MIB // disk.device.sectorSize
    geometry = parted.Geometry(
        disk.device, start=planned.start_mib * unit, length=planned.size_mib * unit
    )
    if not disk.device.minimumAlignment.isAligned(geometry, geometry.start):
        raise PartitionError(
            f"partition {planned.number} would begin at {planned.start_mib} MiB, which this device"
            " cannot do well"
        )
    partition = parted.Partition(disk, parted.PARTITION_NORMAL, geometry=geometry)
    # An exact constraint: libparted must not move what upstream's update images expect in place.
    disk.addPartition(partition, parted.Constraint(exactGeom=geometry))
    if planned.label:
        partition.set_name(planned.label)


def _finish(io: BlockIO, partitions: Sequence[PlannedPartition], new_guid: GuidSource) -> None:
    """Set what libparted cannot: type and unique GUIDs, attribute bits, the name of the disk."""
    made = read_table(io).table
    header = made.header._replace(disk_guid=new_guid())
    entries = list(made.entries)
    for each in partitions:
        entries[each.number - 1] = _finished(entries[each.number - 1], each, new_guid)
    table = made._replace(header=header, entries=tuple(entries))
    _write_new(io, table)


def _finished(entry: Entry, planned: PlannedPartition, new_guid: GuidSource) -> Entry:
    return entry._replace(
        type_guid=planned.kind.guid,
        unique_guid=planned.unique_guid or new_guid(),
        attributes=planned.attributes,
        name_raw=planned.label.encode("utf-16-le").ljust(72, b"\0"),
    )


def _write_new(io: BlockIO, table: Table) -> None:
    """Write both copies of a table that nobody relies on yet."""
    place = SeenCopy(CopyName.BACKUP, table.header.alternate_lba)
    for copy in (twin_of(table, place, io.size // table.sector_size), table):
        io.pwrite(copy.header.entries_lba * copy.sector_size, copy.array())
        io.pwrite(copy.header.my_lba * copy.sector_size, copy.header_sector())
    io.flush()
    result = read_table(io)
    if result.table != table or not result.healthy:
        raise DeviceError(f"{io.path}: the new partition table reads back differently")


@contextlib.contextmanager
def _sectors_of(sector_size: int) -> Iterator[None]:
    """Tell libparted the sector size of image files, for which it has only this variable."""
    if sector_size not in (512, 4096):
        raise ValueError(f"sectors of {sector_size} bytes are not supported, only 512 and 4096")
    name = "PARTED_SECTOR_SIZE"
    before = os.environ.get(name)
    os.environ[name] = str(sector_size)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _libparted(path: Path) -> Iterator[_Untyped]:
    """Give the parted module, and turn its exceptions into ours."""
    parted = _parted()
    try:
        yield parted
    except _parted_errors() as error:
        raise PartitionError(f"libparted refused {path}: {error}") from error


def _parted() -> _Untyped:
    try:
        return importlib.import_module("parted")
    except ImportError as error:
        raise ToolMissing(
            "making disk images needs pyparted; install it with 'pip install updog-agent[images]'"
        ) from error


def _parted_errors() -> tuple[type[Exception], ...]:
    # pyparted's exceptions have no root of their own.
    found = vars(importlib.import_module("_ped")).values()
    return tuple(each for each in found if isinstance(each, type) and issubclass(each, Exception))
