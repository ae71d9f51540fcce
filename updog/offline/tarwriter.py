"""A tar archive written once, front to back, whose bytes depend on names and contents alone."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from updog.durable import sync_folder
from updog.errors import InternalError, PermissionDenied, StorageError, UsageError
from updog.offline.tarindex import BLOCK

_END = bytes(2 * BLOCK)


class TarWriter:
    """A new archive, which appears under its name when it is whole and on stable storage.

    Args:
        path: where; its directory must exist.
        replace: whether a file that is there may be replaced.

    Raises:
        UsageError: there is something at `path`.
        StorageError, PermissionDenied: the file system refused.
    """

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        self._path = path
        self._replace = replace
        self._draft = path.with_name(f".{path.name}.new")
        self.length = 0

    def __enter__(self) -> Self:
        self._refuse_to_replace()
        try:
            # A draft that a killed run left behind; a link in its place must not be followed.
            self._draft.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._draft, flags, 0o644), "wb")
        except OSError as error:
            raise _refused(self._path, error) from error
        return self

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Append a file.

        Args:
            name: in the archive.
            size: bytes that `chunks` gives in all.
            chunks: its bytes; what they raise passes through.

        Raises:
            StorageError, PermissionDenied: the file system refused.
        """
        self._write(header(name, size))
        written = 0
        for chunk in chunks:
            written += len(chunk)
            self._write(chunk)
        if written != size:
            raise InternalError(f"{name} has {written} bytes where {size} were announced")
        self._write(bytes(-size % BLOCK))

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _refused(self._path, error) from error
        self.length += len(data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._give_up()

    def _finish(self) -> None:
        self._write(_END)
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._refuse_to_replace()
            self._draft.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise _refused(self._path, error) from error

    def _give_up(self) -> None:
        """Leave nothing half written; after a success there is nothing left to remove."""
        try:
            self._file.close()
        except OSError:
            # Only buffered bytes of a file that goes away now.
            pass
        finally:
            self._draft.unlink(missing_ok=True)

    def _refuse_to_replace(self) -> None:
        if not self._replace and os.path.lexists(self._path):
            raise UsageError(f"{self._path} is there already.", hint="--force replaces it.")


def header(name: str, size: int) -> bytes:
    """Return the header, extended where it has to be, of a plain file."""
    facts = tarfile.TarInfo(name)
    facts.size = size
    facts.mode = 0o644
    # Time, owner and group stay 0 and empty. The pax form takes long names and large files.
    return facts.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _refused(path: Path, error: OSError) -> StorageError | PermissionDenied:
    if isinstance(error, PermissionError):
        return PermissionDenied(f"{path} may not be written.", hint="Choose another directory.")
    return StorageError(f"{path} cannot be written: {error.strerror}.")
