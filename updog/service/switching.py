"""A worker's commands that change boot bits, and need no repository."""

from __future__ import annotations

from argparse import Namespace
from typing import TextIO

from updog import config, invocation


def activate(args: Namespace, _out: TextIO) -> int:
    """Let the staged update boot next."""
    from updog.activation import activate as choose  # noqa: PLC0415 - for this command only

    settings = config.load(args.config)
    choose(settings, invocation.control(settings))
    return 0


def deactivate(args: Namespace, _out: TextIO) -> int:
    """Take an activation back."""
    invocation.control(config.load(args.config)).cancel()
    return 0
