"""Reading, writing and repairing both copies, with the order of every write and flush."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from partitions.bootflags import BootFlags
from partitions.disk import Finding, ReadResult, read_table, repair, write_table
from partitions.errors import DeviceError, GptError
from partitions.gpt import CopyName, Table
from partitions.layout import Slot
from tests.fakes.gpt_disk import (
    BOOT_A,
    BOOT_B,
    DEVICE_SECTORS,
    ROOT_A,
    backup_of,
    boot_bits,
    disk_with,
    guid,
    make_table,
    place,
    with_boot,
    with_entry,
    with_header,
)
from tests.fakes.memory_disk import Flush, MemoryDisk, Write

PRIMARY, BACKUP = CopyName.PRIMARY, CopyName.BACKUP
LAST = DEVICE_SECTORS - 1
BACKUP_ARRAY = LAST - 32
PRIMARY_REGION = range(512, 34 * 512)
BACKUP_REGION = range(BACKUP_ARRAY * 512, DEVICE_SECTORS * 512)

OLD = make_table()
NEW = with_boot(OLD, {Slot.B: BootFlags(2, 1)})


def smash(disk: MemoryDisk, at: int, length: int = 1) -> None:
    """Damage some bytes."""
    for offset in range(at, at + length):
        disk.data[offset] ^= 0xFF


def lbas(disk: MemoryDisk, sector_size: int = 512) -> list[object]:
    """The log, each write as the range of sectors it covers."""
    return [
        "flush"
        if isinstance(event, Flush)
        else (event.offset // sector_size, len(event.data) // sector_size)
        for event in disk.log
    ]


def inside(write: Write, region: range) -> bool:
    return region.start <= write.offset and write.offset + len(write.data) <= region.stop


# Reading.


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_whole_disk_is_healthy(sector_size: int, *, native: bool) -> None:
    table = make_table(sector_size=sector_size)
    result = read_table(disk_with(table, native=native))
    assert result == ReadResult(table, PRIMARY, "both copies are whole and say the same")
    assert result.healthy


def test_reading_writes_nothing() -> None:
    disk = disk_with(OLD)
    smash(disk, 600)
    read_table(disk)
    assert disk.log == []


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (LAST * 512, "it does not begin with 'EFI PART'"),
        (LAST * 512 + 60, "the checksum of its header is wrong"),
        (BACKUP_ARRAY * 512, "the checksum of its entries is wrong"),
    ],
)
def test_a_damaged_backup_is_found(at: int, what: str) -> None:
    disk = disk_with(OLD)
    smash(disk, at)
    result = read_table(disk)
    assert result.trusted is PRIMARY
    assert result.findings == (Finding(BACKUP, what),)
    assert result.why == f"the primary is whole, the backup is not ({what})"


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (512, "it does not begin with 'EFI PART'"),
        (512 + 60, "the checksum of its header is wrong"),
        (1024, "the checksum of its entries is wrong"),
    ],
)
def test_a_damaged_primary_gives_way_to_the_backup(at: int, what: str) -> None:
    disk = disk_with(OLD)
    smash(disk, at)
    result = read_table(disk)
    assert result.trusted is BACKUP
    assert result.table == backup_of(OLD)
    assert result.findings == (Finding(PRIMARY, what),)
    assert result.why == f"the primary is damaged ({what}), the backup is whole"


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_wiped_primary_gives_way_to_the_backup(sector_size: int) -> None:
    table = make_table(sector_size=sector_size)
    disk = disk_with(table)
    disk.data[: 34 * sector_size] = bytes(34 * sector_size)
    assert read_table(disk).table == backup_of(table)


def test_two_damaged_copies_are_refused_and_both_are_named() -> None:
    disk = disk_with(OLD)
    smash(disk, 600)
    smash(disk, LAST * 512)
    with pytest.raises(GptError, match="no whole partition table") as refused:
        read_table(disk)
    assert "primary: the checksum of its header is wrong" in str(refused.value)
    assert "backup: it does not begin with 'EFI PART'" in str(refused.value)
    assert str(disk.path) in str(refused.value)


def test_two_whole_copies_that_differ_give_the_primary() -> None:
    result = read_table(disk_with(OLD, backup_of(NEW)))
    assert result.table == OLD
    assert result.trusted is PRIMARY
    assert not result.healthy
    assert "bootloader takes the primary" in result.why
    assert str(result.findings[0]) == (
        "backup partition table: it differs from the primary (a write was cut short)"
    )


def test_bytes_under_no_checksum_may_differ_between_healthy_copies() -> None:
    backup = with_header(backup_of(OLD), remainder=b"\x77" * 420)
    assert read_table(disk_with(OLD, backup)).healthy


UNSOUND = {
    "same GUID": with_entry(NEW, ROOT_A, unique_guid=guid(BOOT_A)),
    "overlap": with_entry(NEW, ROOT_A, last_lba=80),
    "does not lie in the usable area": with_entry(NEW, ROOT_A, first_lba=39),
}
unsound = pytest.mark.parametrize(("what", "bad"), UNSOUND.items(), ids=str)


@unsound
def test_an_unsound_primary_is_read_because_the_bootloader_follows_it(
    what: str, bad: Table
) -> None:
    result = read_table(disk_with(bad, backup_of(OLD)))
    assert (result.table, result.trusted) == (bad, PRIMARY)
    assert what in result.unsound[0]
    assert not result.healthy
    assert "its checksums are right, so the bootloader follows it" in result.why


@unsound
def test_an_unsound_backup_is_read_where_the_primary_is_damaged(what: str, bad: Table) -> None:
    disk = disk_with(bad)
    smash(disk, 600)
    result = read_table(disk)
    assert (result.table, result.trusted) == (backup_of(bad), BACKUP)
    assert what in result.unsound[0]
    assert result.findings == (Finding(PRIMARY, "the checksum of its header is wrong"),)


@unsound
def test_an_unsound_backup_beside_a_whole_primary_is_only_damaged(what: str, bad: Table) -> None:
    disk = disk_with(OLD, backup_of(bad))
    result = read_table(disk)
    assert (result.trusted, result.unsound) == (PRIMARY, ())
    assert what in result.findings[0].what
    assert repair(disk).healthy
    assert disk.data == disk_with(OLD).data


def test_a_missing_protective_mbr_is_noted() -> None:
    disk = disk_with(OLD)
    disk.data[510] = 0
    result = read_table(disk)
    assert result.healthy
    assert "no protective MBR" in result.notes[0]


def test_an_mbr_without_a_protective_partition_is_noted() -> None:
    disk = disk_with(OLD)
    disk.data[450] = 0x83
    assert "no protective MBR" in read_table(disk).notes[0]


def test_a_hybrid_mbr_protects_too() -> None:
    disk = disk_with(OLD)
    disk.data[450], disk.data[450 + 48] = 0x83, 0xEE
    assert read_table(disk).notes == ()


def test_a_grown_disk_is_healthy_and_noted() -> None:
    result = read_table(disk_with(OLD, device_sectors=DEVICE_SECTORS + 100))
    assert result.healthy
    assert "sgdisk --move-second-header" in result.notes[0]


def test_an_image_with_a_ragged_end_is_read() -> None:
    disk = disk_with(OLD)
    disk.data.extend(bytes(100))
    assert read_table(disk).healthy


def test_on_a_grown_disk_lost_entries_still_lead_to_the_backup() -> None:
    disk = disk_with(OLD, device_sectors=DEVICE_SECTORS + 100)
    smash(disk, 1024)
    assert read_table(disk).trusted is BACKUP


def test_on_a_grown_disk_a_lost_header_leads_nowhere() -> None:
    disk = disk_with(OLD, device_sectors=DEVICE_SECTORS + 100)
    smash(disk, 600)
    with pytest.raises(GptError, match="no whole partition table"):
        read_table(disk)


def test_a_backup_moved_to_the_end_is_found_when_the_primary_is_lost() -> None:
    moved = with_header(OLD, alternate_lba=LAST + 100)
    disk = disk_with(OLD, backup_of(moved), device_sectors=DEVICE_SECTORS + 100)
    smash(disk, 1024)
    assert read_table(disk).table.header.my_lba == LAST + 100


@pytest.mark.parametrize("sectors", [DEVICE_SECTORS - 1, DEVICE_SECTORS - 20])
def test_a_backup_beyond_the_end_is_found(sectors: int) -> None:
    disk = disk_with(OLD)
    del disk.data[sectors * 512 :]
    result = read_table(disk)
    assert result.trusted is PRIMARY
    assert f"sector 255, lies outside the device of {sectors} sectors" in result.findings[0].what


def test_a_disk_cut_inside_its_usable_area_is_refused() -> None:
    disk = disk_with(OLD)
    del disk.data[200 * 512 :]
    with pytest.raises(GptError, match="usable area ends at 222, but the device has 200 sectors"):
        read_table(disk)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1023, 1024, 1536])
def test_a_tiny_or_empty_device_is_refused(size: int) -> None:
    with pytest.raises(GptError, match="no whole partition table"):
        read_table(MemoryDisk.of_size(size))


@pytest.mark.parametrize(("made_for", "device"), [(512, 4096), (4096, 512)])
def test_a_table_made_for_other_sectors_than_the_device_has_is_refused(
    made_for: int, device: int
) -> None:
    disk = disk_with(make_table(sector_size=made_for))
    disk.sector_size = device
    with pytest.raises(GptError, match=f"sectors of {made_for} bytes, but this device has"):
        read_table(disk)


def test_a_device_without_any_table_is_refused_without_a_hint() -> None:
    with pytest.raises(GptError) as refused:
        read_table(MemoryDisk.of_size(1 << 20, sector_size=512))
    assert "another kind of disk" not in str(refused.value)


# Writing.


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_new_table_is_in_both_copies(sector_size: int) -> None:
    old = make_table(sector_size=sector_size)
    new = with_boot(old, {Slot.A: BootFlags(1, 3), Slot.B: BootFlags(2, 1)})
    disk = disk_with(old)
    write_table(disk, new)
    assert disk.data == disk_with(new).data


def test_backup_entries_backup_header_flush_primary_entries_primary_header_flush() -> None:
    disk = disk_with(OLD)
    write_table(disk, NEW)
    assert lbas(disk) == [
        "flush",
        (BACKUP_ARRAY + 1, 1),
        (LAST, 1),
        "flush",
        (3, 1),
        (1, 1),
        "flush",
    ]


def test_only_sectors_that_change_are_written() -> None:
    disk = disk_with(OLD)
    write_table(disk, with_boot(NEW, {Slot.A: BootFlags(1, 1)}))
    assert [event for event in lbas(disk) if event != "flush"] == [
        (BACKUP_ARRAY, 2),
        (LAST, 1),
        (2, 2),
        (1, 1),
    ]


def test_an_unchanged_table_is_made_durable_and_not_written() -> None:
    disk = disk_with(OLD)
    write_table(disk, OLD)
    assert lbas(disk) == ["flush"]


def test_a_damaged_primary_is_written_header_first_and_before_the_whole_backup() -> None:
    disk = disk_with(OLD)
    smash(disk, 600)
    write_table(disk, with_boot(read_table(disk).table, {Slot.B: BootFlags(2, 1)}))
    assert lbas(disk) == [
        "flush",
        (1, 1),
        "flush",
        (3, 1),
        "flush",
        (BACKUP_ARRAY + 1, 1),
        (LAST, 1),
        "flush",
    ]
    assert disk.data == disk_with(NEW).data


def test_a_damaged_primary_never_comes_back_as_an_earlier_state() -> None:
    # The primary has the header of the oldest state and an entry of the next: a write was cut.
    disk = disk_with(NEW)
    disk.data[512:1024] = OLD.header_sector()
    now = read_table(disk).table
    assert boot_bits(now) == boot_bits(NEW)

    def cut_before_the_entries(write: Write) -> None:
        if write.offset >= 1024:
            raise DeviceError("power cut")

    disk.before_write = cut_before_the_entries
    latest = with_boot(OLD, {Slot.A: BootFlags(1, 1)})
    with pytest.raises(DeviceError, match="power cut"):
        write_table(disk, with_boot(now, boot_bits(latest)))
    # Of the two sectors of entries only the one that is as in the oldest state reaches the disk.
    disk.data[3 * 512 : 4 * 512] = OLD.array()[512:1024]
    assert boot_bits(read_table(disk).table) == boot_bits(NEW)


def test_a_damaged_backup_is_repaired_by_the_next_write() -> None:
    disk = disk_with(OLD)
    smash(disk, BACKUP_ARRAY * 512, 33 * 512)
    write_table(disk, NEW)
    assert disk.data == disk_with(NEW).data


def test_a_wiped_primary_is_repaired_by_the_next_write() -> None:
    disk = disk_with(OLD)
    disk.data[512 : 34 * 512] = bytes(33 * 512)
    write_table(disk, read_table(disk).table)
    assert disk.data == disk_with(OLD).data


def test_copies_that_differ_are_made_equal_by_the_next_write() -> None:
    disk = disk_with(OLD, backup_of(NEW))
    third = with_boot(OLD, {Slot.A: BootFlags(1, 1, successful=True)})
    write_table(disk, third)
    assert disk.data == disk_with(third).data


def test_everything_unknown_survives_a_write() -> None:
    table = with_header(
        make_table(entry_count=17),
        reserved=0xDEAD,
        extension=b"extension",
        remainder=b"\x11" * 411,
    )
    table = with_entry(table, 16, attributes=0x5555, name_raw=b"\x44" * 72)
    table = table._replace(padding=b"\x22" * 384)
    backup = with_header(backup_of(table), remainder=b"\x66" * 411)._replace(padding=b"\x55" * 384)
    disk = disk_with(table, backup)
    before = bytes(disk.data)
    write_table(disk, with_boot(table, {Slot.B: BootFlags(2, 1)}))
    write_table(disk, with_boot(table, {Slot.B: BootFlags()}))
    assert disk.writes
    assert disk.data == before


def test_a_stale_backup_of_another_shape_takes_the_shape_of_the_primary() -> None:
    stale = with_header(make_table(entry_count=17), extension=b"more", remainder=bytes(416))
    disk = disk_with(OLD, backup_of(stale))
    assert read_table(disk).trusted is PRIMARY
    write_table(disk, NEW)
    assert read_table(disk) == ReadResult(NEW, PRIMARY, "both copies are whole and say the same")


def test_entries_of_the_backup_that_stand_elsewhere_stay_there() -> None:
    table = with_header(OLD, last_usable_lba=200)
    backup = with_header(backup_of(table), entries_lba=210)
    disk = disk_with(table, backup)
    new = with_boot(table, {Slot.B: BootFlags(2, 1)})
    write_table(disk, new)
    assert lbas(disk)[1:3] == [(211, 1), (LAST, 1)]
    assert read_table(disk) == ReadResult(new, PRIMARY, "both copies are whole and say the same")


def test_a_stale_backup_does_not_draw_writes_into_the_usable_area() -> None:
    stale = with_header(OLD, last_usable_lba=150)
    disk = disk_with(OLD, with_header(backup_of(stale), entries_lba=160))
    write_table(disk, NEW)
    assert all(inside(w, PRIMARY_REGION) or inside(w, BACKUP_REGION) for w in disk.writes)
    assert read_table(disk).healthy


def test_on_a_grown_disk_the_backup_stays_where_it_is() -> None:
    disk = disk_with(OLD, device_sectors=DEVICE_SECTORS + 100)
    write_table(disk, NEW)
    assert disk.data == disk_with(NEW, device_sectors=DEVICE_SECTORS + 100).data


def test_on_a_grown_disk_a_primary_without_entries_is_repaired() -> None:
    disk = disk_with(OLD, device_sectors=DEVICE_SECTORS + 100)
    smash(disk, 1024)
    repair(disk)
    assert disk.data == disk_with(OLD, device_sectors=DEVICE_SECTORS + 100).data


# Refusing to write.


def refused(disk: MemoryDisk, table: Table, match: str) -> None:
    with pytest.raises(GptError, match=match):
        write_table(disk, table)
    assert disk.writes == []


def test_without_a_place_for_the_backup_nothing_is_written() -> None:
    disk = disk_with(OLD)
    del disk.data[-512:]
    refused(disk, NEW, "sgdisk --move-second-header")


@pytest.mark.parametrize("lba", [0, 1, 2, 34, 100, 222, 254, 1 << 40, (1 << 64) - 1])
def test_a_wild_address_of_the_backup_draws_no_write(lba: int) -> None:
    table = with_header(OLD, alternate_lba=lba)
    data = disk_with(OLD).data
    place(data, table)
    refused(MemoryDisk(data), table, "backup partition table cannot be written")


@pytest.mark.parametrize("lba", [223, 255])
def test_a_damaged_backup_is_written_where_the_trusted_primary_says(lba: int) -> None:
    table = with_header(OLD, alternate_lba=lba, last_usable_lba=lba - 33)
    table = with_entry(table, 13, last_lba=min(table.entry(13).last_lba, lba - 33))
    disk = disk_with(table, device_sectors=DEVICE_SECTORS)
    smash(disk, lba * 512)
    write_table(disk, table)
    assert read_table(disk).healthy


def test_a_primary_with_moved_entries_is_not_restored_from_the_backup() -> None:
    table = with_header(OLD, entries_lba=8)
    disk = disk_with(table)
    smash(disk, 8 * 512)
    refused(disk, read_table(disk).table, "did not stand at sector 2")


def test_a_primary_with_moved_entries_is_written_in_place_while_it_is_whole() -> None:
    table = with_header(OLD, entries_lba=8)
    disk = disk_with(table)
    write_table(disk, with_boot(table, {Slot.B: BootFlags(2, 1)}))
    assert lbas(disk)[4:] == [(9, 1), (1, 1), "flush"]


def test_a_primary_is_not_restored_over_the_usable_area() -> None:
    backup = with_header(backup_of(OLD), first_usable_lba=20)
    disk = disk_with(OLD, backup)
    smash(disk, 600)
    refused(disk, read_table(disk).table, "do not fit before the usable area")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: with_entry(t, ROOT_A, unique_guid=guid(BOOT_A)),
        lambda t: with_entry(t, ROOT_A, first_lba=1),
        lambda t: with_entry(t, ROOT_A, last_lba=100),
    ],
)
def test_an_unsound_table_is_not_written(change: Callable[[Table], Table]) -> None:
    refused(disk_with(OLD), change(OLD), "unsound")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: with_header(t, disk_guid=guid(99)),
        lambda t: with_header(t, alternate_lba=254),
        lambda t: t._replace(entries=t.entries[:-1]),
        lambda t: with_entry(t, 100, tail=b"longer"),
    ],
)
def test_a_table_of_another_frame_is_not_written(change: Callable[[Table], Table]) -> None:
    refused(disk_with(OLD), change(OLD), "not the one that was read before")


def test_a_table_read_from_a_damaged_disk_is_stale_once_the_disk_is_repaired() -> None:
    disk = disk_with(OLD)
    smash(disk, 600)
    stale = read_table(disk).table
    repair(disk)
    disk.log.clear()
    refused(disk, stale, "read it again")


@unsound
def test_nothing_is_written_while_the_followed_copy_is_unsound(what: str, bad: Table) -> None:
    for disk in (disk_with(bad, backup_of(OLD)), disk_with(bad)):
        # Not even what would make it sound: which partition is the wrong one is not ours to say.
        for table in (bad, with_boot(OLD, boot_bits(NEW))):
            refused(disk, table, f"unsound.*{what}.*nothing was written.*sgdisk")
        with pytest.raises(GptError, match="sgdisk"):
            repair(disk)
        assert disk.writes == []


@unsound
def test_a_damaged_primary_is_not_repaired_from_an_unsound_backup(what: str, bad: Table) -> None:
    disk = disk_with(bad)
    smash(disk, 600)
    refused(disk, backup_of(bad), f"backup partition table is unsound.*{what}")


def test_no_whole_copy_means_no_write() -> None:
    disk = disk_with(OLD)
    smash(disk, 600)
    smash(disk, LAST * 512)
    refused(disk, OLD, "no whole partition table")


# Failing devices.


class LostWrites(MemoryDisk):
    """Says yes to every write of the second half of the disk and forgets it on a re-read."""

    def reread(self, offset: int, length: int) -> bytes:
        if offset >= self.size // 2:
            return bytes(length)
        return self.pread(offset, length)


def test_a_device_that_loses_the_first_copy_keeps_the_second_untouched() -> None:
    disk = LostWrites(disk_with(OLD).data)
    with pytest.raises(DeviceError, match="reads back differently"):
        write_table(disk, NEW)
    assert all(inside(write, BACKUP_REGION) for write in disk.writes)


@pytest.mark.parametrize("fails_at", range(4))
def test_a_write_error_at_any_point_leaves_a_table(fails_at: int) -> None:
    disk = disk_with(OLD)

    def fail(_: Write) -> None:
        if len(disk.writes) == fails_at:
            raise DeviceError("no more")

    disk.before_write = fail
    with pytest.raises(DeviceError, match="no more"):
        write_table(disk, NEW)
    disk.before_write = None
    assert boot_bits(read_table(disk).table) in (boot_bits(OLD), boot_bits(NEW))
    write_table(disk, with_boot(read_table(disk).table, boot_bits(NEW)))
    assert disk.data == disk_with(NEW).data


# Repair.


@pytest.mark.parametrize("at", [512, 600, 1024, BACKUP_ARRAY * 512, LAST * 512, LAST * 512 + 30])
def test_repair_restores_the_disk_byte_for_byte(at: int) -> None:
    disk = disk_with(OLD)
    smash(disk, at, 64)
    assert repair(disk).healthy
    assert disk.data == disk_with(OLD).data


def test_repair_of_a_healthy_disk_writes_nothing() -> None:
    disk = disk_with(OLD)
    assert repair(disk).healthy
    assert disk.writes == []


def test_repair_takes_the_primary_of_two_that_differ() -> None:
    disk = disk_with(OLD, backup_of(NEW))
    repair(disk)
    assert disk.data == disk_with(OLD).data


class Forgetful(MemoryDisk):
    """Forgets every write at once, and does not admit it when asked."""

    def pwrite(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self.log.append(Write(offset, bytes(data)))

    def reread(self, offset: int, length: int) -> bytes:
        lost = {w.offset: w.data for w in self.writes}
        there = bytearray(self.pread(offset, length))
        for at, data in lost.items():
            if offset <= at < offset + length:
                there[at - offset : at - offset + len(data)] = data
        return bytes(there)


def test_repair_that_did_not_help_says_so() -> None:
    disk = Forgetful(disk_with(OLD).data)
    smash(disk, LAST * 512)
    with pytest.raises(GptError, match=re.escape("still damaged: backup partition table")):
        repair(disk)


def test_bits_of_the_second_set_lie_in_another_sector_than_those_of_the_first() -> None:
    # The order of writes is only interesting because one change can touch several sectors.
    assert (BOOT_A - 1) * 128 // 512 != (BOOT_B - 1) * 128 // 512
