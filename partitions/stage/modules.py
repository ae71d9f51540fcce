"""Kernel modules of the initramfs: lists in the order in which they have to be loaded."""

from __future__ import annotations

from pathlib import Path

from partitions.stage import syscalls
from partitions.stage.errors import StageError
from partitions.stage.opening import opened

FOLDER = Path("/modules")
"""Where the builder puts the modules, and for each list a text file ``NAME.list``."""


def load_modules(name: str, parameters: str = "", folder: Path = FOLDER) -> None:
    """Load the modules of a list; one that is loaded already is passed over.

    A line that begins with a dash is a module that the others can do without: it may be for
    hardware that this machine does not have, and the kernel then refuses it.

    Args:
        name: of the list.
        parameters: for its last module; the others are what that one needs.
        folder: where modules and lists are.

    Raises:
        StageError: the list or a module is missing, or the kernel refused one that is needed.
    """
    names = _listed(folder / f"{name}.list")
    for module in names:
        try:
            _load(folder / module.removeprefix("-"), parameters if module == names[-1] else "")
        except StageError:
            if not module.startswith("-"):
                raise


def _listed(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError as error:
        raise StageError(f"the initramfs has no modules for {path.stem!r}") from error


def _load(path: Path, parameters: str) -> None:
    with opened(path, f"module {path.name} is not in the initramfs") as descriptor:
        try:
            syscalls.load_module(descriptor, parameters)
        except FileExistsError:
            return
        except OSError as error:
            raise StageError(f"the kernel refuses module {path.name}: {error.strerror}") from error
