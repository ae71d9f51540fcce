"""The libraries that go into the package: which, their files, and what they ask of the system."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

# PEP 600 names the oldest glibc that a wheel runs with; before it there were three nicknames.
MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
NICKNAMES = {"manylinux1_": (2, 5), "manylinux2010_": (2, 12), "manylinux2014_": (2, 17)}
PASSED_BY = frozenset({"..", "__pycache__", "INSTALLER", "RECORD", ".gitignore", ".sh"})
PYTHONS_OWN = (2, 28)
"""What the package asks for where no library asks for anything."""


def copy_libraries(name: str, extras: frozenset[str], site: Path) -> tuple[Distribution, ...]:
    """Copy all that a distribution needs, but not itself.

    Args:
        name: the distribution.
        extras: which of its extras.
        site: the folder to copy to.

    Returns:
        What was copied.
    """
    found = tuple(each for each in closure(name, extras) if normal(each.name) != normal(name))
    for library in found:
        copy_files(library, site)
    strip(site.rglob("*.so"))
    return found


def closure(name: str, extras: frozenset[str]) -> list[Distribution]:
    """A distribution and all that it needs, as installed here."""
    known: dict[str, set[str]] = {}
    open_ends = [(name, extras)]
    while open_ends:
        at, wanted = open_ends.pop()
        new = {"", *wanted} - known.setdefault(normal(at), set())
        known[normal(at)] |= new
        for text in distribution(at).requires or ():
            need = Requirement(text)
            if any(need.marker is None or need.marker.evaluate({"extra": one}) for one in new):
                open_ends.append((need.name, frozenset(need.extras)))
    return [distribution(each) for each in sorted(known)]


def copy_files(library: Distribution, site: Path) -> None:
    """Copy the files of one library, without commands, scripts and what Python compiled."""
    for file in library.files or ():
        if not PASSED_BY.isdisjoint((*file.parts, file.suffix)):
            continue
        place = site / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), place)


def strip(objects: Iterable[Path]) -> None:
    """Take out what only debuggers need; it is most of some libraries."""
    what = ("--strip-unneeded", "--remove-section=.comment", "--remove-section=.note")
    subprocess.run(["strip", *what, *sorted(map(str, objects))], check=True)  # noqa: S603, S607


def glibc(libraries: Iterable[Distribution]) -> str:
    """The oldest glibc that all of them run with, such as ``2.34``."""
    needed = (oldest_glibc(each) for each in libraries)
    major, minor = max((each for each in needed if each), default=PYTHONS_OWN)
    return f"{major}.{minor}"


def oldest_glibc(library: Distribution) -> tuple[int, int] | None:
    """The oldest glibc that one runs with; None where it has no machine code.

    Raises:
        SystemExit: it was compiled on this machine, so nobody knows where else it runs.
    """
    tags = re.findall(r"^Tag: (\S+)", library.read_text("WHEEL") or "", re.MULTILINE)
    if all(tag.endswith("-any") for tag in tags):
        return None
    found = [version for tag in tags if (version := _of_tag(tag))]
    if not found:
        raise SystemExit(f"{library.name} was compiled here ({tags}); the package needs its wheel.")
    return min(found)


def _of_tag(tag: str) -> tuple[int, int] | None:
    if match := MANYLINUX.search(tag):
        return int(match[1]), int(match[2])
    return next((version for name, version in NICKNAMES.items() if name in tag), None)


def normal(name: str) -> str:
    """A name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
