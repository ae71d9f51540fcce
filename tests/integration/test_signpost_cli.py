"""The ``signpost`` command on disk images, judged by sgdisk and cgpt.

Also the written-down answers for awkward disks; docs/boot-flags.md lists them with these names.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.boot import choose_next
from partitions.bootflags import BootFlags
from partitions.device import open_device
from partitions.disk import read_table, write_table
from partitions.guid import PartitionType
from partitions.image import create_image, seeded_guids
from partitions.plan import PlannedPartition, plan, plan_for
from partitions.signpost import main
from tests.fakes import sysfs_tree
from tests.fakes.sysfs_tree import Machine
from tests.integration.table_tools import (
    assert_sound,
    cgpt_attributes,
    cgpt_flags,
    run,
    sgdisk_attributes,
)

BOOT_A, BOOT_B, PRIVATE = 3, 8, 12
PLAN = plan_for(root_mib=1, hash_mib=1, boot_mib=1)
# (priority, tries left, successful) and the word of formats 9.2
PROVEN = (BootFlags(1, 0, successful=True), 0x0101_0000_0000_0000)
EMPTY = (BootFlags(), 0)
VALID = (BootFlags(0, 1), 0x0010_0000_0000_0000)
CHOSEN = (BootFlags(2, 1), 0x0012_0000_0000_0000)
TRIED = (BootFlags(2, 0), 0x0002_0000_0000_0000)
CONFIRMED = (BootFlags(2, 0, successful=True), 0x0102_0000_0000_0000)
EVER_SUCCEEDED = 0x0200_0000_0000_0000
TWO_SET_VERBS = (
    "clear-inactive",
    "mark-inactive-valid",
    "upgrade-to-inactive",
    "cancel-upgrade",
    "rollback-to-inactive",
)


@dataclass
class Disk:
    """A disk image and the console it is worked on from."""

    path: Path
    capsys: pytest.CaptureFixture[str]
    active: str | None = "A"

    def signpost(self, *words: str) -> str:
        """Run a command that must succeed; return what it printed."""
        status, out, err = self.attempt(*words)
        assert (status, err) == (0, "")
        return out

    def refused(self, *words: str) -> str:
        """Run a command that must fail and leave every byte alone; return its message."""
        before = self.path.read_bytes()
        status, out, err = self.attempt(*words)
        assert (status, out) == (1, "")
        assert err.startswith("signpost: ")
        assert err.endswith("\n")
        assert self.path.read_bytes() == before
        return err

    def attempt(self, *words: str) -> tuple[int, str, str]:
        """Run a command; return its status and what it printed."""
        active = () if self.active is None else ("--active", self.active)
        status = main([*words, "--disk", str(self.path), *active])
        shown = self.capsys.readouterr()
        return status, shown.out, shown.err

    def power_on(self) -> str | None:
        """Play the bootloader: pick a set, spend a try on disk; return the set."""
        with open_device(Extent(self.path), Access.WRITE) as io:
            choice = choose_next(read_table(io).table)
            if choice is None:
                return None
            write_table(io, choice.table)
        self.active = choice.slot.value
        return self.active

    def shows(self, a: tuple[BootFlags, int], b: tuple[BootFlags, int]) -> None:
        """Both sets have these bits for sgdisk, for cgpt, and for status; the table is sound."""
        for number, (flags, word) in ((BOOT_A, a), (BOOT_B, b)):
            assert sgdisk_attributes(self.path, number) == word
            assert cgpt_flags(self.path, number) == flags
            assert cgpt_attributes(self.path, number) == word
        assert_sound(self.path)


def make_disk(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    partitions: tuple[PlannedPartition, ...] = PLAN,
) -> Disk:
    path = folder / "disk.img"
    create_image(path, partitions, new_guid=seeded_guids("signpost"))
    return Disk(path, capsys)


@pytest.fixture
def disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Disk:
    return make_disk(tmp_path, capsys)


# Normal life (formats 9.4).


def test_built(disk: Disk) -> None:
    disk.shows(PROVEN, EMPTY)


def test_update_boot_and_confirm(disk: Disk) -> None:
    disk.signpost("clear-inactive")
    disk.shows(PROVEN, EMPTY)
    disk.signpost("mark-inactive-valid")
    disk.shows(PROVEN, VALID)
    disk.signpost("upgrade-to-inactive")
    disk.shows(PROVEN, CHOSEN)
    assert disk.power_on() == "B"
    disk.shows(PROVEN, TRIED)
    assert sgdisk_attributes(disk.path, PRIVATE) == 0
    disk.signpost("mark-successful-boot")
    disk.shows(PROVEN, CONFIRMED)
    assert sgdisk_attributes(disk.path, PRIVATE) == EVER_SUCCEEDED
    assert cgpt_attributes(disk.path, PRIVATE) == EVER_SUCCEEDED


def test_update_that_does_not_come_up_falls_back(disk: Disk) -> None:
    for verb in ("clear-inactive", "mark-inactive-valid", "upgrade-to-inactive"):
        disk.signpost(verb)
    assert disk.power_on() == "B"
    assert disk.power_on() == "A"
    disk.shows(PROVEN, TRIED)


def test_several_tries(disk: Disk) -> None:
    disk.signpost("mark-inactive-valid", "--tries", "3")
    disk.shows(PROVEN, (BootFlags(0, 3), 0x0030_0000_0000_0000))
    disk.signpost("upgrade-to-inactive")
    assert [disk.power_on() for _ in range(4)] == ["B", "B", "B", "A"]
    disk.shows(PROVEN, TRIED)


def test_cancel_and_choose_again(disk: Disk) -> None:
    disk.signpost("mark-inactive-valid")
    disk.signpost("upgrade-to-inactive")
    disk.signpost("cancel-upgrade")
    disk.shows(CONFIRMED, VALID)
    disk.signpost("upgrade-to-inactive")
    disk.shows(PROVEN, CHOSEN)


def test_rollback_from_a_confirmed_update(disk: Disk) -> None:
    for verb in ("mark-inactive-valid", "upgrade-to-inactive"):
        disk.signpost(verb)
    disk.power_on()
    disk.signpost("mark-successful-boot")
    disk.signpost("rollback-to-inactive")
    disk.shows(CONFIRMED, PROVEN)
    assert disk.power_on() == "A"


def test_a_second_update_goes_into_a(disk: Disk) -> None:
    for verb in ("mark-inactive-valid", "upgrade-to-inactive"):
        disk.signpost(verb)
    disk.power_on()
    disk.signpost("mark-successful-boot")
    disk.signpost("clear-inactive")
    disk.shows(EMPTY, CONFIRMED)
    disk.signpost("mark-inactive-valid")
    disk.shows(VALID, CONFIRMED)
    disk.signpost("upgrade-to-inactive")
    disk.shows(CHOSEN, PROVEN)


def set_bits(path: Path, numbers: Sequence[int], bits: Sequence[int]) -> None:
    """Set attribute bits at once, as sgdisk sleeps for a second whenever it has written."""
    words = [word for bit in bits for number in numbers for word in ("-A", f"{number}:set:{bit}")]
    run("sgdisk", *words, path)


def test_bits_of_others_stay(disk: Disk) -> None:
    set_bits(disk.path, (BOOT_A, BOOT_B), (0, 2, 58, 63))
    others = 1 << 0 | 1 << 2 | 1 << 58 | 1 << 63
    for verb in ("clear-inactive", "mark-inactive-valid", "upgrade-to-inactive", "cancel-upgrade"):
        disk.signpost(verb)
        assert sgdisk_attributes(disk.path, BOOT_A) & others == others
        assert sgdisk_attributes(disk.path, BOOT_B) & others == others


def test_bits_set_by_sgdisk_are_shown(disk: Disk) -> None:
    set_bits(disk.path, (BOOT_B,), (49, 50, 53, 56))
    assert "Set B:" in disk.signpost("status")
    assert "priority=6 tries_left=2 successful=true" in disk.signpost("status")


def test_bits_set_by_cgpt_are_shown(disk: Disk) -> None:
    run("cgpt", "add", "-i", str(BOOT_B), "-P", "5", "-T", "9", "-S", "1", disk.path)
    assert "priority=5 tries_left=9 successful=true" in disk.signpost("status")


# Reading.


def test_status_of_an_image(disk: Disk) -> None:
    assert disk.signpost("status") == (
        f"OS disk: {disk.path}\n"
        f"Set A:   boot={disk.path}#3 root={disk.path}#4 hash={disk.path}#5"
        " priority=1 tries_left=0 successful=true\n"
        f"Set B:   boot={disk.path}#8 root={disk.path}#9 hash={disk.path}#10"
        " priority=0 tries_left=0 successful=false\n"
        "Active:  Set A\n"
        "Next:    Set A\n"
    )


def test_status_as_json(disk: Disk) -> None:
    shown = json.loads(disk.signpost("status", "--json"))
    assert (shown["active"], shown["next"], shown["healthy"]) == ("A", "A", True)
    assert shown["sets"]["A"]["priority"] == 1


def test_next_says_why(disk: Disk) -> None:
    disk.signpost("mark-inactive-valid", "--tries", "2")
    disk.signpost("upgrade-to-inactive")
    first, why = disk.signpost("next").splitlines()
    assert first == "Set B"
    assert "this boot spends one of its 2 tries" in why


def test_has_boot_ever_succeeded(disk: Disk) -> None:
    assert disk.signpost("has-boot-ever-succeeded") == ""
    disk.signpost("mark-successful-boot")
    assert disk.signpost("has-boot-ever-succeeded") == "true\n"


def test_rewrite_table_leaves_a_sound_disk_alone(disk: Disk) -> None:
    before = disk.path.read_bytes()
    disk.signpost("rewrite-table")
    assert disk.path.read_bytes() == before


@pytest.mark.parametrize("verb", ["repair", "rewrite-table"])
@pytest.mark.parametrize("offset", [512 + 24, 1024 + 128 * 2 + 50, -512 + 24])
def test_a_damaged_copy_is_repaired(disk: Disk, verb: str, offset: int) -> None:
    whole = disk.path.read_bytes()
    damaged = bytearray(whole)
    damaged[offset] ^= 0x10
    disk.path.write_bytes(damaged)
    _, _, notes = disk.attempt("status")
    assert "the next write repairs it" in notes
    assert disk.attempt(verb)[0] == 0
    assert disk.path.read_bytes() == whole
    disk.shows(PROVEN, EMPTY)


def test_repair_says_what_it_repaired(disk: Disk) -> None:
    damaged = bytearray(disk.path.read_bytes())
    damaged[512 + 24] ^= 1
    disk.path.write_bytes(damaged)
    assert "repaired: primary partition table: " in disk.signpost("repair")


@pytest.mark.parametrize("verb", ["status", "repair"])
def test_a_grown_disk_is_noted(disk: Disk, verb: str) -> None:
    os.truncate(disk.path, disk.path.stat().st_size + (1 << 20))
    status, out, err = disk.attempt(verb)
    assert status == 0
    assert out
    assert err.startswith("note: the backup partition table is at sector ")


# A whole machine in a folder.


def on_machine(machine: Machine, *words: str) -> int:
    major, minor = machine.mounted
    where = ("--sysroot", str(machine.root), "--root-device", f"{major}:{minor}")
    return main([*words, *where])


@pytest.fixture
def cloud(tmp_path: Path, disk: Disk) -> Machine:
    machine = sysfs_tree.nvme_with_verity(tmp_path / "machine")
    shutil.move(disk.path, machine.node("nvme0n1"))
    return machine


def test_the_running_disk_is_found(cloud: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_machine(cloud, "status") == 0
    dev = cloud.root / "dev"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"OS disk: {dev}/nvme0n1"
    assert f"boot={dev}/nvme0n1p3 root={dev}/nvme0n1p4 hash={dev}/nvme0n1p5" in lines[1]
    assert f"boot={dev}/nvme0n1p8 root={dev}/nvme0n1p9 hash={dev}/nvme0n1p10" in lines[2]
    assert lines[3:] == ["Active:  Set A", "Next:    Set A"]


def test_the_running_disk_is_changed(cloud: Machine) -> None:
    assert on_machine(cloud, "mark-inactive-valid") == 0
    assert on_machine(cloud, "upgrade-to-inactive") == 0
    assert sgdisk_attributes(cloud.node("nvme0n1"), BOOT_B) == CHOSEN[1]


def test_paths_stay_with_their_letters_when_b_runs(
    cloud: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.mount_root((259, 9))
    assert on_machine(cloud, "status") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "nvme0n1p3 " in lines[1]
    assert "nvme0n1p8 " in lines[2]
    assert lines[3] == "Active:  Set B"


def test_the_running_set_can_be_overruled(
    cloud: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_machine(cloud, "status", "--active", "B") == 0
    assert "Active:  Set B" in capsys.readouterr().out


def test_an_overlay_root_is_explained(cloud: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.mount_root((0, 41))
    assert on_machine(cloud, "status") == 1
    assert "no block device of its own" in capsys.readouterr().err


# What happens for: no inactive set.


@pytest.mark.parametrize("verb", TWO_SET_VERBS)
def test_no_inactive_set_refuses_what_needs_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    single = make_disk(tmp_path, capsys, plan(1, in_place_updates=False))
    status, _, err = single.attempt(verb)
    assert status == 1
    assert "one partition set only" in err
    assert sgdisk_attributes(single.path, BOOT_A) == PROVEN[1]


def test_no_inactive_set_can_be_looked_at_and_confirmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = make_disk(tmp_path, capsys, plan(1, in_place_updates=False))
    lines = single.signpost("status").splitlines()
    assert [line[:6] for line in lines] == ["OS dis", "Set A:", "Active", "Next: "]
    single.signpost("mark-successful-boot")
    assert single.signpost("has-boot-ever-succeeded") == "true\n"
    single.active = "B"
    assert "no set B" in single.attempt("status")[2]


# What happens for: unconfirmed boot.


def booted_unconfirmed(disk: Disk, tries: int = 1) -> Disk:
    disk.signpost("mark-inactive-valid", "--tries", str(tries))
    disk.signpost("upgrade-to-inactive")
    assert disk.power_on() == "B"
    return disk


def test_unconfirmed_boot_keeps_its_fallback(disk: Disk) -> None:
    message = booted_unconfirmed(disk).refused("clear-inactive")
    assert "signpost mark-successful-boot" in message
    disk.shows(PROVEN, TRIED)


def test_unconfirmed_boot_without_a_try_cannot_be_forced(disk: Disk) -> None:
    assert "no set that boots" in booted_unconfirmed(disk).refused("clear-inactive", "--force")


def test_unconfirmed_boot_with_a_try_left_can_be_forced(disk: Disk) -> None:
    booted_unconfirmed(disk, tries=2).signpost("clear-inactive", "--force")
    disk.shows(EMPTY, CHOSEN)


def test_unconfirmed_boot_can_go_back(disk: Disk) -> None:
    booted_unconfirmed(disk).signpost("rollback-to-inactive")
    assert disk.power_on() == "A"


# What happens for: both sets bad.


@pytest.fixture
def hopeless(disk: Disk) -> Disk:
    run("cgpt", "add", "-i", str(BOOT_A), "-P", "0", "-T", "0", "-S", "0", disk.path)
    return disk


def test_both_sets_bad_is_shown(hopeless: Disk) -> None:
    assert hopeless.signpost("status").endswith("Next:    None\n")
    assert hopeless.signpost("next").startswith("None\n")


def test_both_sets_bad_needs_the_running_set_said(hopeless: Disk) -> None:
    hopeless.active = None
    assert "--active" in hopeless.refused("status")


def test_both_sets_bad_is_never_made_worse(hopeless: Disk) -> None:
    for verb in ("clear-inactive", "upgrade-to-inactive", "rollback-to-inactive"):
        hopeless.refused(verb)
    hopeless.refused("clear-inactive", "--force")


def test_both_sets_bad_is_healed_by_a_written_set(hopeless: Disk) -> None:
    hopeless.signpost("mark-inactive-valid")
    hopeless.signpost("upgrade-to-inactive")
    assert hopeless.power_on() == "B"


# What happens for: no PRIVATE partition, or not our disk at all.


def test_no_private_partition_is_refused(disk: Disk) -> None:
    run("sgdisk", "-d", str(PRIVATE), disk.path)
    for verb in ("status", "clear-inactive", "mark-successful-boot", "next"):
        assert "no PRIVATE partition" in disk.refused(verb)


def test_no_private_partition_does_not_prevent_a_repair(disk: Disk) -> None:
    run("sgdisk", "-d", str(PRIVATE), disk.path)
    disk.signpost("repair")


def test_a_set_without_its_hash_partition_is_refused(disk: Disk) -> None:
    run("sgdisk", "-t", f"10:{PartitionType.DATA.guid}", disk.path)
    assert "a partition set needs one of each" in disk.refused("status")


def give_root_the_guid_of_boot(disk: Disk) -> None:
    """Make the copies differ in their bits, and the primary unsound with right checksums."""
    with open_device(Extent(disk.path), Access.WRITE) as io:
        good = read_table(io).table
        twin = good.entry(BOOT_A + 1)._replace(unique_guid=good.entry(BOOT_A).unique_guid)
        chosen = CHOSEN[0].apply_to(good.entry(BOOT_B).attributes)
        entries = list(good.entries)
        entries[BOOT_A] = twin
        bad = good._replace(entries=tuple(entries)).with_entry_attributes(BOOT_B, chosen)
        io.pwrite(bad.header.entries_lba * bad.sector_size, bad.array())
        io.pwrite(bad.header.my_lba * bad.sector_size, bad.header_sector())


@pytest.mark.parametrize("verb", [*TWO_SET_VERBS[:2], "cancel-upgrade", "mark-successful-boot"])
def test_an_unsound_table_is_shown_as_the_bootloader_sees_it_and_never_changed(
    disk: Disk, verb: str
) -> None:
    give_root_the_guid_of_boot(disk)
    status, out, err = disk.attempt("status")
    assert (status, out.splitlines()[-1]) == (0, "Next:    Set B")
    assert "note: the primary partition table is unsound (partitions 3 and 4 have the same" in err
    assert disk.signpost("next").startswith("Set B\n")
    for refused in (verb, "repair", "rewrite-table"):
        said = disk.refused(refused)
        assert "partitions 3 and 4 have the same GUID" in said
        assert "sgdisk" in said


def test_an_unsound_table_is_healed_with_sgdisk(disk: Disk) -> None:
    give_root_the_guid_of_boot(disk)
    sgdisk = "/usr/sbin/sgdisk"
    subprocess.run([sgdisk, "--partition-guid=4:R", disk.path], check=True, capture_output=True)
    disk.signpost("mark-successful-boot")
    disk.shows(PROVEN, CHOSEN)


def test_no_table_at_all_is_refused(disk: Disk) -> None:
    disk.path.write_bytes(bytes(4 << 20))
    for verb in ("status", "mark-successful-boot", "repair", "rewrite-table"):
        assert "no whole partition table" in disk.refused(verb)


def test_an_empty_file_is_refused(disk: Disk) -> None:
    disk.path.write_bytes(b"")
    disk.refused("status")


# What happens for: busy device.


def test_busy_image_is_refused(disk: Disk) -> None:
    with disk.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "in use by another program" in disk.refused("status")
        assert "in use by another program" in disk.refused("mark-successful-boot")


def test_readers_do_not_disturb_each_other(disk: Disk) -> None:
    with disk.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        disk.signpost("status")


# What happens for: no permission, read-only (on block devices: test_block_devices.py).


def test_no_permission_is_refused(disk: Disk) -> None:
    """As a user who may read but not write; a superuser has to become one first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        image = folder / "disk.img"
        shutil.copyfile(disk.path, image)
        image.chmod(0o444)
        probe = (
            "import os, sys\n"
            "from partitions.signpost import main\n"
            "main(['status', *sys.argv[1:]])\n"  # the interpreter's own files may be root's
            "if os.geteuid() == 0:\n"
            "    os.setuid(65534)\n"
            "sys.exit(main(['mark-successful-boot', *sys.argv[1:]]))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", probe, "--disk", image],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert done.returncode == 1
    assert "no permission" in done.stderr


# Ends that are nobody's wish.


def ended(prepare: str, disk: Disk, *words: str, closed: bool = False) -> tuple[int, str]:
    """Run a command as a program after this preparation; its status and standard error."""
    program = f"import sys\nfrom partitions import signpost\n{prepare}\nsys.exit(signpost.main())\n"
    reader, writer = os.pipe()
    if closed:
        os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, *words, "--disk", disk.path, "--active", "A"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    finally:
        os.close(writer)
        if not closed:
            os.close(reader)
    return done.returncode, done.stderr


@pytest.mark.parametrize("verb", ["next", "status", "repair"])
def test_a_closed_pipe_is_said_in_one_line(disk: Disk, verb: str) -> None:
    status, err = ended("", disk, verb, closed=True)
    assert status == 1
    assert err.startswith("signpost: nobody reads the output")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("KeyboardInterrupt", "interrupted; one copy of the table is whole"),
        ("OSError(28, 'No space left on device', '/run/x')", "/run/x: No space left on device"),
        ("RuntimeError('odd')", "internal error: RuntimeError: odd. Please report it"),
    ],
)
def test_no_fault_ends_in_a_traceback(disk: Disk, fault: str, said: str) -> None:
    labels = f"def fails(_status):\n    raise {fault}\n"
    call = "signpost.main.__defaults__ = (None, fails, signpost.GptBootControl)"
    status, err = ended(labels + call, disk, "status")
    assert (status, err.splitlines()) == (1, [err.strip()])
    assert err.startswith(f"signpost: {said}")


def test_the_command_can_be_run_as_a_program(disk: Disk) -> None:
    done = run(sys.executable, "-m", "partitions.signpost", "status", "--disk", disk.path)
    assert done.startswith("OS disk: ")
