"""The chain of links that says which store is in use, and of which version it is (formats 12).

    current -> v1 -> v1.4 -> v1.4.2 -> v1.4.2_Jk3pQ8sW1xYz0aBc

The name of the store's folder carries the whole version, the links only its three numbers. So a
pre-release is told by the folder, wherever its numbers are those of the links; a folder that was
linked to a later version because nothing had to be migrated keeps its old name, and is told by the
links.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from updog.datastore.errors import StoreError
from updog.datastore.files import Files
from updog.version import Version

RANDOM_LETTERS = 16
DRAFT = ".updog-link-"
"""Begins the name of a link that is not in place yet."""

_STORE = re.compile(r"v(.+)_[0-9A-Za-z]{16}")
_LINKS = 4
_HINT = "Restore the links, or remove the data store to begin with the defaults."


class Chain(NamedTuple):
    """The store in use.

    Attributes:
        version: the version whose settings it holds.
        folder: where it lies.
    """

    version: Version
    folder: Path


def read_chain(current: Path) -> Chain | None:
    """Follow the links.

    Args:
        current: the first link.

    Returns:
        The store in use; None where there is none yet, as on the first boot.

    Raises:
        StoreError: a link is missing, leads out of its folder or to no store.
        OSError: the file system refused.
    """
    if not current.is_symlink() and not current.exists():
        return None
    names = [current.name]
    for _ in range(_LINKS):
        names.append(_target(current.with_name(names[-1])))
    store = current.with_name(names[-1])
    if store.is_symlink() or not store.is_dir():
        raise StoreError(f"the link {current.with_name(names[-2])} leads to no store", hint=_HINT)
    return Chain(told_version(names[-2], names[-1]), store)


def told_version(link: str, store: str) -> Version:
    """The version that the third link's target and the name of the store tell.

    Raises:
        StoreError: the link names no version.
    """
    try:
        linked = Version.parse(link.removeprefix("v"))
    except ValueError as error:
        raise StoreError(f"the link {link!r} names no version", hint=_HINT) from error
    exact = version_of_store(store)
    return exact if exact is not None and numbers(exact) == numbers(linked) else linked


def version_of_store(name: str) -> Version | None:
    """The version in the name of a store's folder; None where it is not the name of one."""
    match = _STORE.fullmatch(name)
    try:
        return Version.parse(match[1]) if match else None
    except ValueError:
        return None


def store_name(version: Version, letters: str) -> str:
    """The name of a new store's folder.

    Args:
        version: of the settings in it.
        letters: 16 random letters and digits, so that no two stores share a name.
    """
    return f"v{version}_{letters}"


def numbers(version: Version) -> str:
    """The part of a version that the links carry."""
    return f"{version.major}.{version.minor}.{version.patch}"


def steps(current: Path, version: Version, store: str) -> tuple[tuple[Path, str], ...]:
    """The links of a version's chain from the store up, each with what it leads to."""
    patch, minor = f"v{numbers(version)}", f"v{version.major}.{version.minor}"
    major = f"v{version.major}"
    rows = ((patch, store), (minor, patch), (major, minor), (current.name, major))
    return tuple((current.with_name(name), leads_to) for name, leads_to in rows)


def flip(current: Path, version: Version, store: str, files: Files) -> None:
    """Let the chain lead to a store, so that every moment of it shows the old one or the new one.

    From the store up: a link above is only ever pointed at a chain that is complete, and of the
    four renames exactly one changes where ``current`` ends. The patch link is part of the chain in
    use only if the old version has the same three numbers, and then the three links above are right
    already; the same holds for minor and major. All links below that one are new or unused.

    Args:
        current: the first link.
        version: what the store holds.
        store: the name of its folder, which is complete and on stable storage.
        files: the file system.

    Raises:
        OSError: the file system refused; the links lead to the old store or to the new one.
    """
    for link, leads_to in steps(current, version, store):
        if link.is_symlink() and str(link.readlink()) == leads_to:
            continue
        draft = link.with_name(f"{DRAFT}{link.name}")
        if draft.is_symlink():
            # Of a run that was cut short here; a link can only be made where none is.
            files.unlink(draft)
        # Beside its place, because a link cannot be changed: between removing the old one and
        # making the new one there would be no chain.
        files.link(draft, leads_to)
        # The rename shows the old link or the new one, never none.
        files.rename(draft, link)
        # Now, not once at the end: the file system may keep renames in another order than we made
        # them, and a link above must not last longer than the one it leads to.
        files.sync_folder(link.parent)


def _target(link: Path) -> str:
    try:
        name = str(link.readlink())
    except OSError as error:
        raise StoreError(f"{link} is not a link of the data store", hint=_HINT) from error
    if "/" in name or name in {"", ".", ".."}:
        raise StoreError(f"{link} leads out of its folder, to {name!r}", hint=_HINT)
    return name
