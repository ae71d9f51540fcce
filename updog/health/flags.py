"""The flags of the commands that judge a boot; light, because every command line reads them."""

from __future__ import annotations

from argparse import ArgumentParser

ALL = "all"


def skip_flag(parser: ArgumentParser) -> None:
    """For ``mark-successful``."""
    parser.add_argument(
        "--skip-checks", action="store_true", help="confirm without asking any health check"
    )


def clear_flags(parser: ArgumentParser) -> None:
    """For ``bad-versions``."""
    parser.add_argument("action", nargs="?", choices=("clear",), help="let versions be taken again")
    parser.add_argument("version", nargs="?", metavar="VERSION", help=f"which, or '{ALL}'")
