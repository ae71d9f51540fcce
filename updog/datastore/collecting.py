"""Which old stores go, and in which order."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from updog.datastore.copying import remove_store
from updog.datastore.files import Files
from updog.datastore.links import DRAFT, version_of_store

WORK = ".updog-migration-"
"""Begins the name of a folder in which migrations run."""

_LINK = re.compile(r"v\d+(?:\.\d+){0,2}")


def collect(current: Path, keep: Collection[str], files: Files) -> tuple[str, ...]:
    """Remove the stores that are not to be kept, links that lead to none, and what cut runs left.

    A folder goes only if its name is one that a store has: ``vVERSION_`` and 16 letters or digits.

    Args:
        current: the first link of the chain.
        keep: the names of stores that stay.
        files: the file system.

    Returns:
        The names of the stores that were removed.

    Raises:
        OSError: the file system refused; what is still there is complete or not led to.
    """
    folder = current.parent
    names = sorted(path.name for path in folder.iterdir())
    stores = tuple(
        name
        for name in names
        if version_of_store(name) and name not in keep and _is_folder(folder / name)
    )
    # Links before stores: no link may ever lead to half a store.
    _remove_links(folder, names, frozenset(stores), files)
    for name in stores:
        remove_store(folder / name, files)
    for name in names:
        if name.startswith(WORK) and _is_folder(folder / name):
            remove_store(folder / name, files)
    files.sync_folder(folder)
    return stores


def _remove_links(folder: Path, names: list[str], gone: frozenset[str], files: Files) -> None:
    links = {
        name: str((folder / name).readlink()) for name in names if (folder / name).is_symlink()
    }
    dead: set[str] = set()
    for name in links:
        if name.startswith(DRAFT) or (
            _LINK.fullmatch(name) and _ends_in(name, links, gone, folder)
        ):
            dead.add(name)
    # From the top down, so that a link which is still there leads on as far as it ever did.
    for name in sorted(dead, key=lambda name: (name.count("."), name)):
        files.unlink(folder / name)
    if dead:
        files.sync_folder(folder)


def _ends_in(name: str, links: dict[str, str], gone: frozenset[str], folder: Path) -> bool:
    """Whether following a link ends in a store that goes, or in nothing."""
    for _ in range(len(links)):
        if name not in links:
            break
        name = links[name]
    return name in gone or name in links or not (folder / name).exists()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
