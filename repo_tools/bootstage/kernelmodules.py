"""Kernel modules for an initramfs: found by name, with all that they need, in loading order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from repo_tools.bootstage.elf import module_needs
from repo_tools.errors import ImageError

_PACKED = (".ko.xz", ".ko.zst", ".ko.gz")


@dataclass(frozen=True)
class ModuleTree:
    """The modules of one kernel, installed or only unpacked.

    Attributes:
        folder: ``/lib/modules/RELEASE``; needs ``modules.builtin`` and ``kernel``, no depmod.
    """

    folder: Path

    @cached_property
    def _files(self) -> Mapping[str, Path]:
        files = {_plain(path.stem): path for path in sorted(self.folder.rglob("*.ko"))}
        if not files:
            packed = any(next(self.folder.rglob(f"*{suffix}"), None) for suffix in _PACKED)
            raise ImageError(
                f"{self.folder} holds no kernel modules that can be read.",
                hint="Unpack them first (*.ko.xz, *.ko.zst)."
                if packed
                else "Give the folder /lib/modules/RELEASE of the kernel.",
            )
        return files

    @cached_property
    def _builtin(self) -> frozenset[str]:
        path = self.folder / "modules.builtin"
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror}.") from error
        return frozenset(_plain(Path(line).stem) for line in lines)

    def in_order(self, names: Iterable[str], *, skip_missing: bool = False) -> list[Path]:
        """Return the files of these modules and of what they need, each after its needs.

        Modules that the kernel has built in are left out.

        Raises:
            ImageError: the kernel has no such module (unless `skip_missing`), or one is damaged.
        """
        found: dict[str, Path] = {}
        for name in names:
            if skip_missing and not self._known(_plain(name)):
                continue
            self._add(_plain(name), found, ())
        return list(found.values())

    def _known(self, name: str) -> bool:
        return name in self._files or name in self._builtin

    def _add(self, name: str, found: dict[str, Path], above: tuple[str, ...]) -> None:
        path = self._files.get(name)
        if name in found or name in above or (path is None and name in self._builtin):
            return
        if path is None:
            wanted = f" (needed by {above[-1]})" if above else ""
            raise ImageError(f"The kernel of {self.folder} has no module {name}{wanted}.")
        for need in module_needs(path.read_bytes(), str(path)):
            self._add(need, found, (*above, name))
        found[name] = path


def _plain(name: str) -> str:
    return name.replace("-", "_")
