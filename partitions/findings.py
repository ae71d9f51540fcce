"""What a look at the two copies of a partition table found, in words for people."""

from __future__ import annotations

from dataclasses import dataclass

from partitions.copies import SeenCopy, same_content
from partitions.gpt import CopyName, Table

BOOT_SECTOR_BYTES = 512
_MBR_TYPES = (446 + 4, 446 + 16 + 4, 446 + 32 + 4, 446 + 48 + 4)
_MBR_MARK = b"\x55\xaa"
_PROTECTIVE = 0xEE


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one copy.

    Attributes:
        copy: the copy.
        what: what is wrong, a clause for people.
    """

    copy: CopyName
    what: str

    def __str__(self) -> str:
        return f"{self.copy.value} partition table: {self.what}"


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a disk says about its partitions.

    Attributes:
        table: the trusted copy.
        trusted: which one that is.
        why: why that one, a sentence for people.
        findings: what the next write, or ``repair``, puts right.
        notes: what deserves a look but is not ours to change.
    """

    table: Table
    trusted: CopyName
    why: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether both copies are whole and say the same."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Look:
    """Both copies as they were seen with one sector size.

    Attributes:
        boot_sector: the first 512 bytes of the device.
        device_sectors: size of the device.
        primary: the primary.
        backup: the backup.
    """

    boot_sector: bytes
    device_sectors: int
    primary: SeenCopy
    backup: SeenCopy

    @property
    def trusted(self) -> tuple[Table, CopyName] | None:
        """The copy to believe, if one is whole: the primary first, as the bootloader does."""
        if self.primary.table is not None:
            return self.primary.table, CopyName.PRIMARY
        if self.backup.table is not None:
            return self.backup.table, CopyName.BACKUP
        return None

    @property
    def untrusted(self) -> SeenCopy:
        """The copy that is replaced first by a write."""
        return self.primary if self.primary.table is None else self.backup


def judge(look: Look) -> ReadResult | None:
    """Say which copy is trusted, why, and what is wrong; None if neither can be."""
    if look.trusted is None:
        return None
    table, name = look.trusted
    primary, backup = look.primary, look.backup
    return ReadResult(table, name, _why(primary, backup), _findings(primary, backup), _notes(look))


def _why(primary: SeenCopy, backup: SeenCopy) -> str:
    if primary.table is None:
        return f"the primary is damaged ({primary.said}), the backup is whole"
    if backup.table is None:
        return f"the primary is whole, the backup is not ({backup.said})"
    if same_content(primary.table, backup.table):
        return "both copies are whole and say the same"
    return "both copies are whole but differ; the bootloader takes the primary, and so do we"


def _findings(primary: SeenCopy, backup: SeenCopy) -> tuple[Finding, ...]:
    damage = tuple(Finding(copy.name, fault) for copy in (primary, backup) for fault in copy.faults)
    if primary.table is None or backup.table is None:
        return damage
    if same_content(primary.table, backup.table):
        return ()
    return (Finding(CopyName.BACKUP, "it differs from the primary (a write was cut short)"),)


def _notes(look: Look) -> tuple[str, ...]:
    notes = []
    if not _has_protective_mbr(look.boot_sector):
        notes.append(
            "sector 0 holds no protective MBR, so Linux and the bootloader may not see the "
            "partitions; 'gdisk' writes a new one"
        )
    last = look.device_sectors - 1
    if look.backup.table is not None and look.backup.lba != last:
        notes.append(
            f"the backup partition table is at sector {look.backup.lba}, the device ends at {last} "
            "(grown disk?); 'sgdisk --move-second-header' moves it"
        )
    if look.primary.faults and look.primary.sealed:
        notes.append(
            "the primary's checksums are right, so the bootloader may follow it until it is "
            "repaired; 'signpost repair' makes it equal to the backup"
        )
    return tuple(notes)


def _has_protective_mbr(sector: bytes) -> bool:
    marked = sector.endswith(_MBR_MARK)
    return marked and any(sector[at] == _PROTECTIVE for at in _MBR_TYPES)
