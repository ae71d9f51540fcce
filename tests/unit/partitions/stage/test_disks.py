from __future__ import annotations

from pathlib import Path

import pytest

from partitions.guid import NIL
from partitions.layout import Layout, Slot, with_active
from partitions.stage.disks import disks, find_disk, set_nodes
from partitions.stage.errors import StageError
from tests.fakes.gpt_disk import disk_with, guid, make_table
from tests.fakes.sysfs_tree import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def add(machine: Machine, name: str, minor: int, content: bytes = b"") -> Path:
    """A disk that is hardware: it has a device behind it."""
    node = machine.add_disk(name, (259, minor))
    (machine.root / "sys/block" / name / "device").mkdir()
    node.write_bytes(content)
    return node


def ours() -> bytes:
    return bytes(disk_with(make_table()).data)


def layout() -> Layout:
    return with_active(make_table(), Slot.B)


def test_a_disk_with_sets_is_found_among_others(machine: Machine) -> None:
    add(machine, "sda", 0, bytes(1 << 16))
    wanted = add(machine, "sdb", 16, ours())
    found = find_disk(None, machine.root, patience=0)
    assert found.path == wanted
    assert found.result.table == make_table()
    assert found.result.healthy


def test_smaller_numbers_come_first(machine: Machine) -> None:
    names = ["nvme10n1", "nvme2n1", "nvme2n2", "sda"]
    for minor, name in enumerate(names):
        add(machine, name, minor)
    found = [node.name for node in disks(machine.root)]
    assert found == ["nvme2n1", "nvme2n2", "nvme10n1", "sda"]


def test_what_is_no_hardware_is_not_looked_at(machine: Machine) -> None:
    machine.add_disk("loop0", (7, 0)).write_bytes(ours())
    with pytest.raises(StageError, match="no disk"):
        find_disk(None, machine.root, patience=0)


def test_a_disk_is_found_by_the_name_in_its_table(machine: Machine) -> None:
    wanted = add(machine, "sda", 0, ours())
    assert find_disk(guid(0), machine.root, patience=0).path == wanted


def test_another_disk_than_the_named_one_is_refused(machine: Machine) -> None:
    add(machine, "sda", 0, ours())
    with pytest.raises(StageError, match=rf"sda is disk {guid(0)}, not {NIL}"):
        find_disk(NIL, machine.root, patience=0)


def test_a_damaged_copy_is_told(machine: Machine) -> None:
    data = bytearray(ours())
    data[512:520] = bytes(8)
    add(machine, "sda", 0, bytes(data))
    found = find_disk(None, machine.root, patience=0)
    assert not found.result.healthy
    assert found.result.table.entries == make_table().entries


def test_the_message_says_what_each_disk_is(machine: Machine) -> None:
    add(machine, "sda", 0, bytes(1 << 16))
    with pytest.raises(StageError, match=r"no disk with partition sets: .*sda: no whole partition"):
        find_disk(None, machine.root, patience=0)


def test_the_nodes_of_a_set_are_those_of_its_numbers(machine: Machine) -> None:
    disk = add(machine, "sda", 0, ours())
    machine.add_partitions("sda", "", 259, range(1, 14))
    nodes = set_nodes(disk, layout().active_set, machine.root)
    assert [node.name for node in nodes] == ["sda8", "sda9", "sda10"]


def test_partitions_that_the_kernel_does_not_show_are_told(machine: Machine) -> None:
    disk = add(machine, "sda", 0, ours())
    # A plain file does not take the request to read its table again.
    with pytest.raises(StageError, match="does not read the table"):
        set_nodes(disk, layout().active_set, machine.root)


def test_a_disk_that_cannot_be_read_does_not_hide_another(machine: Machine) -> None:
    add(machine, "sda", 0, b"short")
    wanted = add(machine, "sdb", 16, ours())
    assert find_disk(None, machine.root, patience=0).path == wanted
