"""What libparted does to the bits and bytes of a GPT: each statement of docs/libparted.md, shown.

If a newer libparted fails one of these, the page has to change, and perhaps ``partitions.image``.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from partitions.blockio import Access, Extent
from partitions.device import open_device
from partitions.disk import read_table
from partitions.gpt import Entry, Table
from partitions.guid import PartitionType
from partitions.image import create_image, seeded_guids
from partitions.plan import plan_for
from tests.integration.table_tools import run

parted = pytest.importorskip("parted")
_ped = pytest.importorskip("_ped")

BOOT_A, BOOT_B, UNUSED = 3, 8, 20
PRIMARY, ARRAY = 512, 1024
# Every bit from 48 to 63, and some of those that the format reserves.
WORD = 0xFFFF_1234_0000_0000
LINUX_DATA = "0fc63daf-8483-4772-8e79-3d69d8477de4"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    create_image(path, plan_for(2, 1, 1), new_guid=seeded_guids("libparted"))
    patch(path, slot_offset(BOOT_A) + 48, struct.pack("<Q", WORD))
    return path


def slot_offset(number: int) -> int:
    return ARRAY + 128 * (number - 1)


def patch(path: Path, offset: int, data: bytes) -> None:
    """Change bytes of the primary copy, make the backup equal, and seal both."""
    disk = bytearray(path.read_bytes())
    disk[offset : offset + len(data)] = data
    entries = disk[ARRAY : ARRAY + 128 * 128]
    backup = len(disk) - 512
    disk[backup - len(entries) : backup] = entries
    disk[backup + 20 : backup + 24] = disk[PRIMARY + 20 : PRIMARY + 24]
    for header in (PRIMARY, backup):
        struct.pack_into("<I", disk, header + 88, zlib.crc32(entries))
        struct.pack_into("<I", disk, header + 16, 0)
        struct.pack_into("<I", disk, header + 16, zlib.crc32(disk[header : header + 92]))
    path.write_bytes(disk)


def table_of(path: Path) -> Table:
    with open_device(Extent(path), Access.READ) as io:
        result = read_table(io)
    assert result.healthy
    return result.table


def boot_a(path: Path) -> Entry:
    return table_of(path).entry(BOOT_A)


def opened(path: Path) -> Any:
    return parted.newDisk(parted.getDevice(str(path)))


def partition(disk: Any, number: int = BOOT_A) -> Any:
    return next(each for each in disk.partitions if each.number == number)


def available(path: Path) -> list[int]:
    """Every flag that libparted offers for our partition, also those without a name in pyparted."""
    first = partition(opened(path)).getPedPartition()
    found = []
    flag = 0
    while flag := _ped.partition_flag_next(flag):
        if first.is_flag_available(flag):
            found.append(flag)
    return found


# Kept.


def test_reading_and_committing_keeps_every_bit(image: Path) -> None:
    before = image.read_bytes()
    disk = opened(image)
    disk.commitToDevice()
    assert boot_a(image).attributes == WORD
    assert table_of(image).entries == _table_from(before).entries


def _table_from(data: bytes) -> Table:
    return Table.from_bytes(data[PRIMARY : PRIMARY + 512], data[ARRAY : ARRAY + 128 * 128])


@pytest.mark.parametrize("bit", range(48, 64))
def test_each_high_bit_alone_is_kept(image: Path, bit: int) -> None:
    patch(image, slot_offset(BOOT_A) + 48, struct.pack("<Q", 1 << bit))
    disk = opened(image)
    partition(disk, BOOT_B).set_name("touched")
    disk.commitToDevice()
    assert boot_a(image).attributes == 1 << bit


def test_a_new_name_keeps_the_bits(image: Path) -> None:
    disk = opened(image)
    partition(disk).set_name("another")
    disk.commitToDevice()
    assert (boot_a(image).name, boot_a(image).attributes) == ("another", WORD)


def test_a_new_size_keeps_bits_type_and_name(image: Path) -> None:
    disk = opened(image)
    old = partition(disk).geometry
    disk.setPartitionGeometry(
        partition(disk),
        parted.Constraint(exactGeom=parted.Geometry(disk.device, start=old.start, end=old.end - 8)),
        old.start,
        old.end - 8,
    )
    before = boot_a(image)
    disk.commitToDevice()
    after = boot_a(image)
    assert after.sectors == before.sectors - 8
    assert (after.attributes, after.type_guid, after.unique_guid, after.name) == (
        before.attributes,
        before.type_guid,
        before.unique_guid,
        before.name,
    )


def test_types_that_it_does_not_know_are_kept(image: Path) -> None:
    disk = opened(image)
    disk.commitToDevice()
    assert boot_a(image).type_guid == PartitionType.BOOT.guid


def test_a_copy_of_the_disk_object_has_the_bits(image: Path) -> None:
    opened(image).duplicate().commitToDevice()
    assert boot_a(image).attributes == WORD


# Not reachable.


def test_no_flag_stands_for_a_high_bit(image: Path) -> None:
    for flag in available(image):
        disk = opened(image)
        partition(disk).getPedPartition().set_flag(flag, 1)
        disk.commitToDevice()
        assert boot_a(image).attributes >> 48 == WORD >> 48, _ped.partition_flag_get_name(flag)


def test_no_flag_is_shown_for_high_bits(image: Path) -> None:
    assert partition(opened(image)).getFlagsAsString() == ""


def test_only_hidden_and_legacy_boot_are_attribute_bits(image: Path) -> None:
    changed = {}
    for flag in available(image):
        disk = opened(image)
        before = boot_a(image).attributes
        partition(disk).getPedPartition().set_flag(flag, 1)
        disk.commitToDevice()
        difference = boot_a(image).attributes ^ before
        if difference:
            changed[_ped.partition_flag_get_name(flag)] = difference
    assert changed == {"hidden": 1 << 0, "legacy_boot": 1 << 2}


def test_type_guids_cannot_be_set_before_version_3_6(image: Path) -> None:
    if tuple(map(int, parted.version()["libparted"].split(".")[:2])) >= (3, 6):
        partition(opened(image)).set_type_uuid(PartitionType.BOOT.guid.bytes_le)
        return
    with pytest.raises(NotImplementedError):
        _ = partition(opened(image)).type_uuid


# Lost.


def test_a_new_partition_has_no_bits(image: Path) -> None:
    disk = opened(image)
    old = partition(disk)
    geometry = old.geometry
    disk.deletePartition(old)
    again = parted.Partition(disk, parted.PARTITION_NORMAL, geometry=geometry)
    before = boot_a(image)
    disk.addPartition(again, parted.Constraint(exactGeom=geometry))
    disk.commitToDevice()
    after = boot_a(image)
    assert (after.first_lba, after.last_lba) == (before.first_lba, before.last_lba)
    assert (after.attributes, after.name, str(after.type_guid)) == (0, "", LINUX_DATA)
    assert after.unique_guid != before.unique_guid


def test_a_file_system_type_replaces_our_partition_type(image: Path) -> None:
    disk = opened(image)
    partition(disk).getPedPartition().set_system(_ped.file_system_type_get("ext4"))
    disk.commitToDevice()
    assert str(boot_a(image).type_guid) == LINUX_DATA
    assert boot_a(image).attributes == WORD


@pytest.mark.parametrize("flag", ["boot", "esp", "lvm", "raid", "swap", "msftdata", "bios_grub"])
def test_a_type_flag_replaces_our_partition_type_even_when_taken_back(
    image: Path, flag: str
) -> None:
    number = _ped.partition_flag_get_by_name(flag)
    disk = opened(image)
    partition(disk).setFlag(number)
    partition(disk).unsetFlag(number)
    disk.commitToDevice()
    assert boot_a(image).type_guid != PartitionType.BOOT.guid


def test_what_lies_in_unused_slots_is_wiped(image: Path) -> None:
    patch(image, slot_offset(UNUSED) + 48, b"residue!")
    opened(image).commitToDevice()
    assert table_of(image).entry(UNUSED).attributes == 0


def test_the_reserved_header_field_is_wiped(image: Path) -> None:
    patch(image, PRIMARY + 20, b"RSVD")
    assert table_of(image).header.reserved != 0
    opened(image).commitToDevice()
    assert table_of(image).header.reserved == 0


def test_bytes_behind_the_header_are_wiped(image: Path) -> None:
    patch(image, PRIMARY + 92, b"leftover")
    opened(image).commitToDevice()
    assert image.read_bytes()[PRIMARY + 92 : PRIMARY + 100] == bytes(8)


def test_entries_longer_than_128_bytes_are_cut(image: Path) -> None:
    disk = bytearray(image.read_bytes())
    slots = [disk[slot_offset(number) : slot_offset(number) + 128] for number in range(1, 65)]
    disk[PRIMARY + 80 : PRIMARY + 88] = struct.pack("<II", 64, 256)
    disk[-512 + 80 : -512 + 88] = struct.pack("<II", 64, 256)
    disk[ARRAY : ARRAY + 128 * 128] = b"".join(bytes(slot) + b"T" * 128 for slot in slots)
    image.write_bytes(disk)
    patch(image, 0, b"")
    assert table_of(image).entry(BOOT_A).tail == b"T" * 128
    opened(image).commitToDevice()
    assert table_of(image).header.entry_size == 128
    assert boot_a(image).attributes == WORD


# Refused.


@pytest.mark.parametrize("offset", [PRIMARY + 60, slot_offset(BOOT_A) + 50, -512 + 60])
def test_a_damaged_copy_is_not_opened_and_not_touched(image: Path, offset: int) -> None:
    disk = bytearray(image.read_bytes())
    disk[offset] ^= 1
    image.write_bytes(disk)
    with pytest.raises(_ped.DiskException, match="corrupt, but the"):
        opened(image)
    assert image.read_bytes() == disk


def test_opening_writes_nothing(image: Path) -> None:
    os.truncate(image, image.stat().st_size + (8 << 20))
    before = image.read_bytes()
    opened(image)
    assert image.read_bytes() == before


def test_the_command_keeps_the_bits_as_well(image: Path) -> None:
    run("parted", "--script", image, "name", str(BOOT_B), "touched")
    assert boot_a(image).attributes == WORD
