"""Kernel modules for an initramfs: found by name, with all that they need, in loading order."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from repo_tools.bootstage.elf import ModuleInfo, module_info, plain, said_of_module
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
        files = {plain(path.stem): path for path in sorted(self.folder.rglob("*.ko"))}
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
        return frozenset(plain(Path(line).stem) for line in lines)

    @cached_property
    def _answering(self) -> Mapping[str, tuple[str, ...]]:
        """For each alias the modules that answer to it."""
        found = defaultdict[str, tuple[str, ...]](tuple)
        for name in self._files:
            # A damaged one is told when it is itself to be put in, and only then.
            with contextlib.suppress(ImageError):
                for alias in self._said(name).aliases:
                    found[alias] += (name,)
        return found

    @cached_property
    def _builtin_aliases(self) -> frozenset[str]:
        """Names that what is built in answers to; before Linux 5.2 nothing says them."""
        path = self.folder / "modules.builtin.modinfo"
        lines = path.read_bytes().split(b"\0") if path.exists() else []
        return frozenset(said_of_module(line.partition(b".")[2] for line in lines).aliases)

    def in_order(
        self, names: Iterable[str], *, skip_missing: bool = False, soft: bool = False
    ) -> list[Path]:
        """Return the files of these modules and of what they need, each after its needs.

        Modules that the kernel has built in are left out.

        Args:
            names: of the modules.
            skip_missing: pass over those of them that are not there.
            soft: also what they ask to have loaded before them (`ModuleInfo.before`), where it is
                there and nothing that is built in offers the same. It is read from the modules,
                as depmod does for ``modules.softdep``. Who loads it goes on if the kernel refuses.

        Raises:
            ImageError: the kernel has no such module (unless `skip_missing`), or one is damaged.
        """
        found: dict[str, Path] = {}
        for name in map(plain, names):
            if not skip_missing or self._known(name):
                self._add(name, found, (), soft=soft)
        return list(found.values())

    def _known(self, name: str) -> bool:
        return name in self._files or name in self._builtin

    def _said(self, name: str) -> ModuleInfo:
        path = self._files[name]
        return module_info(path.read_bytes(), str(path))

    def _add(
        self, name: str, found: dict[str, Path], above: tuple[str, ...], *, soft: bool
    ) -> None:
        path = self._files.get(name)
        if name in found or name in above or (path is None and name in self._builtin):
            return
        if path is None:
            wanted = f" (needed by {above[-1]})" if above else ""
            raise ImageError(f"The kernel of {self.folder} has no module {name}{wanted}.")
        said = self._said(name)
        for asked in said.before if soft else ():
            for offering in self._offering(asked):
                self._add(offering, found, (*above, name), soft=True)
        for need in said.depends:
            self._add(need, found, (*above, name), soft=soft)
        found[name] = path

    def _offering(self, asked: str) -> tuple[str, ...]:
        """The modules by this name or alias; none if the kernel has it anyway, or has none."""
        if asked in self._files:
            return (asked,)
        if asked in self._builtin or asked in self._builtin_aliases:
            return ()
        return self._answering.get(asked, ())
