"""The process of the `updog` command; also ``python -m updog``."""

from __future__ import annotations

import gc
import sys

from updog import lean


def run() -> int:
    """Run the command of this process.

    As much time as it takes to look for garbage among freshly loaded modules, a short command would
    spend on taking them apart at its end; that is left out as well.

    Returns:
        The exit code.
    """
    lean.begin()
    from updog.cli import main  # noqa: PLC0415 - after the line above

    try:
        return main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(run())
