"""What is left to do when our output cannot be written: no reader is left, or no room."""

from __future__ import annotations

import os
import sys

EX_SIGPIPE = 141
"""What shells report of a program that ended because nobody reads it any more."""


def let_go_of_stdout() -> None:
    """Keep Python from complaining once more, at its end, that what is buffered has no reader."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def give_out_the_rest() -> None:
    """Write what is buffered, or drop it where it cannot be written.

    Left to Python's end, that would fail once more, with a complaint and an exit code of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        let_go_of_stdout()
