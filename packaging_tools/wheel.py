"""Our wheel, for whatever is made of it: how it is built, and which commands it brings."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoints, PathDistribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_STDERR = 2


def build_wheel(folder: Path) -> Path:
    """Build it from this checkout into a folder, which has no other one; return its path.

    Raises:
        subprocess.CalledProcessError: it cannot be built; what was said went to stderr.
    """
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    # What stdout of this process says is for whoever asked it.
    subprocess.run(words, cwd=ROOT, check=True, stdout=_STDERR)  # noqa: S603 - no shell
    (built,) = folder.glob("*.whl")
    return built


def console_scripts(wheel: Path) -> EntryPoints:
    """The commands that an installer would make, by their names."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition("/")[0] for name in archive.namelist()}
        (facts,) = (name for name in names if name.endswith(".dist-info"))
        found = PathDistribution(zipfile.Path(archive, f"{facts}/"))
        return found.entry_points.select(group="console_scripts")
