"""The disks that we make: upstream's plan, in every reader's eyes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.bootflags import BootFlags
from partitions.device import open_device
from partitions.disk import read_table
from partitions.errors import DeviceBusy, DeviceError, DeviceMissing, PartitionError
from partitions.gpt import Table
from partitions.guid import PartitionType
from partitions.image import create_image, format_disk, random_guid, read_back, seeded_guids
from partitions.layout import Slot, with_active
from partitions.plan import (
    DATA_FALLBACK,
    DATA_PREFERRED,
    MIB,
    DataPlan,
    PlannedPartition,
    SetSizes,
    data_plan,
    disk_size,
    plan,
    plan_for,
)
from tests.integration.table_tools import assert_sound, cgpt_flags, run, sgdisk_attributes

# formats 11.1, the table for an OS image of 2 GiB.
TWO_GIB = [
    ("BIOS-BOOT", 1, 4),
    ("EFI-SYSTEM", 5, 5),
    ("BOTTLEROCKET-BOOT-A", 10, 40),
    ("BOTTLEROCKET-ROOT-A", 50, 920),
    ("BOTTLEROCKET-HASH-A", 970, 10),
    ("BOTTLEROCKET-RESERVED-A", 980, 25),
    ("EFI-BACKUP", 1005, 5),
    ("BOTTLEROCKET-BOOT-B", 1010, 40),
    ("BOTTLEROCKET-ROOT-B", 1050, 920),
    ("BOTTLEROCKET-HASH-B", 1970, 10),
    ("BOTTLEROCKET-RESERVED-B", 1980, 25),
    ("BOTTLEROCKET-PRIVATE", 2005, 41),
    ("", 2046, 1),
]
KINDS = [
    PartitionType.BIOS_BOOT,
    PartitionType.EFI_SYSTEM,
    *(PartitionType.BOOT, PartitionType.ROOT, PartitionType.HASH, PartitionType.RESERVED),
    PartitionType.EFI_BACKUP,
    *(PartitionType.BOOT, PartitionType.ROOT, PartitionType.HASH, PartitionType.RESERVED),
    PartitionType.PRIVATE,
    PartitionType.DATA,
]
SMALL = plan_for(root_mib=3, hash_mib=1, boot_mib=2)


def table_of(path: Path) -> Table:
    with open_device(Extent(path), Access.READ) as io:
        result = read_table(io)
    assert result.healthy
    assert result.notes == ()
    return result.table


def made(folder: Path, partitions: tuple[PlannedPartition, ...], sector_size: int = 512) -> Path:
    path = folder / "disk.img"
    create_image(path, partitions, new_guid=seeded_guids("layout"), sector_size=sector_size)
    return path


def test_plan_for_two_gib_is_upstreams_table() -> None:
    assert [(each.label, each.start_mib, each.size_mib) for each in plan()] == TWO_GIB
    assert [each.kind for each in plan()] == KINDS
    assert [each.number for each in plan()] == list(range(1, 14))


@pytest.mark.parametrize("gib", [1, 2, 4])
def test_the_plan_fills_the_os_image_exactly(gib: int) -> None:
    assert disk_size(plan(gib)) == gib * 1024 * MIB
    assert disk_size(plan(gib, in_place_updates=False)) == gib * 1024 * MIB


def test_unified_data_lies_behind_the_system() -> None:
    unified = plan(2, data=DataPlan.UNIFIED, data_gib=20)
    assert unified[:-1] == plan(2)[:-1]
    assert (unified[-1].start_mib, unified[-1].size_mib) == (2046, 20 * 1024)
    assert unified[-1].unique_guid == DATA_PREFERRED


def test_split_data_is_a_placeholder_and_a_second_disk() -> None:
    assert (plan()[-1].size_mib, plan()[-1].unique_guid) == (1, DATA_FALLBACK)
    (second,) = data_plan(20)
    assert (second.start_mib, second.size_mib, second.unique_guid) == (1, 20480, DATA_PREFERRED)


def test_a_single_set_takes_the_room_of_two() -> None:
    single = plan(1, in_place_updates=False)
    assert [(each.label, each.size_mib) for each in single] == [
        ("BIOS-BOOT", 4),
        ("EFI-SYSTEM", 10),
        ("BOTTLEROCKET-BOOT-A", 40),
        ("BOTTLEROCKET-ROOT-A", 920),
        ("BOTTLEROCKET-HASH-A", 10),
        ("BOTTLEROCKET-RESERVED-A", 20),
        ("BOTTLEROCKET-PRIVATE", 17),
        ("", 1),
    ]


def test_small_disks_have_the_same_partitions_in_the_same_order() -> None:
    assert [(each.label, each.kind) for each in SMALL] == [
        (each.label, each.kind) for each in plan()
    ]
    sizes = {each.label: each.size_mib for each in SMALL}
    for letter in "AB":
        assert sizes[f"BOTTLEROCKET-ROOT-{letter}"] == 3
        assert sizes[f"BOTTLEROCKET-HASH-{letter}"] == 1
        assert sizes[f"BOTTLEROCKET-BOOT-{letter}"] == 2


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_sizes_below_one_mib_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 MiB"):
        plan_for(*sizes)


def test_sizes_below_one_gib_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        plan(0)
    with pytest.raises(ValueError, match="at least 1"):
        plan(data_gib=0)
    with pytest.raises(ValueError, match="at least 1"):
        data_plan(0)


def test_doubling_doubles_each_size() -> None:
    assert SetSizes(1, 2, 3, 4, 5).doubled == SetSizes(2, 4, 6, 8, 10)


@pytest.mark.parametrize("partitions", [plan(), SMALL, plan(1, in_place_updates=False)])
def test_the_disk_is_what_was_planned(
    tmp_path: Path, partitions: tuple[PlannedPartition, ...]
) -> None:
    table = table_of(made(tmp_path, partitions))
    for planned in partitions:
        entry = table.entry(planned.number)
        assert entry.type_guid == planned.kind.guid
        assert entry.name == planned.label
        assert entry.first_lba * 512 == planned.start_mib * MIB
        assert entry.sectors * 512 == planned.size_mib * MIB
        assert entry.attributes == planned.attributes
    assert sum(1 for _ in table.used()) == len(partitions)


def test_libparted_reads_back_what_was_planned(tmp_path: Path) -> None:
    seen = read_back(made(tmp_path, plan()))
    assert [(each.label, each.start // MIB, each.size // MIB) for each in seen] == TWO_GIB


def test_every_tool_finds_the_disk_sound(tmp_path: Path) -> None:
    assert_sound(made(tmp_path, plan()))


def test_sfdisk_sees_the_same_partitions(tmp_path: Path) -> None:
    seen = json.loads(run("sfdisk", "--json", made(tmp_path, plan())))["partitiontable"]
    assert [
        (each.get("name", ""), each["start"] // 2048, each["size"] // 2048)
        for each in seen["partitions"]
    ] == TWO_GIB
    assert [each["type"].lower() for each in seen["partitions"]] == [str(k.guid) for k in KINDS]


def test_a_new_disk_boots_set_a_and_takes_it_for_proven(tmp_path: Path) -> None:
    path = made(tmp_path, SMALL)
    assert sgdisk_attributes(path, 3) == 0x0101_0000_0000_0000
    assert sgdisk_attributes(path, 8) == 0
    assert cgpt_flags(path, 3) == BootFlags(1, 0, successful=True)
    assert cgpt_flags(path, 8) == BootFlags()


def test_our_own_discovery_finds_both_sets(tmp_path: Path) -> None:
    layout = with_active(table_of(made(tmp_path, SMALL)), Slot.A)
    assert [(each.boot, each.root, each.hash) for each in layout.sets] == [(3, 4, 5), (8, 9, 10)]
    assert layout.private == 12


def test_the_file_is_sparse(tmp_path: Path) -> None:
    stat = made(tmp_path, plan()).stat()
    assert stat.st_size == 2 << 30
    assert stat.st_blocks * 512 < MIB


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", "s"), ("two", "s"), ("three", "t")):
        create_image(tmp_path / name, SMALL, new_guid=seeded_guids(seed))
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_a_path_can_be_used_again_for_another_size(tmp_path: Path) -> None:
    for sizes in ((1, 1, 1), (9, 1, 1), (1, 1, 1)):
        path = made(tmp_path, plan_for(*sizes))
        assert read_back(path)[3].size == sizes[0] * MIB
        path.unlink()


def test_guids_are_unique_on_a_disk_and_between_disks(tmp_path: Path) -> None:
    seen = set()
    for name in ("one", "two"):
        create_image(tmp_path / name, SMALL[:-1])
        table = table_of(tmp_path / name)
        seen |= {table.header.disk_guid, *(entry.unique_guid for _, entry in table.used())}
    assert len(seen) == 2 * (1 + len(SMALL) - 1)


def test_guids_say_that_they_are_random() -> None:
    for guid in (random_guid(), seeded_guids("x")()):
        assert str(guid)[14] == "4"
        assert str(guid)[19] in "89ab"


def test_4096_byte_sectors(tmp_path: Path) -> None:
    path = made(tmp_path, SMALL, sector_size=4096)
    table = table_of(path)
    assert table.sector_size == 4096
    assert table.entry(4).first_lba * 4096 == SMALL[3].start_mib * MIB
    assert [each.start // MIB for each in read_back(path, sector_size=4096)] == [
        each.start_mib for each in SMALL
    ]


@pytest.mark.parametrize("sector_size", [0, 520, 1024])
def test_other_sectors_are_refused_and_leave_no_file(tmp_path: Path, sector_size: int) -> None:
    with pytest.raises(ValueError, match="only 512 and 4096"):
        made(tmp_path, SMALL, sector_size=sector_size)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"precious")
    with pytest.raises(DeviceBusy, match="exists already and is not overwritten"):
        create_image(path, SMALL)
    assert path.read_bytes() == b"precious"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "disk.img").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeviceBusy):
        create_image(tmp_path / "disk.img", SMALL)
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="cannot create"):
        create_image(tmp_path / "no/disk.img", SMALL)


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(2 * MIB))
    with pytest.raises(DeviceError, match=r"has 2 MiB, the plan needs"):
        format_disk(path, SMALL)
    assert path.read_bytes() == bytes(2 * MIB)


def test_no_room_for_the_file_leaves_none_behind(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, before[1]))
    try:
        with pytest.raises(DeviceError, match="cannot size"):
            create_image(tmp_path / "disk.img", SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_another_kind_of_table_is_refused_when_read_back(tmp_path: Path) -> None:
    path = made(tmp_path, SMALL)
    run("parted", "--script", path, "mklabel", "msdos")
    with pytest.raises(PartitionError, match="of type msdos, not gpt"):
        read_back(path)


def test_no_table_is_refused_when_read_back(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4 * MIB))
    with pytest.raises(PartitionError, match="libparted refused"):
        read_back(path)


def test_only_making_images_needs_libparted() -> None:
    probe = (
        "import sys\n"
        "import partitions.image, partitions.signpost\n"
        "print(sorted({'parted', '_ped'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "[]\n"


def test_without_libparted_the_way_to_it_is_named(tmp_path: Path) -> None:
    probe = (
        "import sys\n"
        "sys.modules['parted'] = None\n"  # what Python takes for a module that is not installed
        "from pathlib import Path\n"
        "from partitions.image import create_image\n"
        "from partitions.plan import plan_for\n"
        f"create_image(Path({str(tmp_path / 'disk.img')!r}), plan_for(1, 1, 1))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert "pip install updog-agent[images]" in shown.stderr
    assert list(tmp_path.iterdir()) == []
