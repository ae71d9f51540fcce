"""What a look at the two copies of a partition table found, in words for people."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

from partitions.copies import SeenCopy, same_content
from partitions.errors import GptError
from partitions.gpt import CopyName, Table

BOOT_SECTOR_BYTES = 512
_MBR_TYPES = (446 + 4, 446 + 16 + 4, 446 + 32 + 4, 446 + 48 + 4)
_MBR_MARK = b"\x55\xaa"
_PROTECTIVE = 0xEE
_WAY_OUT = (
    "nothing was written. See 'sgdisk --verify', then correct it with sgdisk "
    "('--partition-guid=N:R' gives partition N a new GUID) or take the other copy with the "
    "recovery menu of gdisk"
)


class Finding(NamedTuple):
    """One thing that is wrong with one copy.

    Attributes:
        copy: the copy.
        what: what is wrong, a clause for people.
    """

    copy: CopyName
    what: str

    def __str__(self) -> str:
        return f"{self.copy.value} partition table: {self.what}"


class ReadResult(NamedTuple):
    """What a disk says about its partitions.

    Attributes:
        table: the trusted copy, the one that the bootloader follows.
        trusted: which one that is.
        why: why that one, a sentence for people.
        findings: what the next write, or ``repair``, puts right.
        notes: what deserves a look but is not ours to change.
        unsound: what is wrong with the partitions in the trusted copy although its checksums are
            right. Nothing is written while there is any of it: a person has to say what is meant.
    """

    table: Table
    trusted: CopyName
    why: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    unsound: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether both copies are whole and say the same."""
        return not self.findings and not self.unsound

    def require_sound(self, disk: PurePath) -> None:
        """Refuse to go on from an unsound table to a write.

        Args:
            disk: named in the message.

        Raises:
            GptError: the table is unsound; the message tells the way out.
        """
        if self.unsound:
            raise GptError(f"{disk}: {_unsound_said(self.trusted, self.unsound)}; {_WAY_OUT}")


class Look(NamedTuple):
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
        """The copy to follow: the primary first, as the bootloader does (formats 9.6)."""
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
    unsound = (primary if name is CopyName.PRIMARY else backup).faults
    return ReadResult(
        table,
        name,
        _unsound_said(name, unsound) if unsound else _why(primary, backup),
        _findings(look, name),
        _notes(look),
        unsound,
    )


def _unsound_said(name: CopyName, unsound: tuple[str, ...]) -> str:
    return (
        f"the {name.value} partition table is unsound ({'; '.join(unsound)}), but its checksums are"
        " right, so the bootloader follows it"
    )


def _why(primary: SeenCopy, backup: SeenCopy) -> str:
    if primary.table is None:
        return f"the primary is damaged ({primary.said}), the backup is whole"
    if backup.whole is None:
        return f"the primary is whole, the backup is not ({backup.said})"
    if same_content(primary.table, backup.whole):
        return "both copies are whole and say the same"
    return "both copies are whole but differ; the bootloader takes the primary, and so do we"


def _findings(look: Look, trusted: CopyName) -> tuple[Finding, ...]:
    """What is wrong with the copy that is not trusted."""
    primary, backup = look.primary, look.backup
    other = backup if trusted is CopyName.PRIMARY else primary
    if other.faults:
        return tuple(Finding(other.name, fault) for fault in other.faults)
    if primary.table is None or backup.table is None or same_content(primary.table, backup.table):
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
    return tuple(notes)


def _has_protective_mbr(sector: bytes) -> bool:
    marked = sector.endswith(_MBR_MARK)
    return marked and any(sector[at] == _PROTECTIVE for at in _MBR_TYPES)
