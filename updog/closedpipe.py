"""What is left to do when whoever read our output is gone: ``| head`` has seen enough."""

from __future__ import annotations

import os
import sys

EX_SIGPIPE = 141
"""What shells report of a program that ended because nobody reads it any more."""


def let_go_of_stdout() -> None:
    """Keep Python from complaining once more, at its end, that what is buffered has no reader."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
