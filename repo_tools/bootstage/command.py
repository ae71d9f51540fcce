"""``updog-repo bootstage build``."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from repo_tools.commandline import Commands, dry_run_flag
from repo_tools.console import done, say

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
    dry_run_flag(build)
    build.set_defaults(run=run_build)


def run_build(arguments: argparse.Namespace, now: datetime) -> None:
    """Build and write the initramfs.

    Raises:
        ImageError: an input is missing or damaged.
        UpdogError: the file cannot be written.
    """
    from repo_tools.bootstage.build import Compression, Recipe, build
    from repo_tools.bootstage.kernelmodules import ModuleTree
    from repo_tools.bootstage.pythontree import PythonRoot
    from updog.durable import write_durably

    del now
    recipe = Recipe(
        PythonRoot(arguments.python_root),
        ModuleTree(arguments.kernel_modules),
        arguments.module,
        Compression(arguments.compression),
    )
    data = build(recipe)
    path: Path = arguments.initramfs
    if arguments.dry_run:
        say(f"Would write {path} ({len(data)} bytes)")
    else:
        write_durably(path, data)
    done(arguments, f"{path}: {len(data)} bytes, to be started by the kernel of these modules.")
