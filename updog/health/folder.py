"""The programs of a folder. Light, because every boot looks whether there are any."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from updog.settings import Health

_LEFTOVERS = ("~", ".bak", ".orig", ".rej", ".swp", ".dpkg-old", ".dpkg-new", ".dpkg-dist")


class Program(NamedTuple):
    """A program of a folder.

    Attributes:
        name: for people: role and file.
        path: where it is.
    """

    name: str
    path: Path


def programs(folder: Path, role: str) -> tuple[Program, ...]:
    """The programs of a folder in the order of their names; none where there is no folder.

    Hidden files and what editors and package managers leave behind are passed over.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return ()
    return tuple(
        Program(f"{role}/{path.name}", path)
        for path in found
        if not path.name.startswith((".", "README")) and not path.name.endswith(_LEFTOVERS)
    )


def has_programs(health: Health) -> bool:
    """Whether there is anything to run for a boot."""
    folders = (health.required_dir, health.wanted_dir, health.before_dir, health.after_dir)
    return any(programs(folder, "") for folder in folders)
