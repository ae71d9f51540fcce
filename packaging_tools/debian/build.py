"""Build the Debian package: our wheel and its locked libraries in a folder of their own.

    python -m packaging_tools.debian.build [--out DIR]

What the environment holds was installed by the lock file, hash by hash; the libraries are copied
from there, so that a build needs no network. docs/debian.md says what the package does, and why it
is made so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging_tools.debian.control import Facts, write_control
from packaging_tools.debian.libraries import copy_libraries, glibc
from packaging_tools.debian.tree import Layout, add_completion, add_manual, lay_out
from packaging_tools.wheel import build_wheel

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "updog-agent"
EXTRAS = frozenset({"service", "agent"})
"""What a device may use; what only publishers need is large, and pip brings it to them."""

GENERATED = {"manpages": add_manual, "completions": add_completion}
"""Modules of `packaging_tools` that write files for a package, and what puts them in place."""


def main() -> int:
    """Build it, and print its path."""
    parser = argparse.ArgumentParser(prog="python -m packaging_tools.debian.build")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the package")
    out: Path = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="updog-deb-") as scratch:
        sys.stdout.write(f"{build(Path(scratch), out)}\n")
    return 0


def build(scratch: Path, out: Path) -> Path:
    """Build the package in a folder for scratch.

    Returns:
        Where it is.
    """
    # What lies in the package is the same whenever and wherever it is built.
    os.umask(0o022)
    epoch = os.environ.setdefault("SOURCE_DATE_EPOCH", last_change())
    layout = Layout(scratch / "root", sys.version_info[:2])
    libraries = copy_libraries(PACKAGE, EXTRAS, layout.site)
    version = lay_out(layout, build_wheel(scratch), ROOT, int(epoch))
    for name, folder in GENERATED.items():
        run(sys.executable, "-m", f"packaging_tools.{name}", str(scratch / name))
        folder(layout, scratch / name)
    write_control(
        layout.root,
        Facts(
            version=version,
            architecture=said("dpkg", "--print-architecture"),
            python=layout.python,
            glibc=glibc(libraries),
        ),
    )
    path = out / f"{PACKAGE}_{version}_{said('dpkg', '--print-architecture')}.deb"
    run("dpkg-deb", "--root-owner-group", "--build", str(layout.root), str(path))
    return path


def last_change() -> str:
    """Seconds from 1970 to the last change of the source; without git, to that of this file's."""
    git = shutil.which("git")
    if git and ROOT.joinpath(".git").exists():
        return said(git, "log", "-1", "--format=%ct")
    return str(int(Path(__file__).stat().st_mtime))


def run(*command: str) -> None:
    """Run a program of the system; its results go to stderr."""
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)  # noqa: S603 - no shell


def said(*command: str) -> str:
    """What a program of the system prints."""
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return done.stdout.decode().strip()


if __name__ == "__main__":
    sys.exit(main())
