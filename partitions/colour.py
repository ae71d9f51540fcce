"""Colour on terminals; here, because every program of ours may look down to this package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

RED = "31"
YELLOW = "33"
GREEN = "32"
"""Parameters of the escape sequence that terminals know (ECMA-48, SGR)."""


def wanted(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to a stream may have colour.

    Args:
        stream: where it goes; files and pipes get none.
        environment: ``NO_COLOR`` that is not empty, or a terminal without colours, forbids it.
    """
    if environment.get("NO_COLOR") or environment.get("TERM", "dumb") == "dumb":
        return False
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def paint(
    text: str, colour: str, stream: TextIO, environment: Mapping[str, str] = os.environ
) -> str:
    """The text in a colour, or as it is where the stream shall have none."""
    return f"\x1b[{colour}m{text}\x1b[0m" if wanted(stream, environment) else text
