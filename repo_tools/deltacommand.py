"""``updog-repo make-delta``, and the flags by which a release gets its maps and deltas."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repo_tools import commandline
from repo_tools.commandline import Commands, dry_run_flag, json_flag, release_flags
from repo_tools.console import answer, done, edition_of, repository_of, say
from updog.pipeline.formats import Format

if TYPE_CHECKING:
    from repo_tools.repository import NewUpdate
    from repo_tools.shortcutmaking import Made

_FORMATS = ("lz4", "zstd")


def add(commands: Commands) -> None:
    """Add ``make-delta``."""
    command = commands.add("make-delta", "Make deltas to a drafted release from an earlier one")
    release_flags(command)
    bases = command.add_mutually_exclusive_group(required=True)
    bases.add_argument(
        "--from",
        dest="bases",
        metavar="VERSION",
        type=commandline.version,
        action="append",
        help="an earlier release of the draft; may be given several times",
    )
    bases.add_argument(
        "--from-images",
        metavar=("BOOT", "ROOT", "HASH"),
        type=Path,
        nargs=3,
        help="the images of a release that the draft does not have",
    )
    dry_run_flag(command)
    json_flag(command)
    command.set_defaults(run=run_make_delta)


def shortcut_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags of a new release."""
    command.add_argument(
        "--format",
        choices=_FORMATS,
        default=_FORMATS[0],
        help="how raw images are packed; zstd only where every client is an updog (lz4)",
    )
    command.add_argument("--no-blockmap", action="store_true", help="publish no block maps")
    command.add_argument(
        "--delta-from",
        metavar="VERSION",
        type=commandline.version,
        action="append",
        default=[],
        help="make deltas from this release of the draft too; may be given several times",
    )


def with_shortcuts(new: NewUpdate, arguments: argparse.Namespace) -> NewUpdate:
    """A release with what the flags say."""
    return replace(
        new,
        format=Format(arguments.format),
        blockmap=not arguments.no_blockmap,
        delta_from=tuple(arguments.delta_from),
    )


def run_make_delta(arguments: argparse.Namespace, _now: datetime) -> None:
    """Make the deltas and print their names and lengths."""
    repository = repository_of(arguments)
    edition, version = edition_of(arguments), arguments.version
    images = tuple(arguments.from_images) if arguments.from_images else None
    made = [
        one
        for base in arguments.bases or [images]
        for one in repository.make_delta(edition, version, base, report=say)
    ]
    _tell(arguments, made)
    done(arguments, "Devices see them after the next publish.")


def _tell(arguments: argparse.Namespace, made: Sequence[Made]) -> None:
    members = ("name", "length", "instead_of")
    tree = {"deltas": [{name: getattr(one, name) for name in members} for one in made]}
    answer(arguments, tree, [f"{one.name} {one.length}" for one in made])
    for one in made:
        say(
            f"{one.name}: {100 * one.length / one.instead_of:.1f} % of the image"
            f" of {one.instead_of} bytes."
        )
