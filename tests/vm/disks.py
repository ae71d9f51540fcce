"""What the tests ask of a disk from outside, by tools that are not ours, and do to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

BOOT_A, BOOT_B, PRIVATE = 3, 8, 12
"""Partition numbers (formats 11.1)."""
SECTOR = 512


def attributes(disk: Path, number: int) -> str:
    """The attribute word of a partition in hexadecimal digits, as sgdisk reads it."""
    for line in _sgdisk("-i", str(number), str(disk)).splitlines():
        if line.startswith("Attribute flags:"):
            return line.split()[-1]
    raise AssertionError(f"sgdisk shows no partition {number} of {disk}")


def complaints(disk: Path) -> str:
    """What sgdisk finds wrong with the partition table; empty if nothing."""
    said = _sgdisk("-v", str(disk))
    return "" if "No problems found" in said and "corrupt" not in said.lower() else said


def spoil_primary(disk: Path) -> None:
    """Overwrite the header and the first entries of the primary copy."""
    _overwrite(disk, SECTOR)


def spoil_backup(disk: Path) -> None:
    """Overwrite the last sectors, entries and header of the backup copy."""
    _overwrite(disk, disk.stat().st_size - 2 * SECTOR)


def _overwrite(disk: Path, offset: int) -> None:
    with disk.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 2 * SECTOR)


def _sgdisk(*words: str) -> str:
    return subprocess.run(
        ["sgdisk", *words],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
    ).stdout
