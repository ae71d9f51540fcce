"""The flags of ``updog crashtest``; apart, so that ``updog --help`` need not load the rest."""

from __future__ import annotations

import argparse
from pathlib import Path

OPERATIONS = ("update", "activate", "mark-successful", "rollback", "revert")
SECTORS = (512, 4096)
DESCRIPTION = (
    "Play each operation on a copy of a disk, build every disk that a power cut could leave, and"
    " check that each of them boots a complete system. The disk itself is only read."
)

_MOST_TRIES = 15


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to a parser."""
    parser.add_argument(
        "--image", type=Path, required=True, metavar="DISK", help="disk image file or device"
    )
    parser.add_argument(
        "--scenario", choices=(*OPERATIONS, "all"), default="all", help="operation (default: all)"
    )
    parser.add_argument(
        "--sector",
        type=int,
        choices=SECTORS,
        help="bytes that the medium writes whole or not at all (default: 512, and then 4096)",
    )
    parser.add_argument(
        "--active",
        choices=("A", "B"),
        help="the set that runs (default: the one that the bootloader would boot)",
    )
    parser.add_argument(
        "--tries",
        type=int,
        choices=range(1, _MOST_TRIES + 1),
        default=1,
        metavar="N",
        help="boots of an update before it is confirmed (default: 1)",
    )
    parser.add_argument("-j", "--json", action="store_true", help="JSON on stdout")
