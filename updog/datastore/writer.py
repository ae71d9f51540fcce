"""Writing a data store into a new folder."""

from __future__ import annotations

from pathlib import Path

from updog.datastore.errors import StoreError
from updog.datastore.files import Files, RealFiles
from updog.datastore.keys import MAX_FILE_NAME, encode
from updog.datastore.reader import LIVE, PENDING
from updog.datastore.tree import Cell, Store, Tree

FOLDER_MODE = 0o755
FILE_MODE = 0o644


def write_store(folder: Path, store: Store, files: Files | None = None) -> None:
    """Write a data store; nothing of it is flushed.

    Args:
        folder: where; must not exist.
        store: what.
        files: the file system.

    Raises:
        StoreError: a setting has a value and settings inside it, or a name is too long for a file.
        OSError: the file system refused.
    """
    files = files or RealFiles()
    for name, tree in store.trees().items():
        if conflict := tree.conflict():
            raise StoreError(f"{name}: {conflict} has a value and settings inside it")
    writer = _Writer(files)
    writer.folder(folder)
    writer.tree(folder / LIVE, store.live)
    if store.pending:
        writer.folder(folder / PENDING)
    for name, tree in store.pending.items():
        writer.tree(folder / PENDING / encode(name), tree)


def file_of(cell: Cell) -> Path:
    """The path of a cell below the folder of its tree.

    Raises:
        StoreError: a name is too long for a file.
    """
    *above, last = map(encode, cell.key.parts)
    name = f"{last}.{encode(cell.metadata)}" if cell.metadata else last
    if len(name) > MAX_FILE_NAME:
        raise StoreError(f"{cell}: its name is too long for a file")
    return Path(*above, name)


class _Writer:
    """Makes each folder once."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._made: set[Path] = set()

    def folder(self, path: Path) -> None:
        if path not in self._made:
            self._files.make_folder(path, FOLDER_MODE, None)
            self._made.add(path)

    def tree(self, folder: Path, tree: Tree) -> None:
        self.folder(folder)
        for cell, datum in tree.cells.items():
            path = folder / file_of(cell)
            for above in [*reversed(path.relative_to(folder).parents)][1:]:
                self.folder(folder / above)
            self._files.write(path, datum.text.encode(), FILE_MODE, None)
