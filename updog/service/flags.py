"""The flags of ``updog serve``; apart, so that ``updog --help`` need not load the rest."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to a parser."""
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="listen here instead of where the configuration says",
    )
