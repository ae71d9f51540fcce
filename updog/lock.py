"""One run at a time: an advisory lock that the kernel drops with the process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from updog.errors import BusyError, PermissionDenied, StorageError

PID_LIMIT = 32


class RunLock:
    """The lock file of one machine, held while the block runs.

    The file stays when the lock is given back: removing it would let two runs lock two files of one
    name.

    Args:
        path: the lock file; made with its folder if missing.

    Raises:
        BusyError: another run holds it; names its process id where the file tells.
        PermissionDenied: this user may not lock it.
        StorageError: the file system refused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    @property
    def descriptor(self) -> int:
        """What holds the lock, to be inherited by a process that works under it; -1 if not held."""
        return self._descriptor

    def __enter__(self) -> Self:
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise BusyError(
                f"Another run{holder} is at work and holds {self.path}.",
                hint="Wait until it is done, then run the command again.",
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"{self.path} cannot be locked: {error.strerror}.") from error
        # It only tells others who holds it; a full file system is no reason not to work.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> int:
        # Private: whoever can open the file could hold the lock and stop all updates.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o600)
        except PermissionError as error:
            message = f"{self.path} may not be locked."
            raise PermissionDenied(message, hint="Run as root.") from error
        except OSError as error:
            raise StorageError(f"{self.path} cannot be locked: {error.strerror}.") from error


def is_held(path: Path) -> bool:
    """Whether another run is at work; the answer may be old when it arrives.

    Raises:
        PermissionDenied: this user may not look.
        StorageError: the file system refused.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise PermissionDenied(f"{path} may not be opened.", hint="Run as root.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        # Shared, so that two who look do not see each other; given back at once.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder(descriptor: int) -> str:
    """The holder's process id as words, or nothing while it is still being written."""
    said = os.pread(descriptor, PID_LIMIT, 0).strip()
    return f" (process {said.decode()})" if said.isdigit() else ""
