"""The process of the `updog` command; also ``python -m updog``."""

from __future__ import annotations

import gc
import sys

START_UP_OBJECTS = 100_000
"""About as many objects as a command makes when it starts, nearly all of them to stay."""


def run() -> int:
    """Run the command of this process.

    A short command spends a tenth of its time on looking for garbage among freshly loaded modules,
    and as much on taking them apart at its end. The first is put off, the second left out.

    Returns:
        The exit code.
    """
    gc.set_threshold(START_UP_OBJECTS)
    from updog.cli import main  # noqa: PLC0415 - after the line above

    try:
        return main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(run())
