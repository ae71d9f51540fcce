"""Logs go to stderr or to the journal, so that stdout carries results only (formats 5.2, D13)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40}
"""The numbers are those of `logging`, which commands that log nothing do not load."""
DETAILED = frozenset({"trace", "debug"})
"""The levels at which every command may have something to tell."""
FORMS = ("auto", "plain", "json", "journal")
"""How records look; `auto` is the journal where stderr is one, and plain elsewhere."""
PACKAGES = ("updog", "partitions", "waves", "repo_tools")


def set_up(
    level: str,
    form: str = "auto",
    *,
    program: str = "updog",
    command: str = "",
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Send the log records of our packages at or above `level` to where they belong.

    Other packages stay at warnings: their details are theirs, and may hold addresses with secrets.

    Args:
        level: one of `LEVELS`.
        form: one of `FORMS`.
        program: who logs.
        command: what it was told to do.
        environment: says what stderr is, and which values are secrets.
    """
    import logging  # noqa: PLC0415 - start-up: some commands log nothing

    from updog import logforms  # noqa: PLC0415 - the same

    logging.addLevelName(LEVELS["trace"], "TRACE")
    logging.addLevelName(25, "NOTICE")
    handler = logforms.handler(form, program, command, environment)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(LEVELS[level])


def structured() -> bool:
    """Whether records keep their fields where they go, so that nothing is said beside them."""
    loaded = sys.modules.get("updog.logforms")
    return loaded is not None and any(map(loaded.keeps_fields, _handlers()))


def debugging() -> bool:
    """Whether the user asked for the details of an error."""
    import logging  # noqa: PLC0415 - start-up: only asked after a failure

    return logging.getLogger("updog").isEnabledFor(logging.DEBUG)


def _handlers() -> list[logging.Handler]:
    import logging  # noqa: PLC0415 - start-up: only where it was loaded before

    return logging.getLogger().handlers
