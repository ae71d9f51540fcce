"""The flags of ``updog migrate``; apart, so that ``updog --help`` need not load the rest."""

from __future__ import annotations

import argparse
from pathlib import Path

MOST_SECONDS = 24 * 3600


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to a parser; those of Bottlerocket's migrator are among them."""
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "--to",
        "--migrate-to-version",
        dest="goal",
        metavar="VERSION",
        help="the version to have settings of (default: the running one)",
    )
    goal.add_argument(
        "--migrate-to-version-from-os-release",
        dest="goal",
        action="store_const",
        const=None,
        help="the running version",
    )
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="there and back on a copy; show what changes, and change nothing",
    )
    for flag, text in (
        ("--datastore-path", "the link 'current' of the data store"),
        ("--migration-directory", "where migrations and manifest are cached"),
        ("--metadata-directory", "where the metadata is cached"),
        ("--root-path", "the trusted root"),
    ):
        parser.add_argument(flag, type=_absolute, metavar="PATH", help=text)
    parser.add_argument(
        "--time-limit",
        type=_seconds,
        default=300,
        metavar="SECONDS",
        help="for one migration (default: 300)",
    )
    parser.add_argument("-j", "--json", action="store_true", help="JSON on stdout")


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def _seconds(text: str) -> int:
    if not (text.isdigit() and text.isascii() and 1 <= int(text) <= MOST_SECONDS):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds in 1..{MOST_SECONDS}")
    return int(text)
