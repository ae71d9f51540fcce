"""Files and devices of the boot stage, opened for a moment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from partitions.stage.errors import StageError


@contextlib.contextmanager
def opened(path: Path, complaint: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Have a descriptor, which no other program gets.

    Args:
        path: what to open.
        complaint: what it means if that fails; the kernel's reason is added.
        flags: of open(2).

    Raises:
        StageError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC)
    except OSError as error:
        raise StageError(f"{complaint}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
