"""The seam between what is signed and where it is put. PURE.

A store holds files by name, such as ``edge/x86_64/timestamp.json`` or ``targets/<sha256>.NAME``.
A reader of it sees a file wholly or not at all, whatever happens to the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """A place for published files.

    Attributes:
        where: its address, for people.
    """

    @property
    def where(self) -> str:
        """Its address, for people."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep every other publisher out for the length of the block.

        Raises:
            PublisherBusy: another one is at work.
        """

    def prepare(self, folder: str) -> None:
        """Get ready to write into a folder, and remove what killed runs left half-written there."""

    def sizes(self, folder: str) -> Mapping[str, int]:
        """The lengths in bytes of the files directly in a folder, by name; empty if it is none."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Write a file in one step; it is on stable storage afterwards.

        Args:
            name: of the file.
            data: all of it.
            new: nothing may have that name yet.

        Raises:
            PublisherBusy: somebody else has written it since this store was locked.
        """

    def send(self, name: str, source: Path, sha256: str) -> None:
        """Copy a file in one step, provided that its bytes are the expected ones.

        Args:
            name: of the file in the store.
            source: the file.
            sha256: hexadecimal, of its bytes.

        Raises:
            DraftError: ``source`` holds other bytes; nothing was written.
        """
