"""Tables of other people's tools are read, and ours are read by them, bit for bit."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from partitions import boot
from partitions.blockio import Access, Extent
from partitions.bootflags import BootFlags
from partitions.device import open_device
from partitions.disk import ReadResult, read_table, repair, write_table
from partitions.errors import GptError
from partitions.gpt import CopyName, Table
from partitions.guid import PartitionType
from partitions.layout import Slot, with_active
from tests.fakes.gpt_disk import BOOT_A, BOOT_B, PRIVATE, TYPES, boot_bits, with_boot

MIB = 1 << 20
DISK_BYTES = 20 * MIB
PROVEN, CHOSEN = BootFlags(1, 0, successful=True), BootFlags(2, 1)


def run(*command: str | Path, text: str | None = None) -> str:
    """Run a tool; its failure is the test's."""
    done = subprocess.run(
        [str(part) for part in command],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def made_by_sgdisk(disk: Path) -> None:
    commands = []
    for number, kind in enumerate(TYPES, 1):
        commands += [f"--new={number}:{2048 * number}:+1M", f"--typecode={number}:{kind.guid}"]
        commands += [f"--change-name={number}:P{number}"]
    run("sgdisk", "--clear", *commands, disk)


def made_by_sfdisk(disk: Path) -> None:
    lines = [f"size=1MiB, type={kind.guid}, name=P{n}" for n, kind in enumerate(TYPES, 1)]
    run("sfdisk", disk, text="label: gpt\n" + "\n".join(lines) + "\n")


def made_by_cgpt(disk: Path) -> None:
    run("cgpt", "create", disk)
    run("cgpt", "boot", "-p", disk)
    for number, kind in enumerate(TYPES, 1):
        start = str(2048 * number)
        guid = str(kind.guid)
        run(
            *("cgpt", "add", "-i", str(number), "-b", start, "-s", "2048"),
            *("-t", guid, "-l", f"P{number}", disk),
        )


def made_by_parted(disk: Path) -> None:
    parts = []
    for number in range(1, len(TYPES) + 1):
        parts += ["mkpart", f"P{number}", f"{number}MiB", f"{number + 1}MiB"]
    run("parted", "--script", disk, "mklabel", "gpt", *parts)


def made_by_fdisk_with_large_sectors(disk: Path) -> None:
    lines = ["g"]
    lines += [f"n\n{number}\n\n+1M" for number, _ in enumerate(TYPES, 1)]
    lines += [f"t\n{number}\n{kind.guid}" for number, kind in enumerate(TYPES, 1)]
    lines += ["x", *(f"n\n{number}\nP{number}" for number, _ in enumerate(TYPES, 1)), "r", "w\n"]
    run("fdisk", "--sector-size", "4096", disk, text="\n".join(lines))


Maker = Callable[[Path], None]

TYPED: list[Maker] = [made_by_sgdisk, made_by_sfdisk, made_by_cgpt]
SMALL_SECTORS: list[Maker] = [*TYPED, made_by_parted]
ALL: list[Maker] = [*SMALL_SECTORS, made_by_fdisk_with_large_sectors]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[Maker, bytes]:
    """What each tool makes; sgdisk alone sleeps a second each time it writes."""
    folder = tmp_path_factory.mktemp("made")
    disks = {}
    for make in ALL:
        path = folder / make.__name__
        path.touch()
        os.truncate(path, DISK_BYTES)
        make(path)
        disks[make] = path.read_bytes()
    return disks


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path, made: dict[Maker, bytes]) -> Path:
    """A fresh copy of a disk; which tool made it is the parameter, sgdisk without one."""
    path = tmp_path / "disk.img"
    path.write_bytes(made[getattr(request, "param", made_by_sgdisk)])
    return path


# Which tool made the disk of a test.
by = partial(pytest.mark.parametrize, "disk", indirect=True)


def read(disk: Path) -> ReadResult:
    with open_device(Extent(disk), Access.READ) as io:
        return read_table(io)


def write(disk: Path, table: Table) -> None:
    with open_device(Extent(disk), Access.WRITE) as io:
        write_table(io, table)


def sgdisk_word(disk: Path, number: int) -> int:
    found = re.search(r"Attribute flags: ([0-9A-F]{16})", run("sgdisk", "-i", str(number), disk))
    assert found
    return int(found[1], 16)


def cgpt_flags(disk: Path, number: int) -> BootFlags:
    def ask(flag: str) -> int:
        return int(run("cgpt", "show", "-i", str(number), flag, disk))

    return BootFlags(ask("-P"), ask("-T"), successful=bool(ask("-S")))


def content_with(disk: Path) -> None:
    """Every tool finds nothing to complain about."""
    assert "No problems found" in run("sgdisk", "--verify", disk)
    assert "No errors detected" in run("sfdisk", "--verify", disk)
    shown = run("cgpt", "show", disk)
    assert "Sec GPT table" in shown
    assert "INVALID" not in shown
    printed = run("parted", "--script", disk, "print")
    assert "Partition Table: gpt" in printed
    assert "Error" not in printed
    assert "Warning" not in printed


@by(argvalues=ALL)
def test_a_table_of_another_tool_is_read(disk: Path) -> None:
    result = read(disk)
    assert result.healthy
    assert result.notes == ()
    assert [entry.name for _, entry in result.table.used()] == [f"P{n}" for n in range(1, 14)]
    assert all(entry.sectors * result.table.sector_size == MIB for _, entry in result.table.used())


@by(argvalues=TYPED)
def test_the_sets_are_found_in_a_table_of_another_tool(disk: Path) -> None:
    layout = with_active(read(disk).table, Slot.B)
    assert [each.boot for each in layout.sets] == [BOOT_A, BOOT_B]
    assert layout.private == PRIVATE


@by(argvalues=ALL)
def test_writing_the_same_table_leaves_the_file_as_the_tool_made_it(disk: Path) -> None:
    before = disk.read_bytes()
    write(disk, read(disk).table)
    assert disk.read_bytes() == before


@by(argvalues=ALL)
def test_bits_are_set_and_taken_back_byte_for_byte(disk: Path) -> None:
    before = disk.read_bytes()
    table = read(disk).table
    write(disk, table.with_entry_attributes(BOOT_B, 0x0012_0000_0000_0004))
    assert disk.read_bytes() != before
    assert read(disk).table.entry(BOOT_B).attributes == 0x0012_0000_0000_0004
    write(disk, table)
    assert disk.read_bytes() == before


@by(argvalues=SMALL_SECTORS)
def test_other_tools_are_content_with_what_we_wrote_and_read_the_same_bits(disk: Path) -> None:
    table = read(disk).table
    for number, flags in ((BOOT_A, PROVEN), (BOOT_B, CHOSEN)):
        table = table.with_entry_attributes(number, flags.apply_to(0))
    write(disk, table.with_entry_attributes(PRIVATE, 1 << 57))
    content_with(disk)
    assert sgdisk_word(disk, BOOT_A) == 0x0101000000000000
    assert sgdisk_word(disk, BOOT_B) == 0x0012000000000000
    assert sgdisk_word(disk, PRIVATE) == 0x0200000000000000
    assert cgpt_flags(disk, BOOT_A) == PROVEN
    assert cgpt_flags(disk, BOOT_B) == CHOSEN
    assert run("sfdisk", "--part-attrs", disk, str(BOOT_A)).strip() == "GUID:48,56"
    assert run("sfdisk", "--part-attrs", disk, str(BOOT_B)).strip() == "GUID:49,52"


@by(argvalues=[made_by_fdisk_with_large_sectors])
def test_large_sectors_stay_readable_to_other_tools(disk: Path) -> None:
    write(disk, read(disk).table.with_entry_attributes(BOOT_B, CHOSEN.apply_to(0)))
    shown = run("fdisk", "--sector-size", "4096", "--output", "Name,Attrs", "--list", disk)
    assert re.search(r"^P8 +GUID:49,52$", shown, re.MULTILINE)
    assert "corrupt" not in shown


def test_every_bit_that_sgdisk_sets_is_read(disk: Path) -> None:
    bits = dict(zip(range(1, 14), [0, 1, 2, 3, 47, 48, 51, 52, 55, 56, 57, 60, 63], strict=True))
    run("sgdisk", *(f"--attributes={number}:set:{bit}" for number, bit in bits.items()), disk)
    read_back = {number: entry.attributes for number, entry in read(disk).table.used()}
    assert read_back == {number: 1 << bit for number, bit in bits.items()}


@pytest.mark.parametrize("flags", [PROVEN, CHOSEN, BootFlags(15, 15, successful=True)])
@by(argvalues=[made_by_cgpt])
def test_bits_that_cgpt_sets_are_read(disk: Path, flags: BootFlags) -> None:
    run(
        *("cgpt", "add", "-i", str(BOOT_B), "-P", str(flags.priority)),
        *("-T", str(flags.tries_left), "-S", str(int(flags.successful)), disk),
    )
    assert BootFlags.from_attributes(read(disk).table.entry(BOOT_B).attributes) == flags


def test_foreign_bits_survive_a_whole_life(disk: Path) -> None:
    table = read(disk).table
    foreign = {number: 0x8000_FFFF_0000_0005 for number, _ in table.used()}
    for number, word in foreign.items():
        table = table.with_entry_attributes(number, word)
    write(disk, with_boot(table, {Slot.A: PROVEN, Slot.B: PROVEN}))
    layout = with_active(table, Slot.A)
    steps: list[Callable[[Table], Table]] = [
        lambda t: boot.clear(t, layout),
        lambda t: boot.mark_valid(t, layout, 1),
        lambda t: boot.activate(t, layout),
        booted,
        lambda t: boot.mark_successful(t, layout.with_active(Slot.B)),
    ]
    for step in steps:
        write(disk, step(read(disk).table))
    content_with(disk)
    for number, word in foreign.items():
        assert sgdisk_word(disk, number) & ~(0x3FF << 48) == word
    assert cgpt_flags(disk, BOOT_B) == BootFlags(2, 0, successful=True)


def booted(table: Table) -> Table:
    choice = boot.choose_next(table)
    assert choice is not None
    return choice.table


@pytest.mark.parametrize("copy", list(CopyName))
@by(argvalues=SMALL_SECTORS)
def test_a_wiped_copy_is_repaired_to_what_the_tool_had_made(disk: Path, copy: CopyName) -> None:
    before = disk.read_bytes()
    with disk.open("r+b") as file:
        file.seek(512 if copy is CopyName.PRIMARY else DISK_BYTES - 33 * 512)
        file.write(bytes(33 * 512))
    assert read(disk).trusted is copy.other
    with open_device(Extent(disk), Access.WRITE) as io:
        repair(io)
    assert disk.read_bytes() == before
    content_with(disk)


def test_a_grown_disk_is_written_and_its_backup_can_still_be_moved(disk: Path) -> None:
    os.truncate(disk, 2 * DISK_BYTES)
    result = read(disk)
    assert "sgdisk --move-second-header" in result.notes[0]
    write(disk, with_boot(result.table, {Slot.B: CHOSEN}))
    run("sgdisk", "--move-second-header", disk)
    content_with(disk)
    assert read(disk).notes == ()
    assert boot_bits(read(disk).table)[Slot.B] == CHOSEN


def test_a_moved_main_table_is_read_and_written_where_it_is(disk: Path) -> None:
    run("sgdisk", "--move-main-table=100", disk)
    result = read(disk)
    assert result.table.header.entries_lba == 100
    write(disk, with_boot(result.table, {Slot.B: CHOSEN}))
    content_with(disk)
    assert cgpt_flags(disk, BOOT_B) == CHOSEN


def test_a_table_of_another_length_is_read_and_written(disk: Path) -> None:
    run("sgdisk", "--resize-table=200", disk)
    result = read(disk)
    assert result.table.header.entry_count >= 200
    write(disk, with_boot(result.table, {Slot.B: CHOSEN}))
    assert "No problems found" in run("sgdisk", "--verify", disk)
    assert sgdisk_word(disk, BOOT_B) == 0x0012000000000000


def test_an_mbr_disk_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(DISK_BYTES))
    run("parted", "--script", disk, "mklabel", "msdos", "mkpart", "primary", "1MiB", "2MiB")
    with pytest.raises(GptError, match="no whole partition table"):
        read(disk)


def test_the_types_of_our_disks_have_the_names_that_sgdisk_gives_them(disk: Path) -> None:
    shown = run("sgdisk", "-i", "1", disk)
    assert str(PartitionType.BIOS_BOOT.guid).upper() in shown
    assert "BIOS boot partition" in shown
