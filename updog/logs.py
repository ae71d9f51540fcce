"""Logs go to stderr, so that stdout carries results only (formats 5.2, D13)."""

from __future__ import annotations

import sys

LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40}
"""The numbers are those of `logging`, which commands that log nothing do not load."""
DETAILED = frozenset({"trace", "debug"})
"""The levels at which every command may have something to tell."""


def set_up(level: str) -> None:
    """Send the log records of our packages at or above `level` to stderr.

    Other packages stay at warnings: their details are theirs, and may hold addresses with secrets.
    """
    import logging  # noqa: PLC0415 - start-up: some commands log nothing

    logging.addLevelName(LEVELS["trace"], "TRACE")
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,
    )
    for package in ("updog", "partitions", "waves"):
        logging.getLogger(package).setLevel(LEVELS[level])


def debugging() -> bool:
    """Whether the user asked for the details of an error."""
    import logging  # noqa: PLC0415 - start-up: only asked after a failure

    return logging.getLogger("updog").isEnabledFor(logging.DEBUG)
