"""What may be typed after ``updog-repo``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version as distribution_version
from pathlib import Path

from repo_tools import deltacommand, servecommand
from repo_tools.bootstage import command as bootstage
from repo_tools.ceremony import commands as ceremony
from repo_tools.commandline import (
    Commands,
    Parser,
    dry_run_flag,
    edition_filter,
    json_flag,
    loudness_flags,
    release_flags,
    version,
)
from repo_tools.fleet import command as fleet
from repo_tools.planning import command as planning
from repo_tools.publishing import command as publishing
from repo_tools.release import command as release
from repo_tools.rollout import command as rollout
from repo_tools.validate import command as validate

_EPILOG = """\
a first repository:
  updog-repo init DIR
  updog-repo add-update DIR --variant V --arch A -v 1.1.0 -b BOOT -r ROOT --hash HASH
  updog-repo set-migrations DIR --from Release.toml
  updog-repo set-waves DIR --variant V --arch A -v 1.1.0 --policy default
  updog-repo publish DIR
  updog-repo serve DIR

Results go to stdout, everything else to stderr. Exit codes: see updog-repo(1).
"""


def parser() -> argparse.ArgumentParser:
    """The parser; the name of the command is in ``command``."""
    top = Parser(
        prog="updog-repo",
        description="Make and publish a signed repository of OS updates.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"updog-repo {_own_version()}")
    loudness_flags(top, default=False)
    commands = Commands(
        top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    )
    _root_commands(commands)
    _draft_commands(commands)
    _disk_image(commands)
    for add_commands in FEATURES:
        add_commands(commands)
    return top


def _root_commands(commands: Commands) -> None:
    init = commands.add("init", "Make keys and a first root in a new repository")
    init.add_argument("--key-type", choices=["ed25519", "ecdsa", "rsa"], default="ed25519")
    init.add_argument(
        "--root-keys", metavar="N", type=int, default=3, help="how many root keys to make (3)"
    )
    init.add_argument(
        "--root-threshold", metavar="K", type=int, default=2, help="how many must sign (2)"
    )
    renew = commands.add("renew-root", "Sign the next root: same keys, later expiry")
    for writes in (init, renew):
        _root_expires(writes)
        dry_run_flag(writes)
        json_flag(writes)


def _root_expires(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--root-expires", metavar="SPAN", default="365 days", help="'52 weeks' or so (365 days)"
    )


def _draft_commands(commands: Commands) -> None:
    add = commands.add("add-update", "Add a release of three images to the draft")
    release_flags(add)
    add.add_argument("-m", "--max-version", metavar="VERSION", type=version)
    _images(add, "raw or .lz4")
    release.check_flags(add)
    json_flag(add)
    remove = commands.add("remove-update", "Take a release out of the draft")
    release_flags(remove)
    waves = commands.add("set-waves", "Give a release its rollout, in place of the one it had")
    release_flags(waves)
    waves.add_argument(
        "--policy", metavar="NAME|FILE", required=True, help="shipped policy, or a TOML file"
    )
    waves.add_argument("--start-at", metavar="TIME", help="RFC 3339, or 'in 4 hours' (now)")
    waves.add_argument(
        "--allow-past", action="store_true", help="waves may have started, and come at once then"
    )
    json_flag(waves)
    release.max_version(commands, "set-max-version")
    steps = commands.add("set-migrations", "Replace the migrations by those of a Release.toml")
    _migrations(steps)
    for writes in (add, remove, waves, steps):
        dry_run_flag(writes)
    json_flag(commands.add("show", "List what is drafted"))


def _images(command: argparse.ArgumentParser, form: str) -> None:
    for flag, image in (("-b", "boot"), ("-r", "root"), (None, "hash")):
        flags = [flag, f"--{image}"] if flag else [f"--{image}"]
        command.add_argument(
            *flags, metavar="FILE", type=Path, required=True, help=f"{image} image, {form}"
        )


def _disk_image(commands: Commands) -> None:
    command = commands.add_bare("disk-image", "Make a disk image that runs a release from set A")
    command.add_argument("image", metavar="DISK", type=Path, help="file to make")
    _images(command, "raw")
    json_flag(command)
    command.add_argument(
        "--layout",
        choices=["fitting", "bottlerocket"],
        default="fitting",
        help="as small as the images allow (fitting), or upstream's sizes",
    )
    command.add_argument(
        "--os-image-gib", metavar="N", type=_gib, default=2, help="--layout bottlerocket: GiB (2)"
    )
    dry_run_flag(command)


def _migrations(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-f", "--from", dest="release", metavar="RELEASE.TOML", type=Path, required=True
    )
    command.add_argument(
        "--migrations-dir", metavar="DIR", type=Path, help="their files (beside Release.toml)"
    )
    edition_filter(command)


def _gib(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number of GiB from 1 upwards")
    return number


def _own_version() -> str:
    return distribution_version("updog-agent")


# Features that bring their own commands: each adds them to the parser.
FEATURES: tuple[Callable[[Commands], None], ...] = (
    servecommand.add,
    publishing.add,
    ceremony.add,
    deltacommand.add,
    release.add,
    planning.add,
    rollout.add,
    validate.add,
    fleet.add,
    bootstage.add,
)
