"""``updog-repo bootstage build``."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from repo_tools.commandline import Commands
from repo_tools.console import say
from repo_tools.errors import ImageError

_COMPRESSIONS = ("zstd", "xz", "gzip", "none")


def add(commands: Commands) -> None:
    """Add ``bootstage``."""
    group = commands.group("bootstage", "Make the initramfs that chooses and starts a set")
    build = group.add_bare("build", "Build it; the same input gives the same bytes")
    build.add_argument("initramfs", metavar="FILE", type=Path, help="file to write")
    build.add_argument(
        "--kernel-modules",
        metavar="DIR",
        type=Path,
        required=True,
        help="/lib/modules/RELEASE of the kernel that it is for",
    )
    build.add_argument(
        "--python-root",
        metavar="DIR",
        type=Path,
        default=Path("/"),
        help="where Debian's Python is installed or unpacked (/)",
    )
    build.add_argument(
        "--module",
        metavar="NAME",
        action="append",
        default=[],
        help="a further kernel module; may be given several times",
    )
    build.add_argument("--compression", choices=_COMPRESSIONS, default="zstd", help="(zstd)")
    build.set_defaults(run=run_build)


def run_build(arguments: argparse.Namespace, now: datetime) -> None:
    """Build and write the initramfs.

    Raises:
        ImageError: an input is missing or damaged, or the file cannot be written.
    """
    from repo_tools.bootstage.build import Compression, Recipe, build
    from repo_tools.bootstage.kernelmodules import ModuleTree
    from repo_tools.bootstage.pythontree import PythonRoot

    del now
    recipe = Recipe(
        PythonRoot(arguments.python_root),
        ModuleTree(arguments.kernel_modules),
        arguments.module,
        Compression(arguments.compression),
    )
    data = build(recipe)
    try:
        arguments.initramfs.write_bytes(data)
    except OSError as error:
        raise ImageError(f"{arguments.initramfs} cannot be written: {error.strerror}.") from error
    say(f"{arguments.initramfs}: {len(data)} bytes")
