"""The flags of the agent's commands; light, because every command line reads them."""

from __future__ import annotations

from argparse import ArgumentParser


def once_flag(parser: ArgumentParser) -> None:
    """For ``agent``."""
    parser.add_argument(
        "--once", action="store_true", help="do what is due now and end, as a timer wants it"
    )
