"""A folder that a web server gives to devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from repo_tools import storage
from repo_tools.errors import PublisherBusy

LOCK = ".updog-repo.lock"
"""Name of the lock file. It begins with a dot: no server should give it to anybody."""


@dataclass(frozen=True, slots=True)
class FolderStore:
    """Published files below a folder.

    Args:
        folder: which; it is made when something is first written.
        guarded: whether the lock of a repository guards it already, so that it needs none.
    """

    folder: Path
    guarded: bool = False

    @property
    def where(self) -> str:
        """The folder's path."""
        return str(self.folder)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the folder's lock file; the kernel lets go of it when a process ends or is killed.

        Raises:
            PublisherBusy: another publisher is at work.
        """
        if self.guarded:
            yield
            return
        storage.make_folder(self.folder)
        with storage.exclusive(self.folder / LOCK):
            yield

    def prepare(self, folder: str) -> None:
        """Make the folder, and remove temporary files of killed runs."""
        storage.make_folder(self.folder / folder)
        storage.sweep(self.folder / folder)

    def sizes(self, folder: str) -> Mapping[str, int]:
        """The lengths in bytes of the plain files in a folder, by name."""
        inside = self.folder / folder
        if not inside.is_dir():
            return {}
        return {path.name: path.stat().st_size for path in inside.iterdir() if path.is_file()}

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Write a file in one step.

        Raises:
            PublisherBusy: ``new``, and the name is taken.
        """
        path = self.folder / name
        if new and path.exists():
            raise PublisherBusy(
                f"{path} has come into being since this run began.",
                hint="Another publisher ignores the lock; stop it, then run the command again.",
            )
        storage.write(path, data)

    def send(self, name: str, source: Path, sha256: str) -> None:
        """Copy a file in one step.

        Raises:
            DraftError: ``source`` holds other bytes than expected; nothing was written.
        """
        storage.copy(source, self.folder / name, expected=sha256)
