"""A program in memory that nobody can change between its check and its run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from updog.errors import StorageError

_EXECUTABLE = 0x10  # MFD_EXEC: asked for where the system makes such files not executable
_NAME_LIMIT = 200
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Sealed:
    """A sealed file in memory; closed at the end of the block.

    Attributes:
        name: for people.
        descriptor: the open file.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)


def sealed(name: str, pieces: Iterable[bytes]) -> Sealed:
    """Put a program into memory and seal it.

    Args:
        name: for people.
        pieces: its bytes; what they raise is passed on.

    Raises:
        StorageError: there is no memory for it.
    """
    descriptor = -1
    try:
        descriptor = _memory(name[:_NAME_LIMIT])
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.writelines(pieces)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError as error:
        _close(descriptor)
        message = f"the migration {name} cannot be put into memory: {error.strerror}."
        raise StorageError(message) from error
    except BaseException:
        _close(descriptor)
        raise
    return Sealed(name, descriptor)


def _memory(name: str) -> int:
    flags = os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC
    try:
        return os.memfd_create(name, flags | _EXECUTABLE)
    except OSError:  # before Linux 6.3 all of them are executable, and the flag is unknown
        return os.memfd_create(name, flags)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
