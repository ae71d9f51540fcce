"""A store that can be read, and tells what would be written to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from repo_tools.stores.store import Store


@dataclass(frozen=True, slots=True)
class RehearsedStore:
    """Stands before a store while a run is only rehearsed.

    Args:
        store: what is read.
        tell: told what would be done.
    """

    store: Store
    tell: Callable[[str], None]

    @property
    def where(self) -> str:
        """The address of the store behind."""
        return self.store.where

    def exclusive(self) -> AbstractContextManager[None]:
        """Take no lock: that would be writing, and a rehearsal disturbs nobody."""
        return nullcontext()

    def prepare(self, folder: str) -> None:
        """Do nothing."""

    def sizes(self, folder: str) -> Mapping[str, int]:
        """The lengths of the files in a folder."""
        return self.store.sizes(folder)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""
        return self.store.read(name)

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Tell that a file would be written."""
        kind = "new" if new or self.store.read(name) is None else "replacing the old one"
        self.tell(f"Would write {name} ({len(data)} bytes, {kind})")

    def send(self, name: str, source: Path, sha256: str) -> None:  # noqa: ARG002 - the seam's
        """Tell that a file would be copied."""
        self.tell(f"Would copy {source} to {name} ({source.stat().st_size} bytes)")
