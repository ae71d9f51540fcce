"""The flags of every command that simulates a fleet."""

from __future__ import annotations

import argparse

_POLL = "6h"
_FLEET = 10_000
_MOST = 100_000_000


def fleet_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags that describe a fleet."""
    command.add_argument(
        "--fleet", metavar="N", type=hosts, default=_FLEET, help=f"how many hosts ({_FLEET})"
    )
    poll_flag(command)
    command.add_argument("--image-size", metavar="SIZE", help="what a host downloads, as 600MB")
    command.add_argument(
        "--draw", metavar="N", type=hosts, default=1, help="another number draws another fleet (1)"
    )


def poll_flag(command: argparse.ArgumentParser) -> None:
    """Add ``--poll``, which `repo_tools.simulation.quantities.parse_span` reads."""
    command.add_argument(
        "--poll", metavar="SPAN", default=_POLL, help=f"time between two polls of a host ({_POLL})"
    )


def hosts(text: str) -> int:
    """A number from 1 to 100 million, underscores allowed, for argparse's ``type``."""
    number = int(text)
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {_MOST}")
    return number
