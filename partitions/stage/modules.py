"""Kernel modules of the initramfs: lists in the order in which they have to be loaded."""

from __future__ import annotations

import os
from pathlib import Path

from partitions.stage import syscalls
from partitions.stage.errors import StageError

FOLDER = Path("/modules")
"""Where the builder puts the modules, and for each list a text file ``NAME.list``."""


def load_modules(name: str, parameters: str = "", folder: Path = FOLDER) -> None:
    """Load the modules of a list; one that is loaded already is passed over.

    Args:
        name: of the list.
        parameters: for its last module; the others are what that one needs.
        folder: where modules and lists are.

    Raises:
        StageError: the list or a module is missing, or the kernel refused one.
    """
    names = _listed(folder / f"{name}.list")
    for module in names:
        _load(folder / module, parameters if module == names[-1] else "")


def _listed(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError as error:
        raise StageError(f"the initramfs has no modules for {path.stem!r}") from error


def _load(path: Path, parameters: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StageError(f"module {path.name} is not in the initramfs") from error
    try:
        syscalls.load_module(descriptor, parameters)
    except FileExistsError:
        return
    except OSError as error:
        raise StageError(f"the kernel refuses module {path.name}: {error.strerror}") from error
    finally:
        os.close(descriptor)
