"""A bar on a terminal, for how far a prepare is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any, TextIO

from updog.apiclient.connection import Connection
from updog.apiclient.errors import ClientError
from updog.progress import CLEAR, MEGABYTE, shortened

CELLS = 30


class Bar:
    """Asks how far it is each time it is called, and draws that.

    Args:
        connection: whom to ask.
        out: a terminal.
    """

    def __init__(self, connection: Connection, out: TextIO) -> None:
        self._connection = connection
        self._out = out
        self._drawn = False

    def __call__(self) -> None:
        """Draw how far it is now; what cannot be asked is not drawn."""
        try:
            tree = self._connection.ask("GET", "/updates/progress").tree()
        except ClientError:
            return
        if line := line_for(tree):
            width = shutil.get_terminal_size().columns
            self._out.write(f"{CLEAR}{shortened(line, width - 1)}\r")
            self._out.flush()
            self._drawn = True

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._drawn:
            self._out.write(CLEAR)
            self._out.flush()


def line_for(tree: Mapping[str, Any]) -> str:
    """One line about the image that moves; empty where none does."""
    if tree.get("target") is None or not tree.get("total"):
        return ""
    full = CELLS * tree["done"] // tree["total"]
    told = (
        f"{tree['target']}  [{'#' * full}{'-' * (CELLS - full)}] {tree['percent']:3d} %"
        f"  {tree['done'] / MEGABYTE:.1f}/{tree['total'] / MEGABYTE:.1f} MB"
    )
    if tree["rate"]:
        told += f"  {tree['rate'] / MEGABYTE:.1f} MB/s"
    left = tree["seconds_left"]
    return told if left is None else f"{told}  {left // 60}:{left % 60:02d} left"
