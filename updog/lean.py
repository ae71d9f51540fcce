"""What a process on a device begins with: nothing that only publishers need is loaded."""

from __future__ import annotations

import gc
import sys

START_UP_OBJECTS = 100_000
"""About as many objects as a command makes when it starts, nearly all of them to stay."""
PUBLISHERS_ONLY = ("boto3", "botocore", "azure", "google.cloud", "pkcs11", "hvac")
"""What the TUF library loads, wherever it is installed, to sign with keys that lie elsewhere."""


def begin() -> None:
    """Call it before anything else is imported, and only where the process is ours alone.

    A short command spends a tenth of its time on looking for garbage among freshly loaded modules.
    """
    gc.set_threshold(START_UP_OBJECTS)
    for name in PUBLISHERS_ONLY:
        # For Python, a module that is not installed.
        sys.modules[name] = None  # type: ignore[assignment]
