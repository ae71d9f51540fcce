"""The process of the `updog` command; also ``python -m updog``."""

from __future__ import annotations

import gc
import sys

START_UP_OBJECTS = 100_000
"""About as many objects as a command makes when it starts, nearly all of them to stay."""
PUBLISHERS_ONLY = ("boto3", "botocore", "azure", "google.cloud", "pkcs11", "hvac")
"""What the TUF library loads, wherever it is installed, to sign with keys that lie elsewhere."""


def run() -> int:
    """Run the command of this process.

    A short command spends a tenth of its time on looking for garbage among freshly loaded modules,
    and as much on taking them apart at its end. The first is put off, the second left out.

    Returns:
        The exit code.
    """
    gc.set_threshold(START_UP_OBJECTS)
    for name in PUBLISHERS_ONLY:
        # For Python, a module that is not installed.
        sys.modules[name] = None  # type: ignore[assignment]
    from updog.cli import main  # noqa: PLC0415 - after the line above

    try:
        return main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(run())
