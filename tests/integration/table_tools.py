"""Debian's partition tools as independent readers of what we write."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from partitions.bootflags import BootFlags


def run(*command: str | Path) -> str:
    """Run a tool that must succeed, and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def sgdisk_attributes(disk: Path, number: int) -> int:
    """The attribute word of a partition, as ``sgdisk -i`` prints it."""
    found = re.search(r"Attribute flags: ([0-9A-F]{16})", run("sgdisk", "-i", str(number), disk))
    assert found is not None
    return int(found[1], 16)


def cgpt_flags(disk: Path, number: int) -> BootFlags:
    """The boot bits of a partition, as ``cgpt show`` prints them."""
    priority, tries, successful = (
        int(run("cgpt", "show", "-i", str(number), option, disk)) for option in ("-P", "-T", "-S")
    )
    return BootFlags(priority, tries, bool(successful))


def cgpt_attributes(disk: Path, number: int) -> int:
    """Bits 48-63 of a partition, moved back to their place, as ``cgpt show -A`` prints them."""
    return int(run("cgpt", "show", "-i", str(number), "-A", disk), 16) << 48


def assert_sound(disk: Path) -> None:
    """Every tool finds both copies of the table whole."""
    assert "No problems found" in run("sgdisk", "--verify", disk)
    shown = run("cgpt", "show", disk)
    assert "Sec GPT header" in shown
    assert "INVALID" not in shown
    run("sfdisk", "--verify", disk)
    run("parted", "--script", disk, "unit", "s", "print")
