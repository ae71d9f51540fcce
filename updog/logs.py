"""Logs go to stderr, so that stdout carries results only (formats 5.2, D13)."""

from __future__ import annotations

import logging
import sys

TRACE = 5
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}


def set_up(level: str) -> None:
    """Send the log records of our packages at or above `level` to stderr.

    Other packages stay at warnings: their details are theirs, and may hold addresses with secrets.
    """
    logging.addLevelName(TRACE, "TRACE")
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
    return logging.getLogger("updog").isEnabledFor(logging.DEBUG)
