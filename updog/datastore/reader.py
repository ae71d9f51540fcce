"""Reading a data store from its folder, and finding whatever is wrong with one (formats 12).

    BASE/live/a/b/c        the value of a.b.c
    BASE/live/a/b/c.note   metadata called `note` about it
    BASE/pending/TX/...    the same for each open transaction

Reading and judging are one walk: a store without faults can be read, and the other way round.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from updog.datastore.errors import StoreError
from updog.datastore.keys import Key, decode
from updog.datastore.tree import Cell, Datum, Store, Tree

LIVE = "live"
PENDING = "pending"

MAX_FILE = 1 << 20
"""Bytes of one value."""
MAX_FILES = 100_000
MAX_DEPTH = 64


class Fault(NamedTuple):
    """Something that no data store has.

    Attributes:
        place: the path below the store's folder.
        what: what is wrong, for people.
    """

    place: str
    what: str


def read_store(folder: Path) -> Store:
    """Read a data store.

    Raises:
        StoreError: it has a fault, which is named.
        OSError: the file system refused.
    """
    walk = _Walk(folder)
    store = walk.store()
    if walk.faults:
        place, what = walk.faults[0]
        raise StoreError(f"the data store {folder}: {place}: {what}")
    return store


def faults(folder: Path) -> tuple[Fault, ...]:
    """Return everything that is wrong with a data store.

    Raises:
        OSError: the file system refused.
    """
    walk = _Walk(folder)
    walk.store()
    return tuple(walk.faults)


@dataclass(slots=True)
class _Walk:
    """One walk over a store; what is wrong is noted, and left out of the result."""

    folder: Path
    faults: list[Fault] = field(default_factory=list)
    files: int = 0

    def store(self) -> Store:
        if not self.folder.is_dir() or self.folder.is_symlink():
            self._note(self.folder, "it is not a folder")
            return Store()
        names = {entry.name for entry in self._entries(self.folder)}
        for name in sorted(names - {LIVE, PENDING}):
            self._note(self.folder / name, f"only {LIVE} and {PENDING} have a place here")
        if LIVE not in names:
            self._note(self.folder / LIVE, "it is missing")
        live = self._tree(self.folder / LIVE) if LIVE in names else Tree()
        return Store(live, dict(self._pending()) if PENDING in names else {})

    def _pending(self) -> Iterator[tuple[str, Tree]]:
        for entry in self._entries(self.folder / PENDING):
            try:
                name = decode(entry.name)
            except StoreError as error:
                self._note(Path(entry.path), str(error))
                continue
            yield name, self._tree(Path(entry.path))

    def _tree(self, folder: Path) -> Tree:
        cells: dict[Cell, Datum] = {}
        for cell, path in self._cells(folder, ()):
            try:
                cells[cell] = Datum(self._text(path))
            except (StoreError, ValueError) as error:
                self._note(path, str(error))
        return Tree(cells)

    def _cells(self, folder: Path, above: tuple[str, ...]) -> Iterator[tuple[Cell, Path]]:
        if len(above) > MAX_DEPTH:
            self._note(folder, f"it is nested deeper than {MAX_DEPTH} folders")
            return
        for entry in self._entries(folder):
            path = Path(entry.path)
            try:
                name, _, note = entry.name.partition(".")
                parts = (*above, decode(name))
                if entry.is_dir(follow_symlinks=False) and "." not in entry.name:
                    yield from self._cells(path, parts)
                elif entry.is_file(follow_symlinks=False):
                    yield Cell(Key(parts), decode(note) if "." in entry.name else ""), path
                else:
                    self._note(path, "it is neither a file nor a folder of settings")
            except StoreError as error:
                self._note(path, str(error))

    def _text(self, path: Path) -> str:
        self.files += 1
        if self.files > MAX_FILES:
            raise StoreError(f"there are more than {MAX_FILES} files")
        # Never through a link that took the file's place meanwhile, and never waiting for a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise StoreError(f"it is longer than {MAX_FILE} bytes")
        return content.decode()

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        if not folder.is_dir() or folder.is_symlink():
            self._note(folder, "it is not a folder")
            return []
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)

    def _note(self, path: Path, what: str) -> None:
        self.faults.append(Fault(str(path.relative_to(self.folder)), what))
