from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.bootcontrol import GptBootControl
from partitions.bootflags import BootFlags
from partitions.errors import (
    BootUnconfirmed,
    DiscoveryError,
    GptError,
    LayoutError,
    NoInactiveSet,
    PartitionError,
)
from partitions.image import create_image, seeded_guids
from partitions.layout import Slot
from partitions.plan import MIB, plan, plan_for
from partitions.sysfs import Located, from_image
from tests.fakes.gpt_disk import BOOT_A, ROOT_B, disk_with, guid, make_table, with_entry
from tests.fakes.memory_disk import Flush, MemoryDisk, MemoryDisks

DISK = Path("/dev/nvme0n1")
NODES = {number: Path(f"/dev/nvme0n1p{number}") for number in range(1, 14)}
IMAGE = Path("disk.img")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new disk: A(1,0,1) B(0,0,0)."""
    path = tmp_path_factory.mktemp("fresh") / "disk.img"
    create_image(path, plan_for(2, 1, 1), new_guid=seeded_guids("bootcontrol"))
    return path.read_bytes()


@pytest.fixture
def disk(fresh: bytes) -> MemoryDisk:
    return MemoryDisk(bytearray(fresh), sector_size=512)


def control(disk: MemoryDisk, located: Located) -> GptBootControl:
    return GptBootControl(located, MemoryDisks({located.disk: disk}))


@pytest.fixture
def running(disk: MemoryDisk) -> GptBootControl:
    """The disk of a machine that runs from set A."""
    return control(disk, Located(DISK, active_partition=4, nodes=NODES))


def spoil_primary(disk: MemoryDisk) -> None:
    disk.data[512 + 60] ^= 1


def spoil_backup(disk: MemoryDisk) -> None:
    disk.data[disk.size - 512 + 60] ^= 1


def test_status_of_a_new_disk(running: GptBootControl) -> None:
    status = running.status()
    assert (status.disk, status.active, status.next) == (DISK, Slot.A, Slot.A)
    assert status.flags(Slot.A) == BootFlags(1, 0, successful=True)
    assert status.flags(Slot.B) == BootFlags()
    assert status.confirmed
    assert not status.ever_succeeded
    assert status.healthy
    assert status.notes == ()


def test_each_set_shows_its_own_nodes_whichever_runs(disk: MemoryDisk) -> None:
    for slot in Slot:
        sets = control(disk, Located(DISK, active=slot, nodes=NODES)).status().sets
        assert [(each.slot, each.boot, each.root, each.hash) for each in sets] == [
            (Slot.A, "/dev/nvme0n1p3", "/dev/nvme0n1p4", "/dev/nvme0n1p5"),
            (Slot.B, "/dev/nvme0n1p8", "/dev/nvme0n1p9", "/dev/nvme0n1p10"),
        ]


def test_partitions_of_an_image_are_shown_by_number(disk: MemoryDisk) -> None:
    shown = control(disk, from_image(IMAGE)).status().sets[1]
    assert (shown.boot, shown.root, shown.hash) == ("disk.img#8", "disk.img#9", "disk.img#10")


def test_reading_opens_for_reading_and_writes_nothing(disk: MemoryDisk) -> None:
    opener = MemoryDisks({DISK: disk})
    asked = GptBootControl(Located(DISK, active=Slot.A, nodes=NODES), opener)
    asked.status()
    asked.has_ever_succeeded()
    asked.next_boot()
    asked.active_set()
    asked.inactive_set()
    assert {access for _, access in opener.opened} == {Access.READ}
    assert disk.log == []


def test_a_change_opens_the_disk_once_beside_its_mounted_partitions(disk: MemoryDisk) -> None:
    opener = MemoryDisks({DISK: disk})
    GptBootControl(Located(DISK, active=Slot.A, nodes=NODES), opener).mark_successful()
    assert opener.opened == [(Extent(DISK), Access.WRITE_SHARED)]
    assert disk.closed


def test_a_change_is_durable_when_it_returns(disk: MemoryDisk, running: GptBootControl) -> None:
    running.mark_inactive_valid(3)
    assert disk.writes
    assert isinstance(disk.log[-1], Flush)


def test_a_refused_change_writes_nothing(disk: MemoryDisk, running: GptBootControl) -> None:
    with pytest.raises(PartitionError):
        running.activate()
    with pytest.raises(PartitionError):
        running.rollback()
    assert disk.log == []
    assert disk.closed


def test_no_place_to_write_is_given_from_an_unsound_table() -> None:
    odd = with_entry(make_table(), ROOT_B, unique_guid=guid(BOOT_A))
    asked = control(disk_with(odd), from_image(IMAGE, Slot.A))
    assert asked.active_set().slot is Slot.A
    with pytest.raises(GptError, match="the same GUID"):
        asked.inactive_set()


def test_the_life_of_an_update(running: GptBootControl) -> None:
    running.clear_inactive()
    assert running.status().flags(Slot.B) == BootFlags()
    running.mark_inactive_valid(1)
    assert running.status().flags(Slot.B) == BootFlags(0, 1)
    running.activate()
    assert running.status().flags(Slot.B) == BootFlags(2, 1)
    assert running.status().next is Slot.B
    running.cancel()
    assert running.status().flags(Slot.A) == BootFlags(2, 0, successful=True)
    assert running.status().next is Slot.A


def test_success_is_remembered_on_the_disk(running: GptBootControl) -> None:
    assert not running.has_ever_succeeded()
    running.mark_successful()
    assert running.has_ever_succeeded()
    assert running.status().ever_succeeded


def test_going_back(disk: MemoryDisk, running: GptBootControl) -> None:
    running.mark_inactive_valid(1)
    running.activate()
    after_boot = control(disk, Located(DISK, active=Slot.B, nodes=NODES))
    assert not after_boot.status().confirmed
    after_boot.mark_successful()
    after_boot.rollback()
    status = after_boot.status()
    assert status.flags(Slot.A) == BootFlags(2, 0, successful=True)
    assert status.flags(Slot.B) == BootFlags(1, 1, successful=True)
    assert status.next is Slot.A


def test_clearing_beside_an_unconfirmed_boot_needs_force(disk: MemoryDisk) -> None:
    on_b = control(disk, Located(DISK, active=Slot.B, nodes=NODES))
    with pytest.raises(BootUnconfirmed):
        on_b.clear_inactive()
    # B was never even valid: clearing A would leave nothing, and force does not help.
    with pytest.raises(BootUnconfirmed):
        on_b.clear_inactive(force=True)
    on_b.mark_successful()


def test_extents_of_a_real_disk_are_its_nodes_as_long_as_the_table_says(
    running: GptBootControl,
) -> None:
    found = running.inactive_set()
    assert found.slot is Slot.B
    assert (found.boot, found.root, found.hash) == (
        Extent(NODES[8], 0, 1 * MIB),
        Extent(NODES[9], 0, 2 * MIB),
        Extent(NODES[10], 0, 1 * MIB),
    )
    assert running.active_set().root == Extent(NODES[4], 0, 2 * MIB)


def test_extents_of_an_image_are_windows(disk: MemoryDisk) -> None:
    found = control(disk, from_image(IMAGE, Slot.A)).active_set()
    assert found.boot == Extent(IMAGE, 3 * MIB, 1 * MIB)
    assert found.root == Extent(IMAGE, 4 * MIB, 2 * MIB)
    assert found.hash == Extent(IMAGE, 6 * MIB, 1 * MIB)


def test_a_partition_without_a_node_is_not_reached_through_the_disk(disk: MemoryDisk) -> None:
    some = {number: node for number, node in NODES.items() if number != 9}
    with pytest.raises(DiscoveryError, match="no node for partition 9"):
        control(disk, Located(DISK, active=Slot.A, nodes=some)).inactive_set()


def test_an_image_runs_from_the_set_that_boots_next(disk: MemoryDisk) -> None:
    image = control(disk, from_image(IMAGE))
    assert image.status().active is Slot.A
    control(disk, from_image(IMAGE, Slot.A)).mark_inactive_valid(1)
    control(disk, from_image(IMAGE, Slot.A)).activate()
    assert image.status().active is Slot.B


def make_unbootable(disk: MemoryDisk) -> None:
    """No bits on either set, as after a lost fight with a bootloader."""
    for table in (1024, disk.size - 33 * 512):
        disk.data[table + 2 * 128 + 48 : table + 2 * 128 + 56] = bytes(8)
    for header, array in ((512, 1024), (disk.size - 512, disk.size - 33 * 512)):
        reseal(disk.data, header, array)


def reseal(data: bytearray, header: int, array: int) -> None:

    struct.pack_into("<I", data, header + 88, zlib.crc32(data[array : array + 128 * 128]))
    struct.pack_into("<I", data, header + 16, 0)
    struct.pack_into("<I", data, header + 16, zlib.crc32(data[header : header + 92]))


def test_an_image_that_boots_nothing_needs_its_set_said(disk: MemoryDisk) -> None:
    make_unbootable(disk)
    with pytest.raises(DiscoveryError, match="say which it is with --active"):
        control(disk, from_image(IMAGE)).status()
    assert control(disk, from_image(IMAGE, Slot.B)).status().next is None


def test_next_boot_of_a_disk_that_boots_nothing(disk: MemoryDisk) -> None:
    make_unbootable(disk)
    following = control(disk, from_image(IMAGE)).next_boot()
    assert following.slot is None
    assert "priority above 0" in following.why


def test_next_boot_says_why_and_spends_nothing(disk: MemoryDisk, running: GptBootControl) -> None:
    running.mark_inactive_valid(2)
    running.activate()
    before = bytes(disk.data)
    following = running.next_boot()
    assert following.slot is Slot.B
    assert "one of its 2 tries" in following.why
    assert disk.data == before


@pytest.mark.parametrize(("spoil", "name"), [(spoil_primary, "primary"), (spoil_backup, "backup")])
def test_a_damaged_copy_is_noted_and_repaired_by_the_next_write(
    disk: MemoryDisk, running: GptBootControl, spoil: Callable[[MemoryDisk], None], name: str
) -> None:
    spoil(disk)
    status = running.status()
    assert not status.healthy
    assert any(note.startswith(f"{name} partition table: ") for note in status.notes)
    assert any(note.endswith("the next write repairs it") for note in status.notes)
    running.mark_successful()
    assert running.status().healthy


def test_repair_alone_says_what_it_found(disk: MemoryDisk, fresh: bytes) -> None:
    spoil_backup(disk)
    before = control(disk, from_image(IMAGE)).repair()
    assert not before.healthy
    assert disk.data == fresh


def test_repair_needs_no_bootable_set(disk: MemoryDisk) -> None:
    make_unbootable(disk)
    spoil_primary(disk)
    control(disk, from_image(IMAGE)).repair()
    assert control(disk, from_image(IMAGE, Slot.A)).status().healthy


def test_rewriting_a_sound_table_changes_no_byte(disk: MemoryDisk, fresh: bytes) -> None:
    control(disk, from_image(IMAGE)).rewrite_table()
    assert disk.data == fresh


def test_both_copies_damaged_is_refused(disk: MemoryDisk, running: GptBootControl) -> None:
    spoil_primary(disk)
    spoil_backup(disk)
    for call in (running.status, running.mark_successful, running.repair, running.next_boot):
        with pytest.raises(GptError):
            call()
    assert disk.log == []


def test_a_foreign_disk_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.img"
    create_image(foreign, plan_for(1, 1, 1)[:2])
    with pytest.raises(LayoutError, match="Is it the right disk"):
        GptBootControl(from_image(foreign)).next_boot()


def test_a_partition_outside_of_every_set_is_refused(disk: MemoryDisk) -> None:
    with pytest.raises(LayoutError, match="belongs to no partition set"):
        control(disk, Located(DISK, active_partition=12, nodes=NODES)).status()


def test_a_single_set_has_no_inactive_one(tmp_path: Path) -> None:
    path = tmp_path / "single.img"
    create_image(path, plan(1, in_place_updates=False))
    single = GptBootControl(from_image(path))
    assert [each.slot for each in single.status().sets] == [Slot.A]
    single.mark_successful()
    for call in (single.inactive_set, single.clear_inactive, single.activate, single.rollback):
        with pytest.raises(NoInactiveSet, match="one partition set only"):
            call()
