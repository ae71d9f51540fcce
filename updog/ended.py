"""SIGTERM as an orderly end: what Ctrl-C does, with an exit code of its own.

systemd, a shutdown and `timeout` end a program by SIGTERM. Left to the kernel, it ends between two
instructions: nobody is told, and no connection, file or thread is given back.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EX_INTERRUPTED = 130
EX_TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """Somebody sent SIGTERM. Whoever knows what to do at Ctrl-C does it."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """Raise `Terminated` at SIGTERM, while the block runs.

    Whoever has another wish, as a program that stays, sets a handler in the block.
    """
    # One that was told to ignore it, or by its caller what to do, goes on with that.
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    try:
        signal.signal(signal.SIGTERM, _terminated)
    except ValueError:
        # Only the main thread may; in another one, the program that it is part of decides.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_code(interruption: KeyboardInterrupt) -> int:
    """What a command ends with that was ended from outside."""
    return EX_TERMINATED if isinstance(interruption, Terminated) else EX_INTERRUPTED


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated
