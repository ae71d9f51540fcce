"""The backend over a folder, with a disk in memory; the firmware is played by a fake of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from partitions.bootcontrol import BootControl
from partitions.errors import AlreadyMarked, BootUnconfirmed, DeviceMissing, NotBootable
from partitions.slot import Slot
from partitions.sysfs import Located
from partitions.systemdboot.control import SystemdBootControl
from partitions.systemdboot.esp import Esp
from partitions.systemdboot.program import NoProgram
from tests.fakes.systemd_boot import efi_program, start
from tests.fakes.two_sets import DISK, TwoSets, two_sets

STEMS = ("os-a", "os-b")


@dataclass
class Stand:
    """A machine.

    Attributes:
        esp: its EFI system partition.
        sets: its disk.
        running: the set that it runs from.
        syncs: how often something was made durable.
    """

    esp: Path
    sets: TwoSets = field(default_factory=two_sets)
    running: Slot = Slot.A
    syncs: int = 0

    @property
    def control(self) -> SystemdBootControl:
        located = Located(DISK, active=self.running)
        return SystemdBootControl(located, Esp(self.esp, STEMS, self._sync), self.sets.opener)

    def files(self) -> list[str]:
        folders = (self.esp / "loader/entries", self.esp / "EFI/updog")
        return sorted(path.name for folder in folders for path in folder.glob("*.conf"))

    def fill(self, content: bytes) -> None:
        place = self.sets.places["boot"]
        self.sets.disk.data[place.start : place.start + len(content)] = content

    def update(self, content: bytes = b"new") -> None:
        self.control.clear_inactive()
        self.fill(efi_program(content))
        self.control.mark_inactive_valid(1)
        self.control.activate()

    def restart(self) -> Slot:
        program = start(self.esp)
        assert program is not None
        self.running = Slot.A if program.endswith("a.efi") else Slot.B
        return self.running

    def _sync(self, number: int) -> None:
        assert number >= 0
        self.syncs += 1


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    (tmp_path / "loader/entries").mkdir(parents=True)
    (tmp_path / "EFI/updog").mkdir(parents=True)
    (tmp_path / "EFI/updog/os-a.efi").write_bytes(efi_program(b"first"))
    entry = "sort-key updog-14\ntitle A\nefi /EFI/updog/os-a.efi\n"
    (tmp_path / "loader/entries/os-a-1.conf").write_text(entry)
    return Stand(tmp_path)


def test_it_is_a_boot_control(stand: Stand) -> None:
    control: BootControl = stand.control
    assert control.status().confirmed


def test_a_new_machine_runs_a_confirmed(stand: Stand) -> None:
    status = stand.control.status()
    assert (status.active, status.next, status.confirmed) == (Slot.A, Slot.A, True)
    assert tuple(status.flags(Slot.A)) == (1, 0, True)
    assert tuple(status.flags(Slot.B)) == (0, 0, False)
    assert not status.ever_succeeded
    assert status.notes == ()


def test_an_update_is_started_once_and_confirmed_by_its_name(stand: Stand) -> None:
    stand.update()
    assert stand.files() == ["os-a-1.conf", "os-b-2+1.conf"]
    assert stand.control.status().next is Slot.B
    assert stand.restart() is Slot.B
    assert stand.files() == ["os-a-1.conf", "os-b-2+0-1.conf"]
    assert not stand.control.status().confirmed
    stand.control.mark_successful()
    assert stand.files() == ["os-a-1.conf", "os-b-2.conf"]
    assert stand.control.status().confirmed
    assert stand.control.has_ever_succeeded()
    assert stand.restart() is Slot.B


def test_an_update_that_is_not_confirmed_falls_back(stand: Stand) -> None:
    stand.update()
    assert stand.restart() is Slot.B
    assert stand.control.status().next is Slot.A
    assert stand.restart() is Slot.A
    assert stand.control.status().confirmed


def test_a_valid_set_is_not_started_before_it_is_chosen(stand: Stand) -> None:
    stand.control.clear_inactive()
    stand.fill(efi_program(b"new"))
    stand.control.mark_inactive_valid(3)
    assert stand.control.status().next is Slot.A
    assert tuple(stand.control.status().flags(Slot.B)) == (0, 3, False)
    assert stand.restart() is Slot.A


def test_cancel_and_activate_again(stand: Stand) -> None:
    stand.update()
    stand.control.cancel()
    assert stand.restart() is Slot.A
    stand.control.activate()
    assert stand.restart() is Slot.B


def test_rollback_goes_back_and_forth(stand: Stand) -> None:
    stand.update()
    stand.restart()
    stand.control.mark_successful()
    stand.control.rollback()
    assert stand.restart() is Slot.A
    stand.control.rollback()
    assert stand.restart() is Slot.B


def test_the_program_is_the_set_s_own_and_ends_where_it_ends(stand: Stand) -> None:
    program = efi_program(b"second" * 1000, signature=b"signature")
    stand.control.clear_inactive()
    stand.fill(program + b"what an older image left behind")
    stand.control.mark_inactive_valid(1)
    assert (stand.esp / "EFI/updog/os-b.efi").read_bytes() == program


def test_a_boot_image_that_is_no_program_is_refused_before_the_set_is_valid(stand: Stand) -> None:
    stand.control.clear_inactive()
    with pytest.raises(NoProgram):
        stand.control.mark_inactive_valid(1)
    assert stand.files() == ["os-a-1.conf"]


def test_the_rules_are_those_of_every_backend(stand: Stand) -> None:
    with pytest.raises(NotBootable):
        stand.control.activate()
    stand.update()
    with pytest.raises(AlreadyMarked):
        stand.control.activate()
    stand.restart()
    with pytest.raises(BootUnconfirmed):
        stand.control.clear_inactive()


def test_the_partition_table_is_never_written(stand: Stand) -> None:
    stand.update()
    stand.restart()
    stand.control.mark_successful()
    assert stand.sets.disk.writes == []


def test_every_change_is_made_durable(stand: Stand) -> None:
    stand.update()
    before = stand.syncs
    stand.restart()
    stand.control.mark_successful()
    # Draft, its folder, its new name, the folder, the old name's removal, the first success.
    assert stand.syncs - before == 6


def test_a_partition_that_is_not_mounted_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="loader/entries"):
        Stand(tmp_path / "nowhere").control.status()


def test_a_default_in_loader_conf_is_told_of(stand: Stand) -> None:
    (stand.esp / "loader/loader.conf").write_text("timeout 3\ndefault arch-*\n")
    assert "default arch-*" in stand.control.status().notes[0]


def test_entries_of_others_are_told_of_and_left_alone(stand: Stand) -> None:
    other = stand.esp / "loader/entries/debian.conf"
    other.write_text("linux /vmlinuz\n")
    assert stand.control.status().notes == (
        "systemd-boot also has entries that are not ours: debian.conf",
    )
    stand.update()
    assert other.read_text() == "linux /vmlinuz\n"


def test_what_an_interrupted_change_left_is_not_removed_and_not_in_the_way(stand: Stand) -> None:
    stand.control.clear_inactive()
    left = stand.esp / "loader/entries/os-b-2+1.conf.new"
    left.write_text("sort-key")
    stand.update()
    assert stand.restart() is Slot.B
    assert left.read_text() == "sort-key"


def test_why_the_next_boot_is_what_it_is(stand: Stand) -> None:
    assert stand.control.next_boot().why == (
        "set A has the first entry, os-a-1.conf; it is marked successful"
    )
    stand.update()
    assert "this boot spends its last try" in stand.control.next_boot().why
    (stand.esp / "loader/entries/os-a-1.conf").unlink()
    stand.restart()
    assert "its tries are spent" in stand.control.next_boot().why
    (stand.esp / "loader/entries/os-b-2+0-1.conf").unlink()
    assert stand.control.next_boot().slot is None
