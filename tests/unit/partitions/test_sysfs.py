from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from partitions.errors import DeviceMissing, DiscoveryError
from partitions.layout import Slot
from partitions.sysfs import Located, from_disk, from_image, locate
from tests.fakes import sysfs_tree
from tests.fakes.sysfs_tree import Machine


def find(machine: Machine) -> Located:
    return locate(machine.root, stat_root=machine.stat_root)


def test_verity_root_on_nvme_leads_to_its_partition(tmp_path: Path) -> None:
    located = find(sysfs_tree.nvme_with_verity(tmp_path))
    assert located.disk == tmp_path / "dev/nvme0n1"
    assert located.active_partition == 4


def test_every_partition_has_its_node(tmp_path: Path) -> None:
    nodes = find(sysfs_tree.nvme_with_verity(tmp_path)).nodes
    assert dict(nodes) == {n: tmp_path / f"dev/nvme0n1p{n}" for n in range(1, 14)}


def test_plain_root_on_virtio(tmp_path: Path) -> None:
    located = find(sysfs_tree.virtio_plain(tmp_path))
    assert (located.disk.name, located.active_partition) == ("vda", 9)
    assert located.nodes[13] == tmp_path / "dev/vda13"


def test_second_of_two_sata_disks(tmp_path: Path) -> None:
    located = find(sysfs_tree.sata_with_two_disks(tmp_path))
    assert (located.disk.name, located.active_partition) == ("sdb", 4)
    assert {node.name[:3] for node in located.nodes.values()} == {"sdb"}


def test_minors_above_255_are_not_cut(tmp_path: Path) -> None:
    located = find(sysfs_tree.many_disks(tmp_path))
    assert (located.disk.name, located.active_partition) == ("nvme7n1", 4)


def test_single_set_disk_on_mmc(tmp_path: Path) -> None:
    located = find(sysfs_tree.single_set(tmp_path))
    assert (located.disk.name, located.active_partition) == ("mmcblk0", 4)
    assert located.nodes[8] == tmp_path / "dev/mmcblk0p8"


def test_partitions_of_a_loop_device(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_disk("loop3", (7, 3), bus="virtual/block")
    machine.add_partitions("loop3", "p", 259, range(10))
    located = find(machine.mount_root((259, 3)))
    assert (located.disk.name, located.active_partition) == ("loop3", 4)


def test_a_name_with_a_slash_is_written_with_a_bang_in_sysfs(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_disk("cciss!c0d0", (104, 0))
    machine.add_partition("cciss!c0d0", "cciss!c0d0p4", 4, (104, 4))
    located = find(machine.mount_root((104, 4)))
    assert located.disk == tmp_path / "dev/cciss/c0d0"
    assert located.nodes == {4: tmp_path / "dev/cciss/c0d0p4"}


def test_mapper_without_uuid_is_taken_for_verity_set_up_by_the_kernel(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_disk("sda", (8, 0))
    machine.add_partitions("sda", "", 8, range(1, 14))
    machine.add_mapper("dm-0", (253, 0), "", "sda9", "sda10")
    (tmp_path / "sys/block/dm-0/dm/uuid").unlink()
    assert find(machine.mount_root((253, 0))).active_partition in {9, 10}


def test_multipath_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DiscoveryError, match=r"multipath.*not supported"):
        find(sysfs_tree.multipath(tmp_path))


@pytest.mark.parametrize("minor", [0, 1])
def test_plain_root_on_multipath_is_refused_too(tmp_path: Path, minor: int) -> None:
    machine = sysfs_tree.multipath(tmp_path).mount_root((253, minor))
    with pytest.raises(DiscoveryError, match="multipath"):
        find(machine)


@pytest.mark.parametrize(
    ("uuid", "word"), [("LVM-abc", "logical volume"), ("CRYPT-LUKS2-ab", "encrypted volume")]
)
def test_other_mappers_are_refused_by_name(tmp_path: Path, uuid: str, word: str) -> None:
    machine = Machine(tmp_path)
    machine.add_disk("sda", (8, 0))
    machine.add_partitions("sda", "", 8, range(1, 14))
    machine.add_mapper("dm-0", (253, 0), uuid, "sda4")
    with pytest.raises(DiscoveryError, match=word):
        find(machine.mount_root((253, 0)))


def test_verity_over_another_mapper_is_refused(tmp_path: Path) -> None:
    machine = sysfs_tree.nvme_with_verity(tmp_path)
    machine.add_mapper("dm-1", (253, 1), "CRYPT-VERITY-2", "dm-0")
    with pytest.raises(DiscoveryError, match="another device-mapper device"):
        find(machine.mount_root((253, 1)))


def test_verity_over_two_disks_is_refused(tmp_path: Path) -> None:
    machine = sysfs_tree.sata_with_two_disks(tmp_path)
    machine.add_mapper("dm-0", (253, 0), "CRYPT-VERITY-1", "sda4", "sdb5")
    with pytest.raises(DiscoveryError, match=r"several disks \(sda, sdb\)"):
        find(machine.mount_root((253, 0)))


def test_mapper_on_nothing_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_mapper("dm-0", (253, 0), "CRYPT-VERITY-1")
    with pytest.raises(DiscoveryError, match="lies on no device"):
        find(machine.mount_root((253, 0)))


@pytest.mark.parametrize("minor", [0, 35, 300])
def test_overlay_and_btrfs_have_no_device(tmp_path: Path, minor: int) -> None:
    with pytest.raises(DiscoveryError, match=r"no block device of its own.*--disk"):
        find(Machine(tmp_path).mount_root((0, minor)))


def test_a_whole_disk_as_root_is_refused(tmp_path: Path) -> None:
    machine = sysfs_tree.virtio_plain(tmp_path).mount_root((254, 0))
    with pytest.raises(DiscoveryError, match="vda, a whole disk without partitions"):
        find(machine)


def test_raid_as_root_is_refused_by_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_disk("md0", (9, 0))
    (tmp_path / "sys/block/md0/md").mkdir()
    with pytest.raises(DiscoveryError, match="md0, a RAID array"):
        find(machine.mount_root((9, 0)))


def test_no_sysfs_is_said(tmp_path: Path) -> None:
    with pytest.raises(DiscoveryError, match=r"is /sys mounted\?"):
        locate(tmp_path, stat_root=Machine(tmp_path).mount_root((8, 4)).stat_root)


def test_a_partition_number_that_is_none_is_refused(tmp_path: Path) -> None:
    machine = sysfs_tree.virtio_plain(tmp_path)
    (tmp_path / "sys/class/block/vda9/partition").write_text("nine\n")
    with pytest.raises(DiscoveryError, match="'nine', not a partition number"):
        find(machine)


def test_the_running_kernel_is_asked_by_default() -> None:
    # This machine may be anything: the answer or the reason against it is ours either way.
    try:
        assert locate().disk.is_block_device()
    except DiscoveryError as error:
        assert "--disk" in str(error)  # noqa: PT017 - both outcomes are right


def test_an_image_file_has_no_nodes(tmp_path: Path) -> None:
    located = from_image(tmp_path / "disk.img", Slot.B)
    assert (located.active, located.active_partition, dict(located.nodes)) == (Slot.B, None, {})


def test_a_named_image_file_is_taken_as_given(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.touch()
    assert from_disk(image, root=tmp_path / "nothing") == from_image(image)


def test_an_image_file_may_lie_in_dev(tmp_path: Path) -> None:
    machine = sysfs_tree.virtio_plain(tmp_path)
    image = machine.node("shm/disk.img")
    image.parent.mkdir()
    image.touch()
    assert from_disk(image, root=tmp_path) == from_image(image)


def test_a_named_disk_with_its_active_set_asks_the_system_nothing(tmp_path: Path) -> None:
    machine = sysfs_tree.sata_with_two_disks(tmp_path).mount_root((0, 30))
    located = from_disk(machine.node("sda"), Slot.B, tmp_path, stat_root=machine.stat_root)
    assert (located.active, located.active_partition) == (Slot.B, None)
    assert located.nodes[3] == machine.node("sda3")


def test_the_running_disk_may_be_named_without_its_set(tmp_path: Path) -> None:
    machine = sysfs_tree.nvme_with_verity(tmp_path)
    located = from_disk(machine.node("nvme0n1"), root=tmp_path, stat_root=machine.stat_root)
    assert located.active_partition == 4


def test_a_disk_may_be_named_by_a_link(tmp_path: Path) -> None:
    machine = sysfs_tree.nvme_with_verity(tmp_path)
    link = tmp_path / "dev/disk/by-id/nvme-eui.01"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../nvme0n1")
    located = from_disk(link, root=tmp_path, stat_root=machine.stat_root)
    assert (located.disk, located.active_partition) == (link, 4)


def test_another_disk_than_the_running_one_needs_its_set(tmp_path: Path) -> None:
    machine = sysfs_tree.sata_with_two_disks(tmp_path)
    with pytest.raises(DiscoveryError, match=r"runs from .*sdb, not from .*sda; say with --active"):
        from_disk(machine.node("sda"), root=tmp_path, stat_root=machine.stat_root)


def test_a_disk_whose_running_set_nobody_knows_needs_it_said(tmp_path: Path) -> None:
    machine = sysfs_tree.sata_with_two_disks(tmp_path).mount_root((0, 30))
    with pytest.raises(DiscoveryError, match=r"which set of .*sda runs\?"):
        from_disk(machine.node("sda"), root=tmp_path, stat_root=machine.stat_root)


def test_a_partition_is_no_disk(tmp_path: Path) -> None:
    machine = sysfs_tree.sata_with_two_disks(tmp_path)
    with pytest.raises(DiscoveryError, match=r"one partition; name the whole disk, .*dev/sda$"):
        from_disk(machine.node("sda4"), Slot.A, tmp_path, stat_root=machine.stat_root)


def test_a_multipath_disk_is_refused_when_named(tmp_path: Path) -> None:
    machine = sysfs_tree.multipath(tmp_path)
    with pytest.raises(DiscoveryError, match="multipath"):
        from_disk(machine.node("dm-0"), Slot.A, tmp_path, stat_root=machine.stat_root)


def test_a_disk_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="never created"):
        from_disk(tmp_path / "dev/sdz", Slot.A, tmp_path)


@pytest.mark.root
@pytest.mark.parametrize("active", [None, Slot.A])
def test_a_device_that_sysfs_does_not_know_is_no_image_file(
    tmp_path: Path, active: Slot | None
) -> None:
    alias = tmp_path / "alias"
    os.mknod(alias, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    with pytest.raises(DiscoveryError, match="does not know by this name"):
        from_disk(alias, active)
