"""Which partitions a disk gets, where, and how large (formats 11.1). Values only.

All numbers are MiB. One MiB at each end of the disk is left to the partition table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from partitions.bootflags import BootFlags
from partitions.guid import Guid, PartitionType

MIB = 1 << 20
TABLE_MIB = 1
"""What the partition table gets at each end of the disk."""

DATA_PREFERRED = Guid.from_text("5b94e8df-28b8-485c-9d19-362263b5944c")
"""PARTUUID of the data partition that the system uses if it is there."""
DATA_FALLBACK = Guid.from_text("69040874-417d-4e26-a764-7885f22007ea")
"""PARTUUID of the one that it uses otherwise."""

PROVEN = BootFlags(priority=1, successful=True).apply_to(0)
"""Attribute word of BOOT-A on a new disk: bootable, and taken for proven."""

_BIOS = 4
_EFI = 5
_GIB = 1024


class DataPlan(Enum):
    """Where the data partition lies."""

    SPLIT = "split"
    """On a second disk; the first one has a placeholder of 1 MiB."""
    UNIFIED = "unified"
    """Behind the operating system on the same disk."""


@dataclass(frozen=True, slots=True)
class PlannedPartition:
    """One partition of a plan.

    Attributes:
        number: its number, counted from 1; the order on disk is the same.
        label: its name; empty for none.
        kind: its type.
        start_mib: where it begins.
        size_mib: how long it is.
        attributes: its 64-bit attribute word.
        unique_guid: its PARTUUID where that is fixed; None: drawn when the disk is made.
    """

    number: int
    label: str
    kind: PartitionType
    start_mib: int
    size_mib: int
    attributes: int = 0
    unique_guid: Guid | None = None

    @property
    def end_mib(self) -> int:
        """First MiB behind it."""
        return self.start_mib + self.size_mib


@dataclass(frozen=True, slots=True)
class SetSizes:
    """Sizes of the partitions of one set, in MiB."""

    efi: int
    boot: int
    root: int
    hash: int
    reserved: int

    def __post_init__(self) -> None:
        if min(self.efi, self.boot, self.root, self.hash, self.reserved) < 1:
            raise ValueError(f"every partition needs at least 1 MiB: {self}")

    @property
    def doubled(self) -> SetSizes:
        """One bank that takes the room of two."""
        return SetSizes(
            2 * self.efi, 2 * self.boot, 2 * self.root, 2 * self.hash, 2 * self.reserved
        )


def plan(
    os_image_gib: int = 2,
    *,
    data: DataPlan = DataPlan.SPLIT,
    data_gib: int = 1,
    in_place_updates: bool = True,
) -> tuple[PlannedPartition, ...]:
    """Return upstream's plan for an operating system disk.

    Args:
        os_image_gib: size of the disk without unified data; 2, or 4 for large variants.
        data: where the data partition lies.
        data_gib: its size in a unified plan.
        in_place_updates: two sets; without, one set that takes the room of both, and no
            EFI-BACKUP.

    Raises:
        ValueError: a size is below 1.
    """
    if os_image_gib < 1 or data_gib < 1:
        raise ValueError("sizes are whole GiB, at least 1")
    sizes = SetSizes(
        efi=_EFI,
        boot=20 * os_image_gib,
        root=460 * os_image_gib,
        hash=5 * os_image_gib,
        reserved=15 * os_image_gib - _EFI,
    )
    banks = _two_banks(sizes) if in_place_updates else _bank_a(sizes.doubled)
    unified = data is DataPlan.UNIFIED
    return _placed(
        _Part("BIOS-BOOT", PartitionType.BIOS_BOOT, _BIOS),
        *banks,
        _Part(
            "BOTTLEROCKET-PRIVATE",
            PartitionType.PRIVATE,
            24 * os_image_gib - 2 * TABLE_MIB - _BIOS - 1,
        ),
        _Part(
            "",
            PartitionType.DATA,
            data_gib * _GIB if unified else 1,
            guid=DATA_PREFERRED if unified else DATA_FALLBACK,
        ),
    )


def plan_for(root_mib: int, hash_mib: int, boot_mib: int) -> tuple[PlannedPartition, ...]:
    """Return the same 13 partitions in the same order, as small as these images allow.

    Raises:
        ValueError: a size is below 1.
    """
    sizes = SetSizes(efi=1, boot=boot_mib, root=root_mib, hash=hash_mib, reserved=1)
    return _placed(
        _Part("BIOS-BOOT", PartitionType.BIOS_BOOT, 1),
        *_two_banks(sizes),
        _Part("BOTTLEROCKET-PRIVATE", PartitionType.PRIVATE, 1),
        _Part("", PartitionType.DATA, 1, guid=DATA_FALLBACK),
    )


def data_plan(data_gib: int = 1) -> tuple[PlannedPartition, ...]:
    """Return the plan of the second disk of a split layout: one data partition.

    Raises:
        ValueError: a size below 1.
    """
    if data_gib < 1:
        raise ValueError("sizes are whole GiB, at least 1")
    return _placed(_Part("", PartitionType.DATA, data_gib * _GIB, guid=DATA_PREFERRED))


def disk_size(partitions: Sequence[PlannedPartition]) -> int:
    """Return the bytes of a disk that holds these partitions and the table at both ends."""
    return (max(each.end_mib for each in partitions) + TABLE_MIB) * MIB


@dataclass(frozen=True, slots=True)
class _Part:
    label: str
    kind: PartitionType
    mib: int
    attributes: int = 0
    guid: Guid | None = None


def _bank_a(sizes: SetSizes) -> tuple[_Part, ...]:
    return (_Part("EFI-SYSTEM", PartitionType.EFI_SYSTEM, sizes.efi), *_set("A", sizes, PROVEN))


def _two_banks(sizes: SetSizes) -> tuple[_Part, ...]:
    backup = _Part("EFI-BACKUP", PartitionType.EFI_BACKUP, sizes.efi)
    return (*_bank_a(sizes), backup, *_set("B", sizes, 0))


def _set(letter: str, sizes: SetSizes, attributes: int) -> tuple[_Part, ...]:
    # Root and hash must be the next two numbers after boot: the kernel command line names them
    # relative to it.
    return (
        _Part(f"BOTTLEROCKET-BOOT-{letter}", PartitionType.BOOT, sizes.boot, attributes),
        _Part(f"BOTTLEROCKET-ROOT-{letter}", PartitionType.ROOT, sizes.root),
        _Part(f"BOTTLEROCKET-HASH-{letter}", PartitionType.HASH, sizes.hash),
        _Part(f"BOTTLEROCKET-RESERVED-{letter}", PartitionType.RESERVED, sizes.reserved),
    )


def _placed(*parts: _Part) -> tuple[PlannedPartition, ...]:
    placed: list[PlannedPartition] = []
    start = TABLE_MIB
    for number, part in enumerate(parts, start=1):
        placed.append(
            PlannedPartition(
                number, part.label, part.kind, start, part.mib, part.attributes, part.guid
            )
        )
        start += part.mib
    return tuple(placed)
