"""A worker's commands that change boot bits, and need no repository."""

from __future__ import annotations

from argparse import Namespace
from typing import TextIO

from updog import config, invocation


def activate(args: Namespace, _out: TextIO) -> int:
    """Let the staged update boot next."""
    invocation.control(config.load(args.config)).activate()
    return 0


def deactivate(args: Namespace, _out: TextIO) -> int:
    """Take an activation back."""
    invocation.control(config.load(args.config)).cancel()
    return 0
